// All that is known of the selected node.
import { byId, el, headers, nameText, replace } from "./dom.js";
import { attributeText, bytes, count, figure, ms, percent, plural, shapeText } from "./format.js";
import { titleOf } from "./labels.js";
import { sourcePanel } from "./source.js";

export function makeInspector(state) {
  const panel = byId("inspector");
  const show = () => {
    const name = state.node;
    const node = name === null ? null : state.model.view(state.stage).nodes.get(name);
    panel.hidden = !node && !["graph", "ir"].includes(state.view);
    if (!node) replace(panel, hint(state));
    else replace(panel, ...(node.data ? details(node.data, state) : ends(node)));
    for (const lit of panel.querySelectorAll(".source .lit")) { centreIn(lit.closest(".source"), lit); break; }
  };
  state.on(["node", "stage", "view"], show);
  show();
}

function centreIn(box, item) {
  box.scrollTop = item.offsetTop - box.offsetTop - box.clientHeight / 2;
}

function hint(state) {
  const { stages } = state.model;
  const { added, changed, removed } = state.model.changes(state.stage);
  const list = (title, names, stage) => names.length === 0 ? null : section(`${title} (${names.length})`, el("ul", { class: "plain" },
    names.slice(0, 200).map((name) => el("li", {}, link(state, name, { stage })))));
  return [
    el("h2", {}, stages[state.stage].name),
    el("p", { class: "soft" }, state.stage === 0 ? "The network as written. Select a node to see what is known of it." : "What this pass did; select a node to see what is known of it."),
    list("Added", [...added], state.stage), list("Changed", [...changed], state.stage), list("Removed", removed, state.stage - 1),
    remarkSection("Remarks", stages[state.stage].remarks.map((remark) => ({ stage: stages[state.stage], remark })), state),
  ];
}

function link(state, name, more = {}) {
  return el("button", { type: "button", class: "link mono", onclick: () => state.set({ node: name, ...more }) }, nameText(name));
}

function ends(node) {
  return [el("h2", {}, node.title), el("p", { class: "mono" }, node.name), facts([["type", el("code", {}, node.type.text)]])];
}

function details(node, state) {
  return [
    el("h2", {}, titleOf(node)),
    el("p", { class: "mono name" }, node.name),
    costSection(node, state),
    section("Values", valuesTable(node, state)),
    lossesSection(node, state),
    sourceSection(node, state),
    attributesSection(node),
    weightsSection(node, state),
    bodySection(node),
    remarkSection("Remarks", state.model.remarksOn(node), state),
    historySection(node, state),
    originsSection(node, state),
  ];
}

function section(title, ...content) {
  return el("section", {}, el("h3", {}, title), ...content);
}

function facts(rows) {
  return el("dl", {}, rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function costSection(node, state) {
  const { ms: predicted, least_ms: least, bound, flop_per_byte: intensity, gflops } = node.roofline;
  const measured = state.stage === state.model.stages.length - 1 ? state.model.measured(node) : null;
  const whole = state.model.graphOf(state.stage).totals.ms;
  const share = predicted && whole ? ` (${percent(predicted / whole)} of all)` : "";
  return section("Cost", facts([
    ["measured", measured === null ? null : `${ms(measured)}${predicted ? `, ${figure(measured / predicted)} times the prediction` : ""}`],
    ["predicted", predicted === null ? "no kernel yet" : `${ms(predicted)}${share}`],
    ["at least", `${ms(least)}, by ${bound}`],
    ["bound by", node.bound],
    ["multiply-adds", count(node.macs)],
    ["reads, writes", `${bytes(node.bytes_read)}, ${bytes(node.bytes_written)}`],
    ["FLOP per byte", figure(intensity)],
    ["rate", gflops === null ? null : `${figure(gflops)} GFLOP/s`],
    ["parameters", node.params ? count(node.params) : null],
    ["schedule", node.schedule],
    ["scratch at", node.scratch === null ? null : count(node.scratch)],
  ]));
}

function lossesSection(node, state) {
  const layers = state.model.lossesOf(node);
  if (layers.length === 0) return null;
  const text = (value) => (value === null ? "exact" : `${figure(value)} dB`);
  return section("Signal to noise on codes", el("table", {}, el("thead", {}, headers("layer", "alone", "in all")),
    el("tbody", {}, layers.map(({ name, alone, total }) => el("tr", {},
      el("th", { scope: "row", class: "mono" }, nameText(name)), el("td", { class: "number" }, text(alone)), el("td", { class: "number" }, text(total)))))));
}

function valuesTable(node, state) {
  const inputs = node.operands.filter((operand) => operand.constant === null).map((operand) => el("tr", {},
    el("th", { scope: "row" }, operand.role),
    el("td", {}, operand.values.length > 6 ? el("details", {}, el("summary", {}, plural(operand.values.length, "value")), operandLinks(operand, state)) : operandLinks(operand, state)),
    el("td", { class: "mono" }, shapeText(operand.type.shape), el("br"), el("span", { class: "soft" }, elementText(operand.type)))));
  const results = node.results.map((result) => el("tr", {},
    el("th", { scope: "row" }, "result"),
    el("td", { class: "mono" }, result.name, result.offset === null ? "" : el("span", { class: "soft" }, ` at ${count(result.offset)}`)),
    el("td", { class: "mono" }, shapeText(result.type.shape), el("br"), el("span", { class: "soft" }, elementText(result.type)))));
  return el("table", { class: "values" }, el("thead", { class: "hidden" }, headers("role", "value", "type")), el("tbody", {}, inputs, results));
}

function operandLinks(operand, state) {
  return operand.values.map((value) => el("div", {}, link(state, state.model.follow(value, state.stage) ?? value)));
}

function elementText(type) {
  return type.element === "q8" ? `q8 × ${figure(type.scale)}, zero ${type.zero}` : type.element;
}

function attributesSection(node) {
  const rows = Object.entries(node.attributes);
  return rows.length === 0 ? null : section("Attributes", facts(rows.map(([name, value]) => [name, el("code", {}, attributeText(value))])));
}

function weightsSection(node, state) {
  const known = node.constants.map((name) => state.model.weights[name]).filter(Boolean);
  if (known.length === 0) return null;
  return section("Weights", el("ul", { class: "plain weights" }, known.map((weight) => el("li", {},
    el("div", { class: "mono" }, nameText(weight.name)),
    el("div", { class: "soft" }, `${weight.type.shape.join("×") || "a number"} ${elementText(weight.type)}, ${bytes(weight.type.bytes)}`),
    weight.mean === null ? null : el("div", { class: "spread" }, spread(weight), el("span", {}, `${figure(weight.min)} … ${figure(weight.max)}, mean ${figure(weight.mean)} ± ${figure(weight.std)}`))))));
}

// A line from the least to the greatest element, with a bar a deviation to both sides of the mean.
function spread({ min, max, mean, std }) {
  const at = (value) => Math.max(0, Math.min(100, (100 * (value - min)) / (max - min || 1)));
  return el("i", { class: "range", "aria-hidden": "true" }, el("i", { style: `left: ${at(mean - std)}%; right: ${100 - at(mean + std)}%` }));
}

function bodySection(node) {
  if (node.body.length === 0) return null;
  return section("Computes, as one kernel", el("ol", { class: "plain" }, node.body.map((step) => el("li", {},
    el("b", {}, titleOf(step)), " ", el("span", { class: "soft" }, shapeText(step.results[0].type.shape)), el("div", { class: "mono soft" }, step.name)))));
}

function sourceSection(node, state) {
  const lines = node.lines.filter((line) => line.line);
  if (lines.length === 0) return null;
  const panel = sourcePanel(state.model.sources, lines);
  const where = [...new Set(lines.map((line) => `${line.file}:${line.line}`))].join(", ");
  return section("Source", el("p", { class: "mono soft" }, where), panel);
}

function remarkSection(title, found, state) {
  if (found.length === 0) return null;
  const items = found.slice(0, 300).map(({ stage, remark }) => el("li", { class: remark.did ? "did" : "missed" },
    el("span", { class: "mono soft" }, remark.id), el("div", {}, remark.message),
    remark.node && state.node === null ? link(state, remark.node, { stage: state.model.view(stage.index).nodes.has(remark.node) ? stage.index : Math.max(0, stage.index - 1) }) : null));
  return section(`${title} (${found.length})`, el("ul", { class: "remarks" }, items));
}

function historySection(node, state) {
  const steps = state.model.history(node.name);
  if (steps.length === 0) return null;
  return section("Passes that touched it", el("ul", { class: "plain" }, steps.map(({ stage, what }) => el("li", {},
    el("button", { type: "button", class: "link", onclick: () => state.set({ stage: what === "removed" ? stage - 1 : stage }) }, state.model.stages[stage].name),
    el("span", { class: "soft" }, ` ${what} it`)))));
}

function originsSection(node, state) {
  const names = node.origins.filter((name) => name !== node.name);
  if (names.length === 0) return null;
  return section(`Stands for (${names.length + 1})`, el("ul", { class: "plain" }, names.map((name) => el("li", {},
    state.model.view(0).nodes.has(name) ? link(state, name, { stage: 0 }) : el("span", { class: "mono" }, name)))));
}
