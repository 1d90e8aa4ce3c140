// The roofline of a core with the layers under it. The area of a disc is a layer's share of the time.
import { el, svg, withTip, replace } from "./dom.js";
import { figure, ms, percent, plural } from "./format.js";
import { logarithmic, steps } from "./scales.js";

const WIDTH = 900, HEIGHT = 520, LEFT = 64, RIGHT = 20, TOP = 20, BOTTOM = 48, WHOLE = 110;

export class RoofView {
  constructor(state, parent) {
    this.state = state;
    const { limits, profile } = state.model;
    this.measured = state.model.hasProfile();
    this.box = el("div", { class: "chart" });
    const toggle = this.measured && el("label", {}, el("input", { type: "checkbox", id: "measured", checked: true, onchange: (event) => { this.measured = event.target.checked; this.show(); } }), " measured times");
    parent.append(el("div", { class: "card" },
      el("h2", {}, `Roofline of one core: ${limits.title}`),
      el("p", { class: "why" }, `${limits.mhz} MHz${{ board: "", given: " (as given)", measured: " (as measured here)", assumed: " (assumed)" }[limits.clock]}: `
        + `${figure(limits.gflops)} GFLOP/s and ${figure(limits.memory_gbs)} GB/s. `
        + "A layer stands at what it computes for each byte, and at the rate that is predicted of it; its area is its share of the time."
        + (profile ? " Measured rates are those of the machine that ran the profile, whose roof may be another." : "")),
      toggle || null, this.box,
      el("div", { class: "legend" }, ["compute", "memory"].map((name) => el("span", {}, el("i", { style: `background: var(--${name})` }), `bound by ${name}`)))));
    state.on(["node"], () => this.light());
    this.show();
  }

  points() {
    const rows = this.state.model.layers().map((row) => ({ ...row, time: this.measured ? row.measured : row.ms }))
      .filter((row) => row.macs > 0 && row.time > 0);
    const whole = rows.reduce((sum, row) => sum + row.time, 0);
    return rows.map((row) => ({ ...row, rate: (2 * row.macs) / row.time / 1e6, share: row.time / whole })).sort((a, b) => b.share - a.share);
  }

  show() {
    const points = this.points();
    const { gflops, memory_gbs: memory, ridge } = this.state.model.limits;
    if (points.length === 0) {
      replace(this.box, el("p", {}, "No layer has a predicted time: the target has no kernels for some, or the passes were stopped."));
      return;
    }
    const x = steps([ridge, ...points.map((point) => point.intensity)]), y = steps([gflops, ...points.map((point) => point.rate)]);
    const across = logarithmic([x.from, x.to], [LEFT, WIDTH - RIGHT]), up = logarithmic([y.from, y.to], [HEIGHT - BOTTOM, TOP]);
    const left = points.length - this.state.model.layers().length;
    const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": this.tell(points) },
      x.lines.map((value) => gridLine(across(value), TOP, across(value), HEIGHT - BOTTOM, figure(value), "below")),
      y.lines.map((value) => gridLine(LEFT, up(value), WIDTH - RIGHT, up(value), figure(value), "beside")),
      svg("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, class: "axis", "text-anchor": "middle" }, "FLOP per byte"),
      svg("text", { x: 14, y: HEIGHT / 2, class: "axis", "text-anchor": "middle", transform: `rotate(-90 14 ${HEIGHT / 2})` }, "GFLOP/s"),
      points.map((point) => this.disc(point, across(point.intensity), up(point.rate))),
      this.roof(across, up, x, y, { gflops, memory, ridge }));
    replace(this.box, chart, left < 0 ? el("p", { class: "soft" }, `${plural(-left, "layer")} without multiply-adds or times ${left === -1 ? "is" : "are"} left out.`) : null);
    this.light();
  }

  roof(across, up, x, y, { gflops, memory, ridge }) {
    const foot = Math.max(x.from, y.from / memory);
    const path = `M${across(foot)},${up(foot * memory)} L${across(ridge)},${up(gflops)} L${WIDTH - RIGHT},${up(gflops)}`;
    return svg("g", { class: "roof" }, svg("path", { d: path }),
      svg("text", { x: WIDTH - RIGHT - 4, y: up(gflops) - 6, "text-anchor": "end" }, `${figure(gflops)} GFLOP/s`),
      svg("text", { x: across(Math.sqrt(foot * ridge)) - 10, y: up(Math.sqrt(foot * ridge) * memory) - 8, "text-anchor": "end" }, `${figure(memory)} GB/s`));
  }

  disc(point, x, y) {
    const disc = svg("circle", {
      cx: x, cy: y, r: Math.max(4, WHOLE * Math.sqrt(point.share)), class: point.bound, "data-name": point.name,
      onclick: () => this.state.select(point.name, { stage: this.state.model.stages.length - 1 }),
    });
    return withTip(disc, `${point.name}\n${point.op}\n${ms(point.time)}, ${percent(point.share)}; ${figure(point.rate)} GFLOP/s at ${figure(point.intensity)} FLOP per byte`);
  }

  tell(points) {
    const bound = (name) => points.filter((point) => point.bound === name);
    const share = (some) => percent(some.reduce((sum, point) => sum + point.share, 0));
    return `Roofline with ${plural(points.length, "layer")}: ${bound("compute").length} bound by compute (${share(bound("compute"))} of the time), `
      + `${bound("memory").length} by memory (${share(bound("memory"))}). The view of layers has the numbers.`;
  }

  light() {
    for (const disc of this.box.querySelectorAll("circle")) disc.classList.toggle("lit", disc.dataset.name === this.state.node);
  }
}

function gridLine(x1, y1, x2, y2, text, where) {
  const label = where === "below" ? { x: x1, y: y2 + 16, "text-anchor": "middle" } : { x: x1 - 6, y: y1 + 4, "text-anchor": "end" };
  return svg("g", { class: "grid" }, svg("line", { x1, y1, x2, y2 }), svg("text", label, text));
}
