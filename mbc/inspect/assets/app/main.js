// Joins the parts of the page.
import { byId, el, replace } from "./dom.js";
import { GraphView } from "./graph.js";
import { IrView } from "./irview.js";
import { LayersView } from "./layersview.js";
import { MemoryView } from "./memoryview.js";
import { Model } from "./model.js";
import { RoofView } from "./roofview.js";
import { State } from "./state.js";
import { makeInspector } from "./inspector.js";
import { makeOverview } from "./overview.js";
import { makePassbar } from "./passbar.js";
import { makePrint } from "./print.js";
import { makeSearch } from "./search.js";
import { makeTheme } from "./theme.js";
import { readData } from "./data.js";

const VIEWS = { overview: "Overview", graph: "Graph", ir: "IR", layers: "Layers", roofline: "Roofline", memory: "Memory" };
const MAKERS = {
  overview: makeOverview,
  graph: (state, panel) => new GraphView(state, panel),
  ir: (state, panel) => new IrView(state, panel),
  layers: (state, panel) => new LayersView(state, panel),
  roofline: (state, panel) => new RoofView(state, panel),
  memory: (state, panel) => new MemoryView(state, panel),
}; // a view is made when it is first shown
const WHOLE = ["graph", "ir", "layers"]; // fill the window, and scroll inside

async function start() {
  makeTheme();
  const state = new State(new Model(await readData(byId("data"))));
  byId("title").textContent = `${state.model.network.name} · ${state.model.network.target}`;
  const panels = makeTabs(state);
  makePassbar(state);
  const views = {};
  const make = (name) => (views[name] ??= MAKERS[name](state, panels[name]));
  state.on(["view"], () => make(state.view));
  make(state.view);
  makeInspector(state);
  makeSearch(state);
  makePrint(state, make, panels);
  listen(state);
  (window.requestIdleCallback ?? setTimeout)(() => make("graph")); // its layout is ready when it is wanted
  window.report = { state, views };
}

function makeTabs(state) {
  const names = Object.keys(VIEWS);
  const tabs = Object.fromEntries(names.map((name) => [name, el("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}`, onclick: () => state.set({ view: name }),
  }, VIEWS[name])]));
  const panels = Object.fromEntries(names.map((name) => [name, el("section", {
    class: `view ${WHOLE.includes(name) ? "whole" : ""}`, role: "tabpanel", tabindex: "0", id: `view-${name}`, "aria-labelledby": `tab-${name}`,
  })]));
  replace(byId("tabs"), Object.values(tabs));
  replace(byId("main"), Object.values(panels));
  byId("tabs").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = names[(names.indexOf(state.view) + by + names.length) % names.length];
    state.set({ view: next });
    tabs[next].focus();
    event.preventDefault();
  });
  const show = () => {
    if (!VIEWS[state.view]) state.view = "overview";
    for (const name of names) {
      const here = name === state.view;
      tabs[name].setAttribute("aria-selected", String(here));
      tabs[name].tabIndex = here ? 0 : -1;
      panels[name].hidden = !here;
    }
  };
  state.on(["view"], show);
  show();
  return panels;
}

function listen(state) {
  const keys = byId("keys");
  byId("help").addEventListener("click", () => keys.showModal());
  addEventListener("keydown", (event) => {
    if (event.target.closest("input:not([type=range]), textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    const view = Object.keys(VIEWS)[Number(event.key) - 1];
    if (view) state.set({ view });
    if (event.key === "?") keys.showModal();
    if (event.key === "Escape") state.set({ node: null });
  });
}

start().catch((error) => {
  replace(byId("main"), el("p", { class: "card" }, `This browser cannot show the report: ${error.message}. Chrome 80, Firefox 113, Safari 16.4 and later can.`));
  throw error;
});
