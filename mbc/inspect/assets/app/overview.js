// The first screen: what the network is, how large and fast, what limits it, what changed most.
import { el, nameText, withTip } from "./dom.js";
import { bytes, count, figure, ms, percent, plural, shapeText, short, signed } from "./format.js";
import { KINDS } from "./labels.js";
import { arenaChart, bare } from "./memoryview.js";

export function makeOverview(state, parent) {
  const { model } = state;
  const rows = model.layers();
  parent.append(el("div", { class: "overview" },
    el("div", { class: "hero" }, el("h2", { class: "name" }, model.network.name), sentences(model, rows)),
    el("div", { class: "figures" }, figures(model)),
    timeCard(state, rows), passesCard(state), memoryCard(state)));
  return true;
}

function sentences(model, rows) {
  const { network, limits, totals } = model;
  const inputs = network.inputs.map((input) => `${shapeText(input.type.shape)} ${input.type.element}`).join(", ");
  const outputs = network.outputs.map((output) => shapeText(output.shape)).join(", ");
  const settings = Object.entries(network.parameters).filter(([name, value]) => name !== "batch" || value !== 1).map(([name, value]) => `${name} ${value}`).join(", ");
  const how = network.level === null ? "by passes listed by hand" : `at -O${network.level}${network.goal === "memory" ? " for memory" : ""}`;
  return [
    el("p", {}, `From ${inputs} to ${outputs}${network.quantised ? ", on 8-bit codes" : ""}${settings ? `; ${settings}` : ""}. `,
      `Compiled for ${limits.title}${limits.title === network.cpu ? "" : ` (${network.cpu})`} ${how}.`),
    el("p", { class: "limit" }, limitSentence(model, rows, totals)),
  ];
}

function limitSentence(model, rows, totals) {
  if (totals.ms === null) return "No time is predicted: the target has no kernel for some of its nodes.";
  const whole = rows.reduce((sum, row) => sum + (row.ms ?? 0), 0);
  const compute = rows.filter((row) => row.bound === "compute").reduce((sum, row) => sum + (row.ms ?? 0), 0);
  const by = compute >= whole / 2 ? "compute" : "memory";
  const longest = [...rows].sort((a, b) => (b.ms ?? 0) - (a.ms ?? 0))[0];
  return [el("b", {}, by === "compute" ? "Arithmetic limits it" : "Memory limits it"),
    `: layers bound by ${by} take ${percent(Math.max(compute, whole - compute) / whole)} of the predicted time. `,
    `The longest is `, el("span", { class: "mono" }, longest.name), ` with ${percent(longest.ms / whole)}.`];
}

function figures(model) {
  const { totals, network, limits, memory, profile, losses } = model;
  const first = model.graphs[0].totals, clock = { board: `${limits.mhz} MHz`, given: `${limits.mhz} MHz, as given`, measured: `${limits.mhz} MHz, as measured here`, assumed: `at ${limits.mhz} MHz, which is assumed` }[limits.clock];
  return [
    profile && card("Measured", ms(profile.ms_median), `${figure(profile.ms_median / totals.ms)} times the prediction; ${plural(profile.threads, "thread")}, ${profile.target}`),
    card("Predicted, one core", ms(totals.ms), `${clock}; the roofline allows ${ms(totals.least_ms)}`),
    card("Multiply-adds", short(network.macs), `${short(totals.ms ? (2 * network.macs) / totals.ms * 1e3 : null)}FLOP/s of ${figure(limits.gflops)} G`),
    card("Parameters", short(network.params), totals.weights_bytes === null ? "" : `${bytes(totals.weights_bytes)} packed`),
    card("Arena", bytes(totals.arena_bytes), memory ? `${bytes(memory.bound_bytes)} alive at the peak` : "not planned"),
    losses && card("Signal to noise", `${figure(Math.min(...Object.values(losses.outputs).map((value) => value ?? Infinity)))} dB`, "of the output, on 8-bit codes"),
    card("Kernels", count(totals.nodes), `of ${plural(first.nodes, "node")} as written`),
  ].filter(Boolean);
}

function card(title, value, more) {
  return el("div", { class: "card figure" }, el("h3", {}, title), el("p", { class: "value" }, value), el("p", { class: "soft" }, more));
}

function timeCard(state, rows) {
  const measured = state.model.hasProfile();
  const timed = rows.map((row) => ({ ...row, time: measured ? row.measured ?? 0 : row.ms ?? 0 }));
  const whole = timed.reduce((sum, row) => sum + row.time, 0) || 1;
  const open = (row) => state.select(row.name, { view: "graph", stage: state.model.stages.length - 1 });
  const strip = el("div", { class: "strip", "aria-hidden": "true" }, timed.filter((row) => row.time > 0).map((row) =>
    withTip(el("i", { style: `flex-grow: ${row.time / whole}; --kind: var(--${row.kind})`, class: row.bound, onclick: () => open(row) }), `${row.name}\n${row.op}\n${ms(row.time)}, ${percent(row.time / whole)}, bound by ${row.bound}`)));
  const kinds = Object.keys(KINDS).map((kind) => [kind, timed.filter((row) => row.kind === kind).reduce((sum, row) => sum + row.time, 0)]).filter(([, time]) => time / whole >= 0.005);
  const longest = [...timed].sort((a, b) => b.time - a.time).slice(0, 8);
  return el("section", { class: "card time" }, el("h2", {}, "Where the time goes"),
    el("p", { class: "why" }, `Layers from first to last, as wide as their ${measured ? "measured" : "predicted"} time.`), strip,
    el("div", { class: "legend" }, kinds.map(([kind, time]) => el("span", {}, el("i", { style: `background: var(--${kind})` }), `${KINDS[kind]} ${percent(time / whole)}`))),
    el("div", { class: "legend" }, "Line below: bound by", ["compute", "memory"].map((name) => el("span", {}, el("i", { style: `background: var(--${name})` }), name))),
    el("table", {}, el("caption", { class: "hidden" }, "Layers that take longest"), el("tbody", {}, longest.map((row) => el("tr", {},
      el("th", { scope: "row" }, el("button", { type: "button", class: "link mono", onclick: () => open(row) }, nameText(row.name)), el("div", { class: "soft" }, row.op)),
      el("td", { class: "number wide" }, el("i", { class: "bar", style: `width: ${(100 * row.time) / longest[0].time}%; background: var(--${row.kind})` })),
      el("td", { class: "number" }, ms(row.time)), el("td", { class: "number soft" }, percent(row.time / whole)))))));
}

// Options of a pass, as `--passes` takes them.
function optionsOf({ name, spec }) {
  return ` ${spec.slice(name.length).replace(/[{}]/g, "")}`;
}

// How much a pass changed: nodes that it added, changed and removed.
function passesCard(state) {
  const { model } = state;
  const changed = model.stages.filter((stage) => stage.index > 0 && stage.changed).map((stage) => {
    const { added, changed: edited, removed } = model.changes(stage.index);
    const [before, after] = [model.graphOf(stage.index - 1).totals, model.graphOf(stage.index).totals];
    return { stage, size: added.size + edited.size + removed.length, nodes: after.nodes - before.nodes, after,
      ms: after.ms === null || before.ms === null ? null : after.ms - before.ms, traffic: after.activation_bytes - before.activation_bytes };
  });
  const idle = model.stages.length - 1 - changed.length;
  const most = changed.reduce((best, row) => (row.nodes < best.nodes ? row : best), { nodes: 0, stage: null });
  const top = model.graphs[0].totals.nodes;
  return el("section", { class: "card passes" }, el("h2", {}, "What the passes changed"),
    el("p", { class: "why" }, most.stage ? [el("b", {}, most.stage.name), ` changed most: ${plural(-most.nodes, "node")} fewer. `] : "", idle ? `${plural(idle, "pass")} found nothing to do.` : ""),
    el("table", {}, el("thead", {}, el("tr", {}, ["pass", "nodes after it", "", "writes", "predicted"].map((name, index) => el("th", { scope: "col", class: index > 1 ? "number" : null }, name || el("span", { class: "hidden" }, "difference"))))),
      el("tbody", {}, changed.map((row) => el("tr", {},
        el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => state.set({ stage: row.stage.index, view: "graph", node: null }) }, row.stage.name), el("span", { class: "soft" }, optionsOf(row.stage))),
        el("td", { class: "wide" }, el("span", { class: "level" }, el("i", { style: `width: ${(100 * row.after.nodes) / top}%` }), el("span", {}, row.after.nodes))),
        el("td", { class: `number ${row.nodes < 0 ? "better" : "soft"}` }, row.nodes ? signed(row.nodes) : ""),
        el("td", { class: `number ${row.traffic < 0 ? "better" : "soft"}` }, row.traffic ? signed(row.traffic, bytes) : ""),
        el("td", { class: `number ${row.ms < 0 ? "better" : "soft"}` }, row.ms && Math.abs(row.ms) > 1e-4 ? signed(row.ms, ms) : ""))))));
}

function memoryCard(state) {
  const { memory } = state.model;
  if (!memory) return null;
  const owners = memory.holdings.filter((holding) => holding.at_peak).sort((a, b) => b.bytes - a.bytes).slice(0, 3);
  const open = (holding) => state.select(state.model.follow(bare(holding.values[0]), state.model.stages.length - 1), { view: "memory", stage: state.model.stages.length - 1 });
  return el("section", { class: "card memory" }, el("h2", {}, "Memory over time"),
    el("p", { class: "why" }, `The arena is largest at step ${memory.peak} of ${memory.steps.length}. It holds:`),
    arenaChart(memory, open, { width: 420, height: 260 }),
    el("table", {}, el("caption", { class: "hidden" }, "Largest buffers at the peak"), el("tbody", {}, owners.map((holding) => el("tr", {},
      el("th", { scope: "row" }, el("button", { type: "button", class: "link mono", onclick: () => open(holding) }, holding.values.map(bare).flatMap((name) => [...nameText(name), " "]))),
      el("td", { class: "number" }, bytes(holding.bytes)), el("td", { class: "number soft" }, percent(holding.bytes / memory.bound_bytes)))))));
}
