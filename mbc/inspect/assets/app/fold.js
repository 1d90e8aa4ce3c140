// Folding: nodes of a block, by their names, become one box; equal blocks in a row become one too.
// A box holds nodes that run one after another, so the folded graph has no cycle.
import { blockOf } from "./labels.js";

const FEWEST = 3; // nodes of a block that is worth a box

// Return groups in the order in which they run: { key, title, members }, where members are nodes'
// names, or groups.
export function groupsOf(view) {
  const blocks = [];
  for (const node of view.nodes.values()) {
    const block = node.data ? blockOf(node.name) : "";
    const last = blocks.at(-1);
    if (last && block && last.block === block) last.nodes.push(node);
    else blocks.push({ block, nodes: [node] });
  }
  const seen = new Map(); // a block that other nodes interrupt has several boxes
  const keyOf = (block) => {
    seen.set(block, (seen.get(block) ?? 0) + 1);
    return `block:${block}:${seen.get(block)}`;
  };
  return runsOf(blocks.flatMap((found) => found.block && found.nodes.length >= FEWEST
    ? [{ key: keyOf(found.block), title: found.block, members: found.nodes.map((node) => node.name), sign: signOf(found.nodes) }]
    : found.nodes.map((node) => node.name)));
}

// What equal blocks have in common: ops, their attributes, and the shapes of their results.
function signOf(nodes) {
  return nodes.map((node) => `${node.title}|${node.type.text}|${JSON.stringify(node.data.attributes)}`).join("\n");
}

function runsOf(items) {
  const runs = [];
  for (const item of items) {
    const last = runs.at(-1);
    if (typeof item !== "string" && last?.[0].sign === item.sign) last.push(item);
    else runs.push([item]);
  }
  return runs.map((run) => run.length === 1 ? run[0] : {
    key: `run:${run[0].key}`, title: `${run[0].title} … ${run.at(-1).title.split(".").at(-1)}`, members: run, each: run[0].members.length,
  });
}

export function namesIn(group) {
  return group.members.flatMap((member) => typeof member === "string" ? [member] : namesIn(member));
}

export function allKeys(groups) {
  return groups.filter((item) => typeof item !== "string")
    .flatMap((group) => [group.key, ...allKeys(group.members)]);
}

// The boxes that are drawn when some groups are open, and edges between them.
export function sceneOf(view, groups, open) {
  const boxes = new Map();
  const owner = new Map();
  const frames = [];
  const visit = (item, inside) => {
    if (typeof item === "string") {
      boxes.set(item, { id: item, names: [item], node: view.nodes.get(item), inside });
      owner.set(item, item);
    } else if (open.has(item.key)) {
      if (!item.each) frames.push(item);
      for (const member of item.members) visit(member, item);
    } else {
      const names = namesIn(item);
      boxes.set(item.key, { id: item.key, names, group: item, inside, result: view.nodes.get(names.at(-1)).type });
      for (const name of names) owner.set(name, item.key);
    }
  };
  for (const item of groups) visit(item, null);
  const edges = new Map();
  for (const edge of view.edges) {
    const from = owner.get(edge.from), to = owner.get(edge.to);
    if (from !== to) edges.set(`${from}\n${to}`, { from, to, type: edge.type });
  }
  return { boxes: [...boxes.values()], edges: [...edges.values()], owner, frames, view };
}

// The groups to open so that a node is drawn by itself.
export function keysAround(groups, name) {
  for (const item of groups) {
    if (typeof item === "string" || !namesIn(item).includes(name)) continue;
    return [item.key, ...keysAround(item.members, name)];
  }
  return [];
}
