// Elements of the page, made by functions.

// An element: attributes by name, listeners as `onclick`, text and elements as children.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

// A name that may be broken after its dots and underscores.
export function nameText(name) {
  return name.split(/(?<=[._/])/).flatMap((part, index) => (index ? [el("wbr"), part] : [part]));
}

export function byId(id) {
  return document.getElementById(id);
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined));
}

// A word for each of a table's columns: header cells of a row.
export function headers(...names) {
  return el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)));
}

// Text beside the pointer.
const tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });

export function showTip(text, event) {
  if (!tip.isConnected) document.body.append(tip);
  tip.hidden = false;
  tip.textContent = text;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - box.width - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 16, innerHeight - box.height - 8)}px`;
}

export function hideTip() {
  tip.hidden = true;
}

export function withTip(element, text) {
  element.addEventListener("pointermove", (event) => showTip(text, event));
  element.addEventListener("pointerleave", hideTip);
  return element;
}

// What a screen reader says.
export function announce(text) {
  byId("announcer").textContent = text;
}
