// The slider over the passes, above a bar for each: the nodes after it.
import { byId, el, replace } from "./dom.js";
import { plural, signed } from "./format.js";

export function makePassbar(state) {
  const { stages } = state.model;
  const bar = byId("passbar");
  const slider = el("input", {
    type: "range", id: "pass", min: 0, max: stages.length - 1, step: 1, "aria-label": "Pass",
    oninput: (event) => state.set({ stage: Number(event.target.value) }),
  });
  const line = el("p", { class: "passline" });
  const bars = el("div", { class: "bars", "aria-hidden": "true" }, stages.map((stage) => barOf(stage, state)));
  const step = (by) => state.set({ stage: Math.max(0, Math.min(stages.length - 1, state.stage + by)) });
  bar.append(
    el("button", { type: "button", "aria-label": "Pass before", onclick: () => step(-1) }, "‹"),
    el("div", { class: "track" }, bars, slider),
    el("button", { type: "button", "aria-label": "Pass after", onclick: () => step(1) }, "›"),
    line);
  const show = () => {
    slider.value = state.stage;
    slider.setAttribute("aria-valuetext", `${state.stage}: ${stages[state.stage].name}`);
    [...bars.children].forEach((item, index) => item.classList.toggle("now", index === state.stage));
    replace(line, el("b", {}, `${state.stage}  ${stages[state.stage].name}`), " ", el("span", { class: "soft" }, tell(state)));
  };
  state.on(["stage"], show);
  state.on(["view"], () => { bar.hidden = !["graph", "ir"].includes(state.view); });
  bar.hidden = !["graph", "ir"].includes(state.view);
  addEventListener("keydown", (event) => {
    if (event.target.closest("input:not([type=range]), textarea, select, dialog")) return;
    if (event.key === "[") step(-1);
    if (event.key === "]") step(1);
  });
  show();
}

function barOf(stage, state) {
  const most = Math.max(...state.model.graphs.map((graph) => graph.nodes.length));
  const height = Math.max(8, (100 * state.model.graphOf(stage.index).nodes.length) / most);
  return el("i", {
    class: stage.changed ? "did" : "", style: `height: ${height}%`, title: `${stage.index} ${stage.name}`,
    onclick: () => state.set({ stage: stage.index }),
  });
}

// What a pass did, in a line.
function tell(state) {
  const stage = state.model.stages[state.stage];
  const nodes = state.model.graphOf(state.stage).nodes.length;
  if (state.stage === 0) return `the network as written, ${plural(nodes, "node")}`;
  if (!stage.changed) return `changed nothing (${stage.group}, ${plural(nodes, "node")})`;
  const before = state.model.graphOf(state.stage - 1).nodes.length;
  const { added, changed, removed } = state.model.changes(state.stage);
  const parts = [[added.size, "added"], [changed.size, "changed"], [removed.length, "removed"]].filter(([number]) => number);
  const words = parts.map(([number, word]) => `${number} ${word}`).join(", ");
  return `${plural(nodes, "node")} (${signed(nodes - before)}): ${words || "the order of nodes"}; ${plural(stage.remarks.length, "remark")} · ${stage.group}`;
}
