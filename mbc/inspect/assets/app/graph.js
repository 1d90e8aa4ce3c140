// The view of the graph: pans, zooms, folds; a canvas, for which the keyboard and a line that
// screen readers speak stand in.
import { announce, el, hideTip, showTip } from "./dom.js";
import { plural, ms, percent } from "./format.js";
import { allKeys, groupsOf, keysAround, sceneOf } from "./fold.js";
import { place } from "./layout.js";
import { paint, palette } from "./paint.js";
import { Minimap } from "./minimap.js";
import { neighbour } from "./walk.js";
import { graphTools } from "./graphtools.js";

const FEW = 40; // nodes of a graph that is not folded at first

export class GraphView {
  constructor(state, parent) {
    this.state = state;
    this.model = state.model;
    this.choices = new Map(); // of the user: whether a group is open, by its key
    this.scenes = new Map();
    this.found = new Set(state.found);
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.context = this.canvas.getContext("2d");
    this.stage = el("div", {
      class: "stage", tabindex: "0", role: "application", id: "graph", "aria-describedby": "announcer",
      "aria-label": "Graph. Arrow keys walk along edges, Enter opens a block, plus and minus zoom.",
    }, this.canvas);
    this.minimap = new Minimap(this);
    this.status = el("p", { class: "status", role: "status" });
    this.stage.append(this.minimap.element, this.status);
    parent.append(graphTools(this), this.stage);
    this.colours = palette();
    this.transform = d3.zoomIdentity;
    this.zoom = d3.zoom().scaleExtent([0.02, 3]).on("zoom", ({ transform }) => { this.transform = transform; this.draw(); });
    d3.select(this.canvas).call(this.zoom).on("dblclick.zoom", null);
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.stage);
    state.on(["stage"], () => this.show());
    state.on(["node"], () => this.reveal());
    state.on(["colour"], () => this.draw());
    state.on(["found"], () => this.find(state.found));
    this.show();
  }

  listen() {
    this.canvas.addEventListener("click", (event) => { this.stage.focus({ preventScroll: true }); this.choose(this.boxAt(event)); });
    this.canvas.addEventListener("dblclick", (event) => this.toggle(this.boxAt(event)));
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", hideTip);
    this.stage.addEventListener("keydown", (event) => this.key(event));
    addEventListener("themechange", () => { this.colours = palette(); this.draw(); });
  }

  // Keys of the groups that are open in the graph shown: all of a small graph, unless the user
  // chose otherwise.
  openKeys() {
    const { view, groups } = this.folded;
    const small = view.nodes.size <= FEW;
    return new Set(allKeys(groups).filter((key) => this.choices.get(key) ?? small));
  }

  // Draw the graph of the stage shown, as soon as it has a layout.
  async show({ keep } = {}) {
    const view = this.model.view(this.state.stage);
    this.folded = { view, groups: groupsOf(view) };
    const open = this.openKeys();
    const key = [view.index, ...open].join(" ");
    const wanted = (this.wanted = key);
    if (!this.scenes.has(key)) {
      this.status.textContent = "laying out …";
      this.scenes.set(key, await place(sceneOf(view, this.folded.groups, open)));
    }
    if (this.wanted !== wanted) return;
    const before = keep && this.boxOf(keep);
    const first = this.scene === undefined;
    this.scene = this.scenes.get(key);
    this.weigh();
    this.mark();
    if (first) this.start();
    else if (before) this.hold(before, keep);
    this.status.textContent = this.summary();
    this.draw();
    this.reveal();
  }

  summary() {
    const { view, boxes } = this.scene;
    const folded = boxes.length < view.nodes.size ? `, folded into ${boxes.length}` : "";
    return `${plural(view.graph.nodes.length, "node")}${folded}`;
  }

  // Times of boxes, as parts of the whole and of the longest.
  weigh() {
    const times = this.scene.boxes.map((box) => box.names.reduce((sum, name) => sum + (this.scene.view.nodes.get(name).data?.roofline.ms ?? 0), 0));
    const whole = times.reduce((sum, time) => sum + time, 0) || 1;
    const longest = Math.max(...times) || 1;
    this.times = new Map(this.scene.boxes.map((box, index) => [box.id, { ms: times[index], part: times[index] / whole, bar: times[index] / longest }]));
  }

  mark() {
    const { added, changed } = this.model.changes(this.state.stage);
    this.marks = { box: this.scene.owner.get(this.state.node) ?? this.cursor ?? null, found: this.found, added, changed };
  }

  colourOf(box) {
    const data = box.names.map((name) => this.scene.view.nodes.get(name));
    if (this.state.colour === "bound") {
      const sums = { compute: 0, memory: 0 };
      for (const { data: node } of data) if (node?.roofline) sums[node.bound ?? node.roofline.bound] += node.roofline.ms ?? 0;
      return sums.compute + sums.memory === 0 ? this.colours.neither : this.colours[sums.compute >= sums.memory ? "compute" : "memory"];
    }
    const counts = new Map();
    for (const { kind, data: node } of data) counts.set(kind, (counts.get(kind) ?? 0) + (node?.roofline.ms ?? 0) + 1e-9);
    return this.colours[[...counts].sort((a, b) => b[1] - a[1])[0][0]];
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (width === 0 || height === 0) return;
    const waiting = this.size === undefined;
    this.size = { width, height };
    this.canvas.width = width * devicePixelRatio;
    this.canvas.height = height * devicePixelRatio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    if (waiting && this.scene) { this.start(); this.reveal(); }
    this.paint();
  }

  draw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.paint(); });
  }

  paint() {
    if (!this.scene || !this.size) return;
    const { context, colours } = this;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.size.width, this.size.height);
    this.drawn = paint(context, this.drawing(), this.transform, this.size);
    this.minimap.paint(colours);
  }

  drawing() {
    return {
      scene: this.scene, colours: this.colours, marks: this.marks,
      colourOf: (box) => this.colourOf(box), shareOf: (box) => this.times.get(box.id),
    };
  }

  // At first: the beginning of the graph, as large as it can be read.
  start() {
    if (!this.size) return;
    const k = Math.min(1, Math.max(0.5, (this.size.width - 170) / this.scene.width));
    const x = Math.max(10, (this.size.width - 130 - this.scene.width * k) / 2);
    this.move(d3.zoomIdentity.translate(x, 10).scale(k));
  }

  move(transform) {
    d3.select(this.canvas).call(this.zoom.transform, transform);
  }

  fit() {
    const { width, height } = this.size;
    const k = Math.min(1, (width - 150) / this.scene.width, (height - 20) / this.scene.height);
    this.move(d3.zoomIdentity.translate((width - 130 - this.scene.width * k) / 2, 10).scale(k));
  }

  scale(factor) {
    d3.select(this.canvas).call(this.zoom.scaleBy, factor);
  }

  // Keep a node where it is on the screen.
  hold(before, name) {
    const after = this.boxOf(name);
    const { x, y, k } = this.transform;
    if (after) this.move(d3.zoomIdentity.translate(x + (before.x - after.x) * k, y + (before.y - after.y) * k).scale(k));
  }

  boxOf(name) {
    const id = this.scene?.owner.get(name);
    return this.scene?.boxes.find((box) => box.id === id);
  }

  boxAt(event) {
    const [x, y] = this.transform.invert(d3.pointer(event, this.canvas));
    return this.scene?.boxes.find((box) => Math.abs(box.x - x) <= box.width / 2 && Math.abs(box.y - y) <= box.height / 2);
  }

  hover(event) {
    const box = event.buttons ? undefined : this.boxAt(event);
    this.canvas.style.cursor = box ? "pointer" : "grab";
    if (box) showTip(this.describe(box), event);
    else hideTip();
  }

  describe(box) {
    const { ms: time, part } = this.times.get(box.id);
    const cost = time > 0 ? `${ms(time)} predicted, ${percent(part)}` : "";
    if (box.group) return [box.group.title, `${plural(box.names.length, "node")}; Enter or double click opens`, cost].filter(Boolean).join("\n");
    return [box.node.title, box.node.name, box.node.type.text, cost].filter(Boolean).join("\n");
  }

  choose(box) {
    this.cursor = box?.group ? box.id : null;
    this.state.set({ node: box && !box.group ? box.id : null });
    if (box) announce(this.describe(box));
    this.mark();
    this.draw();
  }

  // Open a folded box, or fold the block that a node is in.
  toggle(box) {
    if (!box) return;
    if (box.group) {
      this.choices.set(box.id, true);
      this.cursor = null;
      this.state.node = box.names[0];
      this.state.write();
      this.show({ keep: box.names[0] }).then(() => this.state.tell(["node"]));
    } else if (box.inside) {
      for (const key of [box.inside.key, ...allKeys(box.inside.members)]) this.choices.set(key, false);
      this.show({ keep: box.id }).then(() => this.choose(this.boxOf(box.names[0])));
    }
  }

  // Fold everything, or open blocks, or everything.
  foldTo(level) {
    for (const key of allKeys(this.folded.groups)) this.choices.set(key, level === "nodes" || (level === "blocks" && key.startsWith("run:")));
    this.show({ keep: this.state.node }).then(() => (this.state.node === null ? this.start() : this.reveal()));
  }

  find(names) {
    this.found = new Set(names);
    if (this.scene) { this.mark(); this.draw(); }
  }

  // Bring the selected node on the screen, opening the block that it is folded in.
  async reveal() {
    if (!this.scene || !this.size) return;
    const name = this.state.node;
    if (name !== null && this.scene.view.nodes.has(name)) {
      if (this.boxOf(name)?.group) {
        for (const key of keysAround(this.folded.groups, name)) this.choices.set(key, true);
        await this.show();
        return;
      }
      this.cursor = null;
      this.centre(this.boxOf(name));
    }
    this.mark();
    this.draw();
  }

  centre(box) {
    if (!box) return;
    const [x, y] = this.transform.apply([box.x, box.y]);
    const near = x > 60 && x < this.size.width - 150 && y > 40 && y < this.size.height - 40;
    if (near && this.transform.k > 0.3) return;
    const k = Math.max(this.transform.k, 0.6);
    this.move(d3.zoomIdentity.translate((this.size.width - 100) / 2 - box.x * k, this.size.height / 2 - box.y * k).scale(k));
  }

  key(event) {
    const here = this.scene?.boxes.find((box) => box.id === this.marks.box);
    const next = this.scene && neighbour(this.scene, here, event.key);
    const actions = { "+": () => this.scale(1.3), "=": () => this.scale(1.3), "-": () => this.scale(1 / 1.3), 0: () => this.fit(), Enter: () => this.toggle(here), " ": () => this.toggle(here) };
    if (next) { this.choose(next); this.centre(next); }
    else if (actions[event.key] && !event.ctrlKey && !event.metaKey) actions[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
