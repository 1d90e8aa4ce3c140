// Where arrow keys lead in a placed scene.

export function neighbour(scene, here, key) {
  const { boxes } = scene;
  if (key === "Home" || (!here && key.startsWith("Arrow"))) return boxes[0];
  if (key === "End") return boxes.at(-1);
  if (key === "ArrowDown") return nearest(here, linked(scene, here, "from", "to"));
  if (key === "ArrowUp") return nearest(here, linked(scene, here, "to", "from"));
  const beside = boxes.filter((box) => box !== here && Math.abs(box.y - here.y) < here.height / 2);
  if (key === "ArrowLeft") return nearest(here, beside.filter((box) => box.x < here.x));
  if (key === "ArrowRight") return nearest(here, beside.filter((box) => box.x > here.x));
  return undefined;
}

function linked(scene, here, near, far) {
  const ids = new Set(scene.edges.filter((edge) => edge[near] === here.id).map((edge) => edge[far]));
  return scene.boxes.filter((box) => ids.has(box.id));
}

function nearest(here, boxes) {
  const distance = (box) => Math.hypot(box.x - here.x, box.y - here.y);
  return boxes.sort((a, b) => distance(a) - distance(b))[0];
}
