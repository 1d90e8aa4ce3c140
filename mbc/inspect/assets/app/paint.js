// Draws a placed scene on a canvas.
import { tail, percent, shapeText } from "./format.js";

const FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', 'Noto Sans', sans-serif";
const HEADING = 11; // room for the title of a frame
const READABLE = 0.42; // the least zoom at which text is drawn

// Colours of the page, read once for each theme.
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["paper", "card", "sunk", "line", "ink", "soft", "accent", "accent-soft", "hit", "added-ink", "changed-ink",
    "compute", "memory", "neither", "conv", "depthwise", "fused", "dense", "move", "element", "pool", "norm", "code", "end"];
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

// What is drawn: `scene`, `marks` (selected, around, found, added, changed), `colour` of a box.
export function paint(context, drawing, transform, size) {
  const { scene, colours } = drawing;
  const seen = visible(transform, size);
  context.save();
  context.translate(transform.x, transform.y);
  context.scale(transform.k, transform.k);
  for (const frame of scene.frames) if (meets(frame, seen)) paintFrame(context, frame, colours);
  paintEdges(context, drawing, seen, transform.k);
  let drawn = 0;
  for (const box of scene.boxes) {
    if (!meets(box, seen)) continue;
    paintBox(context, box, drawing, transform.k);
    drawn += 1;
  }
  context.restore();
  return drawn;
}

function visible({ x, y, k }, { width, height }) {
  return { left: -x / k, top: -y / k, right: (width - x) / k, bottom: (height - y) / k };
}

function meets({ x, y, width, height }, seen) {
  return x + width / 2 + 8 > seen.left && x - width / 2 - 8 < seen.right && y + height / 2 + 8 > seen.top && y - height / 2 - 8 < seen.bottom;
}

function paintFrame(context, { x, y, width, height, title }, colours) {
  context.fillStyle = colours.sunk;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(x - width / 2, y - height / 2 - HEADING, width, height + HEADING, 10);
  context.fill();
  context.stroke();
  context.fillStyle = colours.soft;
  context.font = `600 11px ${FONT}`;
  context.textAlign = "left";
  context.fillText(title, x - width / 2 + 9, y - height / 2 + 2);
}

function paintEdges(context, { scene, colours, marks }, seen, zoom) {
  context.lineWidth = Math.max(1.1, 0.7 / zoom);
  for (const lit of [false, true]) {
    context.strokeStyle = lit ? colours.accent : colours.neither;
    context.globalAlpha = lit ? 1 : 0.75;
    context.beginPath();
    for (const edge of scene.edges) {
      if (edge.bottom < seen.top || edge.top > seen.bottom || edge.right < seen.left || edge.left > seen.right) continue;
      if (lit === (edge.from === marks.box || edge.to === marks.box)) trace(context, edge.points, zoom);
    }
    context.stroke();
  }
  context.globalAlpha = 1;
}

function trace(context, points, zoom) {
  const last = points.at(-1);
  context.moveTo(points[0].x, points[0].y);
  for (let i = 1; i < points.length - 1; i += 1) {
    const [point, next] = [points[i], points[i + 1]];
    const end = i === points.length - 2 ? next : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    context.quadraticCurveTo(point.x, point.y, end.x, end.y);
  }
  if (points.length === 2) context.lineTo(last.x, last.y);
  if (zoom < READABLE) return;
  context.moveTo(last.x - 3.5, last.y - 5);
  context.lineTo(last.x, last.y);
  context.lineTo(last.x + 3.5, last.y - 5);
}

function paintBox(context, box, drawing, zoom) {
  const { colours, marks } = drawing;
  const left = box.x - box.width / 2, top = box.y - box.height / 2;
  const selected = marks.box === box.id;
  if (box.group) outline(context, left + 5, top + 5, box, colours.card, colours.line, 1);
  const found = box.names.some((name) => marks.found.has(name));
  outline(context, left, top, box, found ? colours.hit : selected ? colours["accent-soft"] : colours.card, selected ? colours.accent : colours.line, selected ? 2.5 : 1);
  context.fillStyle = drawing.colourOf(box);
  context.beginPath();
  context.roundRect(left, top, 6, box.height, [8, 0, 0, 8]);
  context.fill();
  const share = drawing.shareOf(box);
  if (share.bar > 0.004) {
    context.globalAlpha = 0.9;
    context.fillRect(left + 12, top + box.height - 5, Math.max(1.5, share.bar * (box.width - 20)), 3);
    context.globalAlpha = 1;
  }
  paintMark(context, box, left, top, drawing);
  if (zoom >= READABLE) paintText(context, box, left, top, drawing);
}

function outline(context, left, top, box, fill, stroke, width) {
  context.fillStyle = fill;
  context.strokeStyle = stroke;
  context.lineWidth = width;
  context.beginPath();
  context.roundRect(left, top, box.width, box.height, 8);
  context.fill();
  context.stroke();
}

// "+" for what the pass added, "~" for what it changed.
function paintMark(context, box, left, top, { colours, marks }) {
  const added = box.names.some((name) => marks.added.has(name));
  if (!added && !box.names.some((name) => marks.changed.has(name))) return;
  context.fillStyle = added ? colours["added-ink"] : colours["changed-ink"];
  context.beginPath();
  context.arc(left + box.width - 2, top + 2, 8, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = colours.card;
  context.font = `700 12px ${FONT}`;
  context.textAlign = "center";
  context.fillText(added ? "+" : "~", left + box.width - 2, top + 6);
}

function paintText(context, box, left, top, { colours, shareOf }) {
  const { title, name, right } = textOf(box);
  const room = box.width - 26;
  context.font = `11px ${FONT}`;
  const shape = right ? context.measureText(right).width + 8 : 0;
  context.textAlign = "left";
  context.fillStyle = colours.ink;
  context.font = `600 12px ${FONT}`;
  context.fillText(fitting(context, title, room - shape), left + 13, top + 17);
  context.font = `11px ${FONT}`;
  context.fillStyle = colours.soft;
  const share = shareOf(box);
  const time = share.part >= 0.005 ? percent(share.part) : "";
  context.fillText(fitting(context, name, room - (time ? 30 : 0), true), left + 13, top + 33);
  context.textAlign = "right";
  if (right) context.fillText(right, left + box.width - 10, top + 17);
  if (time) context.fillText(time, left + box.width - 10, top + 33);
}

function textOf(box) {
  if (box.group) {
    const { title, each, members } = box.group;
    const name = each ? `${members.length} equal blocks of ${each} nodes` : `${members.length} nodes`;
    return { title: each ? `${title}  × ${members.length}` : title, name, right: shapeText(box.result.shape) };
  }
  return { title: box.node.title, name: box.node.name, right: shapeText(box.node.type.shape) };
}

// Text that fits, cut at its end, or at its beginning as names are. Measuring takes long, so what
// was found is kept.
const fitted = new Map();

function fitting(context, text, room, atStart = false) {
  const key = `${context.font}|${Math.round(room)}|${atStart}|${text}`;
  if (!fitted.has(key)) fitted.set(key, cutToFit(context, text, room, atStart));
  return fitted.get(key);
}

function cutToFit(context, text, room, atStart) {
  if (context.measureText(text).width <= room) return text;
  let length = text.length - 1;
  const cut = () => (atStart ? tail(text, length) : `${text.slice(0, length)}…`);
  while (length > 3 && context.measureText(cut()).width > room) length -= 1;
  return cut();
}
