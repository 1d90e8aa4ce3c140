// On paper all views follow one another; the graph is drawn whole, folded as it is on the screen.
import { el } from "./dom.js";
import { paint, palette } from "./paint.js";

const WIDTH = 1400, HEIGHT = 2000;

export function makePrint(state, make, panels) {
  const picture = el("canvas", { class: "picture", role: "img", "aria-label": "Graph", hidden: true });
  panels.graph.append(picture);
  addEventListener("beforeprint", () => {
    for (const panel of Object.values(panels)) panel.hidden = false;
    for (const name of Object.keys(panels)) make(name);
    make("ir").printing = true;
    make("ir").show();
    drawWhole(make("graph"), picture);
  });
  addEventListener("afterprint", () => {
    make("ir").printing = false;
    picture.hidden = true;
    state.tell(["view"]);
  });
}

function drawWhole(graph, picture) {
  if (!graph.scene) return;
  const { width, height } = graph.scene;
  const k = Math.min(WIDTH / width, HEIGHT / height, 2);
  picture.width = width * k;
  picture.height = height * k;
  picture.hidden = false;
  const drawing = { ...graph.drawing(), colours: palette() };
  paint(picture.getContext("2d"), drawing, { x: 0, y: 0, k }, { width: width * k, height: height * k });
}
