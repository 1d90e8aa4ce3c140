// What is shown: a view, a stage, a node. Kept in the address after "#", so that a link opens the same.
import { announce } from "./dom.js";

export class State {
  constructor(model) {
    this.model = model;
    this.listeners = [];
    this.view = "overview";
    this.stage = model.stages.length - 1;
    this.node = null;
    this.colour = "kind";
    this.found = []; // names that the search found
    this.read();
    addEventListener("hashchange", () => { if (location.hash !== this.written) { this.read(); this.tell(["view", "stage", "node"]); } });
  }

  // Call a function whenever one of these has changed.
  on(names, listener) {
    this.listeners.push({ names, listener });
  }

  set(changes) {
    const names = Object.keys(changes).filter((name) => this[name] !== changes[name]);
    if (names.length === 0) return;
    Object.assign(this, changes);
    if (names.includes("stage") && this.node !== null && !("node" in changes)) {
      this.followed = this.node;
      const follows = this.model.follow(this.node, this.stage);
      if (follows !== this.node && follows !== null) { this.node = follows; names.push("node"); }
      if (follows !== null) names.push("node");
    }
    this.write();
    this.tell(names);
  }

  tell(names) {
    for (const { names: wanted, listener } of this.listeners) {
      if (wanted.some((name) => names.includes(name))) listener();
    }
    if (names.includes("stage")) announce(`Pass ${this.stage}: ${this.model.stages[this.stage].name}`);
  }

  // Show a node, in the last stage if this one has none of that name.
  select(name, more = {}) {
    const stage = name !== null && !this.model.view(more.stage ?? this.stage).nodes.has(name) ? this.model.stages.length - 1 : this.stage;
    this.set({ node: name, stage, ...more });
  }

  read() {
    const found = new URLSearchParams(location.hash.slice(1));
    const stage = Number(found.get("stage") ?? this.stage);
    if (this.model.stages[stage]) this.stage = stage;
    this.view = found.get("view") ?? this.view;
    this.node = found.get("node") ?? null;
    if (this.node !== null && !this.model.view(this.stage).nodes.has(this.node)) this.node = null;
  }

  write() {
    const place = new URLSearchParams({ view: this.view, stage: this.stage });
    if (this.node !== null) place.set("node", this.node);
    this.written = `#${place}`;
    history.replaceState(null, "", this.written);
  }
}
