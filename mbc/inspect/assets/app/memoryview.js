// The arena over time: a rectangle for each buffer, from its first step to its last, at its addresses.
import { el, headers, svg, withTip } from "./dom.js";
import { bytes, count, percent, plural } from "./format.js";
import { byteSteps, linear } from "./scales.js";

const LEFT = 70, RIGHT = 12, TOP = 12, BOTTOM = 40;

export class MemoryView {
  constructor(state, parent) {
    this.state = state;
    const { memory } = state.model;
    if (!memory) {
      parent.append(el("p", { class: "card" }, "No memory is planned at this stage: the passes were stopped before plan-memory."));
      return;
    }
    const peak = memory.steps[memory.peak];
    this.chart = arenaChart(memory, (holding) => this.choose(holding));
    parent.append(el("div", { class: "side-by-side" },
      el("div", { class: "card" },
        el("h2", {}, `Arena of ${bytes(memory.arena_bytes)}`),
        el("p", { class: "why" }, `${verdict(memory)} Steps run from left to right, addresses from bottom to top. `
          + (memory.scratch_bytes ? `With several threads ${bytes(memory.shared_bytes)}, and ${bytes(memory.scratch_bytes)} of scratch for each.` : "")),
        this.chart,
        el("div", { class: "legend" }, [["accent", "alive at the peak"], ["neither", "another value"], ["memory", "scratch of a kernel"]].map(([name, text]) => el("span", {}, el("i", { style: `background: var(--${name})` }), text)))),
      el("div", { class: "card" },
        el("h2", {}, "Owners of the peak"),
        el("p", { class: "why" }, peak ? `Most is alive while step ${memory.peak} runs: ${bare(peak.value)} (${peak.op}).` : ""),
        this.owners(memory))));
    state.on(["node"], () => this.light());
    this.light();
  }

  owners(memory) {
    const alive = memory.holdings.filter((holding) => holding.at_peak).sort((a, b) => b.bytes - a.bytes);
    return el("table", { class: "owners" }, el("thead", {}, headers("buffer", "bytes", "share", "steps")),
      el("tbody", {}, alive.map((holding) => el("tr", { "data-name": bare(holding.values[0]) },
        el("th", { scope: "row" }, el("button", { type: "button", class: "link mono", onclick: () => this.choose(holding) }, titleOfHolding(holding))),
        el("td", { class: "number" }, bytes(holding.bytes)),
        el("td", { class: "number" }, percent(holding.bytes / memory.bound_bytes)),
        el("td", { class: "number" }, `${holding.first} – ${holding.last}`)))));
  }

  choose(holding) {
    const stage = this.state.model.stages.length - 1;
    const name = this.state.model.follow(bare(holding.values[0]), stage);
    if (name !== null) this.state.select(name, { stage });
  }

  light() {
    for (const box of this.chart.querySelectorAll("rect[data-name]")) box.classList.toggle("lit", box.dataset.name === this.state.node);
  }
}

function verdict(memory) {
  const over = memory.arena_bytes - memory.bound_bytes;
  return over === 0 ? "As small as can be: all of it is alive at one step." : `${bytes(over)} (${percent(over / memory.bound_bytes)}) above the ${bytes(memory.bound_bytes)} that are alive at one step.`;
}

export function bare(value) {
  return value.replace(/^%/, "");
}

function titleOfHolding(holding) {
  const names = holding.values.map(bare).join(" ");
  return holding.kind === "scratch" ? `scratch of ${names}` : names;
}

export function arenaChart(memory, choose, { width = 900, height = 460 } = {}) {
  const across = linear([0, memory.steps.length], [LEFT, width - RIGHT]);
  const up = linear([0, memory.arena_bytes], [height - BOTTOM, TOP]);
  const grid = byteSteps(memory.arena_bytes).map((value) => svg("g", { class: "grid" },
    svg("line", { x1: LEFT, x2: width - RIGHT, y1: up(value), y2: up(value) }),
    svg("text", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, bytes(value))));
  const live = memory.steps.map((step, index) => `${across(index)},${up(step.live_bytes)} ${across(index + 1)},${up(step.live_bytes)}`).join(" ");
  const label = `Arena of ${bytes(memory.arena_bytes)} over ${plural(memory.steps.length, "step")}; the most, ${bytes(memory.bound_bytes)}, is alive at step ${memory.peak}.`;
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "arena" },
    grid,
    svg("rect", { x: across(memory.peak), y: TOP, width: across(1) - across(0), height: height - BOTTOM - TOP, class: "peak" }),
    memory.holdings.map((holding) => holdingBox(holding, memory.steps.length, across, up, choose)),
    svg("polyline", { points: live, class: "live" }),
    svg("text", { x: (LEFT + width) / 2, y: height - 6, class: "axis", "text-anchor": "middle" }, "step"),
    ticks(memory, across, height, width));
}

function holdingBox(holding, steps, across, up, choose) {
  const kind = holding.kind === "scratch" ? "scratch" : holding.at_peak ? "at-peak" : "value";
  const box = svg("rect", {
    x: across(holding.first), width: across(Math.min(holding.last + 1, steps)) - across(holding.first), y: up(holding.offset + holding.bytes),
    height: Math.max(0.5, up(holding.offset) - up(holding.offset + holding.bytes)), class: kind, "data-name": bare(holding.values[0]),
    onclick: () => choose(holding),
  });
  return withTip(box, `${titleOfHolding(holding)}\n${count(holding.bytes)} bytes at ${count(holding.offset)}, steps ${holding.first} to ${holding.last}`);
}

function ticks(memory, across, height, width) {
  const every = Math.max(1, Math.ceil((memory.steps.length * 70) / width));
  return memory.steps.map((_, index) => index).filter((index) => index % every === 0)
    .map((index) => svg("text", { x: across(index + 0.5), y: height - BOTTOM + 16, "text-anchor": "middle", class: "tick" }, index));
}
