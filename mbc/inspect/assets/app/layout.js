// Layered layout by dagre, in a worker where the browser has them, so that the page stays fluid.
import { byId } from "./dom.js";

export const BOX = { width: 244, height: 46 };

// What runs in the worker, and here if there is none: it uses nothing but dagre, which takes more
// than linear time and recurses. So a graph is cut at its waists, boxes through which all that comes
// later is computed, and the parts are stacked with each waist in both.
function arrange({ boxes, edges, width, height }) {
  const at = new Map(boxes.map((id, index) => [id, index]));
  const spans = edges.map(([from, to]) => [at.get(from), at.get(to)]);
  const centres = new Array(boxes.length), points = new Array(edges.length);
  const cuts = waists(boxes.length, spans);
  let offset = { x: 0, y: 0 };
  for (let part = 0; part + 1 < cuts.length; part += 1) {
    const [first, last] = [cuts[part], cuts[part + 1]];
    const inside = spans.flatMap(([from, to], edge) => (from >= first && to <= last ? [edge] : []));
    const graph = layered(first, last, inside.map((edge) => spans[edge]), width, height);
    if (part > 0) offset = { x: centres[first].x - graph.node(String(first)).x, y: centres[first].y - graph.node(String(first)).y };
    const moved = ({ x, y }) => ({ x: x + offset.x, y: y + offset.y });
    for (let index = first; index <= last; index += 1) centres[index] = moved(graph.node(String(index)));
    for (const edge of inside) points[edge] = graph.edge(...spans[edge].map(String)).points.map(moved);
  }
  return { centres, points };
}

function layered(first, last, spans, width, height) {
  const graph = new dagre.graphlib.Graph();
  const ranker = last - first > 300 ? "tight-tree" : "network-simplex";
  graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 36, edgesep: 12, ranker });
  for (let index = first; index <= last; index += 1) graph.setNode(String(index), { width, height });
  for (const [from, to] of spans) graph.setEdge(String(from), String(to), { weight: to === from + 1 ? 8 : 1 }); // the main line stays straight
  dagre.layout(graph);
  return graph;
}

// The first box, waists that lie some boxes apart, and the last box.
function waists(count, spans) {
  const feeders = new Array(count).fill(0); // per box: up to where earlier boxes are still read
  for (const [from, to] of spans) for (let index = from + 1; index < to; index += 1) feeders[index] += 1;
  const read = new Set(spans.map(([from]) => from));
  const found = [0];
  for (let index = 1; index < count - 1; index += 1) {
    if (feeders[index] === 0 && read.has(index) && index - found.at(-1) >= 40) found.push(index);
  }
  return [...found, count - 1];
}

// One box below the other, for a graph that is too deep for dagre's recursion.
function stacked({ boxes, edges, height }) {
  const centres = boxes.map((_, index) => ({ x: 0, y: 2 * height * index }));
  const at = new Map(boxes.map((id, index) => [id, centres[index]]));
  return { centres, points: edges.map(([from, to]) => bent(at.get(from), at.get(to), height)) };
}

// An edge around the boxes between its ends.
function bent(from, to, height) {
  const ends = [{ x: from.x, y: from.y + height / 2 }, { x: to.x, y: to.y - height / 2 }];
  const steps = (to.y - from.y) / (2 * height);
  const aside = BOX.width / 2 + 12 + 4 * Math.min(steps, 40);
  return steps <= 1 ? ends : [ends[0], { x: aside, y: from.y + height }, { x: aside, y: to.y - height }, ends[1]];
}

let worker;
const waiting = new Map();

function ask(job) {
  if (worker === undefined) worker = startWorker();
  if (worker === null) return Promise.resolve().then(() => arrange(job));
  const number = waiting.size === 0 ? 1 : Math.max(...waiting.keys()) + 1;
  return new Promise((done, failed) => {
    waiting.set(number, { done, failed });
    worker.postMessage({ number, job });
  });
}

function startWorker() {
  const code = `${byId("library-dagre").textContent}\n${arrange}\n${layered}\n${waists}
onmessage = ({ data: { number, job } }) => {
  try { postMessage({ number, found: arrange(job) }); } catch (error) { postMessage({ number, error: String(error) }); }
};`;
  try {
    const started = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    started.onmessage = ({ data: { number, found, error } }) => {
      const { done, failed } = waiting.get(number);
      waiting.delete(number);
      if (error) failed(new Error(error));
      else done(found);
    };
    return started;
  } catch {
    return null;
  }
}

const PADDING = 14, MARGIN = 16;

// Give the boxes, edges and frames of a scene their places.
export async function place(scene) {
  const edges = scene.edges.map((edge) => [edge.from, edge.to]);
  const job = { boxes: scene.boxes.map((box) => box.id), edges, ...BOX };
  const { centres, points } = await ask(job).catch(() => stacked(job));
  const left = Math.min(...centres.map(({ x }) => x)) - BOX.width / 2 - PADDING - MARGIN;
  const top = Math.min(...centres.map(({ y }) => y)) - BOX.height / 2 - MARGIN;
  const moved = ({ x, y }) => ({ x: x - left, y: y - top });
  const boxes = scene.boxes.map((box, index) => ({ ...box, ...moved(centres[index]), ...BOX }));
  return {
    ...scene,
    boxes,
    edges: scene.edges.map((edge, index) => {
      const path = points[index].map(moved);
      return { ...edge, points: path, ...spanOf(path, { width: 0, height: 0 }) };
    }),
    frames: scene.frames.map((frame) => ({ ...frame, ...frameOf(boxes.filter((box) => box.inside === frame)) })),
    width: Math.max(...boxes.map(({ x }) => x)) + BOX.width / 2 + PADDING + MARGIN,
    height: Math.max(...boxes.map(({ y }) => y)) + BOX.height / 2 + MARGIN,
  };
}

function frameOf(boxes) {
  const { left, right, top, bottom } = spanOf(boxes, { width: BOX.width + 2 * PADDING, height: BOX.height + 2 * PADDING });
  return { x: (left + right) / 2, y: (top + bottom) / 2, width: right - left, height: bottom - top };
}

// The rectangle around things of a size at some points.
function spanOf(points, { width, height }) {
  const xs = points.map((point) => point.x), ys = points.map((point) => point.y);
  return { left: Math.min(...xs) - width / 2, right: Math.max(...xs) + width / 2, top: Math.min(...ys) - height / 2, bottom: Math.max(...ys) + height / 2 };
}
