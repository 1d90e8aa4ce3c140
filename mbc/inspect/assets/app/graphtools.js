// The row of buttons above the graph.
import { el } from "./dom.js";
import { KINDS } from "./labels.js";

export function graphTools(view) {
  const { state } = view;
  const legend = el("div", { class: "legend" });
  const colour = el("select", { id: "colour", onchange: (event) => state.set({ colour: event.target.value }) },
    el("option", { value: "kind" }, "kind of node"), el("option", { value: "bound" }, "what bounds it"));
  const paintLegend = () => legend.replaceChildren(...keysOf(state).map(([name, text]) =>
    el("span", {}, el("i", { style: `background: var(--${name})` }), text)));
  state.on(["colour", "stage"], paintLegend);
  paintLegend();
  const button = (text, action, more = {}) => el("button", { type: "button", onclick: action, ...more }, text);
  return el("div", { class: "tools" },
    el("div", { role: "group", "aria-label": "Folding" },
      button("Fold", () => view.foldTo("folded"), { id: "fold" }), button("Blocks", () => view.foldTo("blocks")), button("All nodes", () => view.foldTo("nodes"), { id: "unfold" })),
    el("div", { role: "group", "aria-label": "Zoom" },
      button("−", () => view.scale(1 / 1.4), { "aria-label": "Zoom out" }), button("+", () => view.scale(1.4), { "aria-label": "Zoom in" }), button("Fit", () => view.fit())),
    el("label", {}, "Colour ", colour),
    legend);
}

function keysOf({ colour, model, stage }) {
  if (colour === "bound") return [["compute", "compute"], ["memory", "memory"], ["neither", "not predicted"]];
  const present = new Set([...model.view(stage).nodes.values()].map((node) => node.kind));
  return Object.entries(KINDS).filter(([kind]) => present.has(kind));
}
