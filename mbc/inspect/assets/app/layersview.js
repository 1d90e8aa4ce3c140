// The table of layers, sorted by any column.
import { el, nameText, replace } from "./dom.js";
import { bytes, count, figure, ms, plural, shapeText, short } from "./format.js";

const COLUMNS = [
  { key: "index", title: "#", text: (row) => String(row.index) },
  { key: "name", title: "layer", words: true },
  { key: "op", title: "op", words: true },
  { key: "shape", title: "result", text: (row) => shapeText(row.shape), value: (row) => row.shape.reduce((a, b) => a * b, 1) },
  { key: "measured", title: "measured", text: (row) => ms(row.measured), when: "profile", bar: true },
  { key: "ratio", title: "÷ predicted", text: (row) => figure(row.measured / row.ms), value: (row) => row.measured / row.ms, when: "profile" },
  { key: "ms", title: "predicted", text: (row) => ms(row.ms), bar: true },
  { key: "least", title: "at least", text: (row) => ms(row.least) },
  { key: "bound", title: "bound", words: true },
  { key: "macs", title: "multiply-adds", text: (row) => short(row.macs), exact: (row) => count(row.macs) },
  { key: "params", title: "parameters", text: (row) => short(row.params), exact: (row) => count(row.params) },
  { key: "bytes", title: "bytes", text: (row) => bytes(row.bytes), exact: (row) => count(row.bytes) },
  { key: "intensity", title: "FLOP/B", text: (row) => figure(row.intensity) },
  { key: "gflops", title: "GFLOP/s", text: (row) => figure(row.gflops) },
  { key: "alone", title: "dB alone", text: (row) => figure(row.alone), when: "losses" },
  { key: "total", title: "dB in all", text: (row) => figure(row.total), when: "losses" },
];

export class LayersView {
  constructor(state, parent) {
    this.state = state;
    this.rows = state.model.layers();
    const has = { profile: state.model.hasProfile(), losses: state.model.lost.size > 0 };
    this.columns = COLUMNS.filter((column) => !column.when || has[column.when]);
    this.sorting = { key: "index", down: false };
    this.filter = el("input", { type: "search", id: "filter", oninput: () => this.show() });
    this.note = el("span", { class: "soft", role: "status" });
    this.head = el("thead");
    this.body = el("tbody");
    parent.append(
      el("div", { class: "tools" }, el("label", {}, "Only layers with ", this.filter), this.note),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Layers" },
        el("table", { class: "layers" }, el("caption", { class: "hidden" }, "Layers after the last pass, in the order in which they run"), this.head, this.body)));
    state.on(["node"], () => this.light());
    this.show();
  }

  show() {
    const wanted = this.filter.value.toLowerCase();
    const rows = this.sorted().filter((row) => `${row.name} ${row.op}`.toLowerCase().includes(wanted));
    replace(this.head, el("tr", {}, this.columns.map((column) => this.heading(column))));
    replace(this.body, rows.map((row) => this.line(row)));
    this.note.textContent = `${plural(rows.length, "layer")} after the last pass`;
    this.light();
  }

  heading(column) {
    const { key, down } = this.sorting;
    const sorted = key === column.key;
    const sign = sorted ? (down ? " ▾" : " ▴") : "";
    const sort = () => { this.sorting = { key: column.key, down: sorted ? !down : !column.words && column.key !== "index" }; this.show(); this.head.querySelectorAll("button")[this.columns.indexOf(column)].focus(); };
    return el("th", { scope: "col", class: column.words ? null : "number", "aria-sort": sorted ? (down ? "descending" : "ascending") : "none" },
      el("button", { type: "button", class: "quiet", onclick: sort }, `${column.title}${sign}`));
  }

  sorted() {
    const column = this.columns.find(({ key }) => key === this.sorting.key);
    const value = column.value ?? ((row) => row[column.key]);
    const order = (a, b) => (column.words ? a.localeCompare(b, "en", { numeric: true }) : (a ?? -1) - (b ?? -1));
    const rows = [...this.rows].sort((a, b) => order(value(a), value(b)) || a.index - b.index);
    return this.sorting.down ? rows.reverse() : rows;
  }

  line(row) {
    const open = () => this.state.select(row.name, { stage: this.state.model.stages.length - 1 });
    const cells = this.columns.map((column) => {
      if (column.key === "name") return el("th", { scope: "row" }, el("button", { type: "button", class: "link mono", onclick: open }, nameText(row.name)));
      const text = (column.text ?? ((one) => one[column.key]))(row);
      const bar = column.bar ? el("i", { class: `bar ${row.bound}`, style: `width: ${this.part(row, column.key)}%` }) : null;
      const dot = column.key === "op" ? el("i", { class: "dot", style: `background: var(--${row.kind})` }) : null;
      return el("td", { class: column.words ? column.key : `number ${column.key}`, title: column.exact?.(row) }, dot, bar, el("span", {}, text));
    });
    return el("tr", { "data-name": row.name }, cells);
  }

  part(row, key) {
    const most = Math.max(...this.rows.map((one) => one[key] ?? 0)) || 1;
    return (100 * (row[key] ?? 0)) / most;
  }

  light() {
    for (const row of this.body.children) row.classList.toggle("lit", row.dataset.name === this.state.node);
  }
}
