// IR text after two passes side by side, with their differences.
import { el, replace } from "./dom.js";
import { plural } from "./format.js";
import { marked, nameOf, rowsOf, wordsOf } from "./ircode.js";

const AROUND = 3; // equal lines shown beside a difference

export class IrView {
  constructor(state, parent) {
    this.state = state;
    this.before = null;
    this.opened = new Set();
    this.chooser = el("select", { id: "against", onchange: () => { this.before = this.chooser.value; this.show(); } });
    this.note = el("span", { class: "soft", role: "status" });
    this.whole = el("input", { type: "checkbox", id: "whole", onchange: () => this.show() });
    this.body = el("div", { class: "ir", tabindex: "0", role: "region", "aria-label": "IR text" });
    parent.append(el("div", { class: "tools" },
      el("label", {}, "Compare with ", this.chooser),
      el("label", {}, this.whole, " equal lines too"),
      el("button", { type: "button", onclick: () => this.jump(-1) }, "↑ change"),
      el("button", { type: "button", onclick: () => this.jump(1) }, "↓ change"),
      this.note), this.body);
    this.body.addEventListener("click", (event) => this.click(event));
    state.on(["stage", "view"], () => { this.opened.clear(); this.show(); });
    state.on(["node"], () => this.light(true));
    this.show();
  }

  // The pass to compare with: that which was chosen, else the last before that had another graph.
  against() {
    const { model, stage } = this.state;
    if (this.before !== null && this.before !== "") return Number(this.before);
    return Math.max(0, stage - 1);
  }

  show() {
    if (this.state.view !== "ir" && !this.printing) return;
    const { model, stage } = this.state;
    const before = this.against();
    replace(this.chooser, el("option", { value: "" }, "the pass before"),
      model.stages.map((one) => el("option", { value: one.index }, `${one.index} ${one.name}`)));
    this.chooser.value = this.before ?? "";
    const rows = this.rows = rowsOf(model.graphOf(before).text, model.graphOf(stage).text);
    const differ = rows.filter((row) => row.left !== row.right).length;
    this.note.textContent = differ ? `${plural(differ, "line")} of ${rows.length} differ` : "no difference";
    const all = this.whole.checked || differ === 0;
    replace(this.body,
      el("div", { class: "irhead" }, el("b", {}, `${before} ${model.stages[before].name}`), el("b", {}, `${stage} ${model.stages[stage].name}`)),
      this.pieces(rows, all));
    this.light(false);
  }

  // Rows, with runs of equal ones replaced by a button that shows them.
  pieces(rows, all) {
    const near = new Set();
    rows.forEach((row, index) => { if (row.left !== row.right) for (let i = index - AROUND; i <= index + AROUND; i += 1) near.add(i); });
    const found = [];
    for (let i = 0; i < rows.length; ) {
      let end = i;
      while (end < rows.length && !near.has(end)) end += 1;
      if (all || this.opened.has(i) || end - i < 4) {
        end = Math.max(end, i + 1);
        for (; i < end; i += 1) found.push(rowElement(rows[i]));
      } else {
        const at = i;
        found.push(el("button", { type: "button", class: "more", onclick: () => { this.opened.add(at); this.show(); } }, `⋯ ${plural(end - i, "equal line")}`));
        i = end;
      }
    }
    return found;
  }

  click(event) {
    const name = event.target.closest("[data-name]")?.dataset.name;
    if (name && getSelection().isCollapsed) this.state.select(this.state.model.follow(name, this.state.stage) ?? null);
  }

  // Light the lines of the selected node, and scroll to them.
  light(scroll) {
    for (const line of this.body.querySelectorAll(".lit")) line.classList.remove("lit");
    const name = this.state.node;
    if (name === null) return;
    const lines = [...this.body.querySelectorAll("[data-name]")].filter((line) => line.dataset.name === name);
    for (const line of lines) line.classList.add("lit");
    if (lines.length && scroll) lines.at(-1).scrollIntoView({ block: "nearest" });
  }

  jump(by) {
    const top = this.body.getBoundingClientRect().top + 60;
    const rows = [...this.body.querySelectorAll(".row.differs")].filter((row) => !row.previousElementSibling?.classList.contains("differs"));
    const next = by > 0 ? rows.find((row) => row.getBoundingClientRect().top > top + 4) : rows.findLast((row) => row.getBoundingClientRect().top < top - 4);
    if (next) this.body.scrollTop += next.getBoundingClientRect().top - top;
  }
}

function rowElement({ left, right, leftNumber, rightNumber }) {
  const differs = left !== right;
  const pair = differs && left !== undefined && right !== undefined;
  const [a, b] = pair ? marked(left, right) : [wordsOf(left ?? ""), wordsOf(right ?? "")];
  return el("div", { class: `row${differs ? " differs" : ""}` },
    side(a, left, leftNumber, differs ? "removed" : ""), side(b, right, rightNumber, differs ? "added" : ""));
}

function side(words, line, number, change) {
  if (line === undefined) return el("div", { class: "side void" });
  const sign = change === "removed" ? "−" : change === "added" ? "+" : "";
  return el("div", { class: `side ${change}`, "data-name": nameOf(line) || null },
    el("span", { class: "at" }, number), el("span", { class: "sign" }, sign),
    el("code", {}, words.map(({ text, kind, differs }) => kind || differs ? el("span", { class: `${kind ? `t-${kind}` : ""}${differs ? " word" : ""}` }, text) : text)));
}
