// Search over the nodes of the stage shown: names, ops, what they stand for, weights.
import { byId, el, replace } from "./dom.js";

const MOST = 40;

export function makeSearch(state) {
  const input = byId("search"), list = byId("found");
  let hits = [], at = -1;
  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
  const choose = (index) => {
    at = index;
    if (hits[at]) state.set({ node: hits[at].name, view: ["graph", "ir", "layers"].includes(state.view) ? state.view : "graph" });
  };
  const point = () => {
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    const item = list.children[at];
    if (item?.id) { input.setAttribute("aria-activedescendant", item.id); item.scrollIntoView({ block: "nearest" }); }
  };
  const show = () => {
    const text = input.value.trim().toLowerCase();
    hits = text ? [...state.model.view(state.stage).nodes.values()].filter((node) => matches(node, text)) : [];
    at = -1;
    state.set({ found: hits.map((node) => node.name) });
    replace(list, hits.slice(0, MOST).map((node, index) => el("li", { role: "option", id: `hit-${index}`, "aria-selected": "false", onpointerdown: (event) => { event.preventDefault(); choose(index); close(); } },
      el("span", { class: "mono" }, node.name), el("span", { class: "soft" }, node.title))),
    text && hits.length !== 0 && hits.length <= MOST ? null : text ? el("li", { role: "option", "aria-disabled": "true", "aria-selected": "false", class: "soft" }, hits.length ? `and ${hits.length - MOST} more` : "nothing of that name") : null);
    list.hidden = !text;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  input.addEventListener("input", show);
  input.addEventListener("focus", () => { if (input.value) show(); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const shown = Math.min(hits.length, MOST);
    if (event.key === "ArrowDown" && shown) { at = (at + 1) % shown; point(); }
    else if (event.key === "ArrowUp" && shown) { at = (at - 1 + shown) % shown; point(); }
    else if (event.key === "Enter") { choose(Math.max(at, 0)); close(); }
    else if (event.key === "Escape") { input.value = ""; show(); input.blur(); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  state.on(["stage"], () => { if (input.value) { show(); close(); } });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, select, dialog")) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

function matches(node, text) {
  const words = [node.name, node.title, node.data?.op ?? "", ...(node.data?.origins ?? []), ...(node.data?.constants ?? [])];
  return words.some((word) => word.toLowerCase().includes(text));
}
