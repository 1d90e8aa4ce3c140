// Questions of the report's data: the graph after a stage, what a pass changed, layers with times.
import { kindOf, titleOf } from "./labels.js";

export class Model {
  constructor(data) {
    Object.assign(this, data);
    this.last = data.graphs.length - 1;
    this.views = new Map();
    this.profiled = new Map((data.profile?.layers ?? []).map((layer) => [layer.name, layer]));
    this.lost = new Map(Object.entries(data.losses?.layers ?? {}));
  }

  graphOf(stage) {
    return this.graphs[this.stages[stage].graph];
  }

  // Nodes and edges of the graph after a stage.
  view(stage) {
    const index = this.stages[stage].graph;
    if (!this.views.has(index)) this.views.set(index, makeView(this.graphs[index], index));
    return this.views.get(index);
  }

  // Names that a pass added, changed and removed.
  changes(stage) {
    if (stage === 0) return { added: new Set(), changed: new Set(), removed: [] };
    const before = this.view(stage - 1).nodes;
    const after = this.view(stage).nodes;
    return {
      added: new Set([...after.keys()].filter((name) => !before.has(name))),
      changed: new Set([...after].filter(([name, node]) => before.has(name) && before.get(name).data !== node.data && node.data).map(([name]) => name)),
      removed: [...before.keys()].filter((name) => !after.has(name)),
    };
  }

  // The node of a stage that accounts for a name of another stage.
  follow(name, stage) {
    const view = this.view(stage);
    if (view.nodes.has(name)) return name;
    for (const node of view.nodes.values()) {
      if (node.data?.origins.includes(name)) return node.name;
    }
    return null;
  }

  // The stage before in which the node was another or absent.
  history(name) {
    const found = [];
    for (let stage = 1; stage < this.stages.length; stage += 1) {
      if (this.stages[stage].graph === this.stages[stage - 1].graph) continue;
      const before = this.view(stage - 1).nodes.get(name)?.data;
      const after = this.view(stage).nodes.get(name)?.data;
      if (before !== after) found.push({ stage, what: !before ? "added" : !after ? "removed" : "changed" });
    }
    return found;
  }

  remarksOn(node) {
    const names = new Set([node.name, ...node.origins]);
    return this.stages.flatMap((stage) =>
      stage.remarks.filter((remark) => names.has(remark.node)).map((remark) => ({ stage, remark })));
  }

  // The time of a node in milliseconds: predicted, if it could be.
  predicted(node) {
    return node.roofline.ms;
  }

  measured(node) {
    return this.profiled.get(node.name)?.ms ?? null;
  }

  // Rows of the layers' table, in the order in which they run.
  layers() {
    return this.graphs[this.last].nodes.map((node, index) => ({
      index, node, name: node.name, op: titleOf(node), kind: kindOf(node),
      shape: node.results[0].type.shape, macs: node.macs, params: node.params,
      bytes: node.bytes_read + node.bytes_written, intensity: node.roofline.flop_per_byte,
      gflops: node.roofline.gflops, ms: this.predicted(node), least: node.roofline.least_ms,
      bound: node.bound ?? node.roofline.bound, measured: this.measured(node),
      ...this.noiseOf(node),
    }));
  }

  // What layers of a node lose on codes: { name, alone, total } in dB, null without noise.
  lossesOf(node) {
    return node.origins.filter((name) => this.lost.has(name)).map((name) => ({ name, ...this.lost.get(name) }));
  }

  // Signal to noise of the worst layer of a node by itself, and of its result.
  noiseOf(node) {
    const layers = this.lossesOf(node), noisy = layers.map((layer) => layer.alone).filter((value) => value !== null);
    return { alone: noisy.length ? Math.min(...noisy) : null, total: layers.at(-1)?.total ?? null };
  }

  hasProfile() {
    return this.profiled.size > 0;
  }
}

function makeView(graph, index) {
  const nodes = new Map();
  const makers = new Map();
  const edges = new Map();
  for (const input of graph.inputs) {
    nodes.set(input.name, { name: input.name, kind: "end", title: "input", type: input.type, data: null });
    makers.set(input.name, { node: input.name, type: input.type });
  }
  for (const data of graph.nodes) {
    nodes.set(data.name, { name: data.name, kind: kindOf(data), title: titleOf(data), type: data.results[0].type, data });
    for (const result of data.results) makers.set(result.name, { node: data.name, type: result.type });
  }
  const join = (value, to) => {
    const maker = makers.get(value);
    if (maker) edges.set(`${maker.node}\n${to}`, { from: maker.node, to, type: maker.type });
  };
  for (const data of graph.nodes) {
    for (const value of data.operands.flatMap((operand) => operand.values)) join(value, data.name);
  }
  for (const output of graph.outputs) {
    const name = `→ ${output.name}`;
    const type = { text: `${output.element}[${output.shape.join(",")}]`, shape: output.shape };
    nodes.set(name, { name, kind: "end", title: "output", type, data: null });
    for (const value of output.values) join(value, name);
  }
  return { index, nodes, edges: [...edges.values()], graph };
}
