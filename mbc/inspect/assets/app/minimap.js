// The whole graph in a corner, with a frame around what is seen; a drag moves it.
import { el } from "./dom.js";

const WIDTH = 104;

export class Minimap {
  constructor(view) {
    this.view = view;
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.element = el("div", { class: "minimap", hidden: true }, this.canvas);
    this.context = this.canvas.getContext("2d");
    const drag = (event) => { if (event.buttons) this.jump(event); };
    this.canvas.addEventListener("pointerdown", drag);
    this.canvas.addEventListener("pointermove", drag);
  }

  paint(colours) {
    this.element.hidden = false;
    const { scene, size } = this.view;
    const height = size.height - 24;
    const k = (this.k = Math.min((WIDTH - 8) / scene.width, (height - 8) / scene.height));
    this.left = (WIDTH - scene.width * k) / 2;
    this.fitCanvas(Math.min(height, scene.height * k + 8));
    const { context } = this;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, WIDTH, height);
    context.translate(this.left, 4);
    for (const box of scene.boxes) {
      context.fillStyle = box.id === this.view.marks.box ? colours.accent : this.view.colourOf(box);
      context.fillRect((box.x - box.width / 2) * k, (box.y - box.height / 2) * k, Math.max(2, box.width * k), Math.max(1, box.height * k));
    }
    this.frame(colours);
  }

  fitCanvas(height) {
    const { canvas } = this;
    if (this.height === height && this.ratio === devicePixelRatio) return;
    [this.height, this.ratio] = [height, devicePixelRatio];
    canvas.width = WIDTH * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    canvas.style.width = `${WIDTH}px`;
    canvas.style.height = `${height}px`;
  }

  frame(colours) {
    const { transform, size } = this.view;
    const [left, top] = transform.invert([0, 0]).map((value) => value * this.k);
    const [right, bottom] = transform.invert([size.width, size.height]).map((value) => value * this.k);
    this.context.strokeStyle = colours.ink;
    this.context.lineWidth = 1.5;
    const x = Math.max(left, 1 - this.left);
    this.context.strokeRect(x, top, Math.min(right, WIDTH - 1 - this.left) - x, bottom - top);
  }

  jump(event) {
    const box = this.canvas.getBoundingClientRect();
    const { transform, size } = this.view;
    const y = (event.clientY - box.top - 4) / this.k;
    const x = (event.clientX - box.left - this.left) / this.k;
    const wide = this.view.scene.width * transform.k > size.width;
    const across = wide ? size.width / 2 - x * transform.k : transform.x;
    this.view.move(d3.zoomIdentity.translate(across, size.height / 2 - y * transform.k).scale(transform.k));
  }
}
