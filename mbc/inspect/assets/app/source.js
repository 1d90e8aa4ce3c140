// The user's source, with lines lit.
import { el } from "./dom.js";

const WORD = /(#.*$)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|\b(def|return|for|in|if|else|with|import|from|as|class|not|and|or|None|True|False|lambda|while|yield|pass)\b|(@\w+)|(\b\d[\w.]*)/g;
const CLASSES = ["comment", "string", "keyword", "constant", "number"];

export function sourcePanel(sources, lines) {
  const file = sources?.find((one) => one.file === lines[0].file);
  if (!file) return el("p", { class: "soft" }, sources === null ? "The source was left out (--no-source)." : "The file is no text.");
  const lit = new Set(lines.filter((line) => line.file === file.file).map((line) => line.line));
  const rows = file.text.split("\n").map((text, index) => el("div", { class: lit.has(index + 1) ? "lit" : null },
    el("span", { class: "at" }, index + 1), el("code", {}, coloured(text)), lit.has(index + 1) ? el("span", { class: "hidden" }, " (made the selected node)") : null));
  return el("div", { class: "source", tabindex: "0", role: "region", "aria-label": `Source ${file.file}` }, rows);
}

function coloured(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(WORD)) {
    parts.push(text.slice(end, match.index));
    const kind = CLASSES[match.slice(1).findIndex((group) => group !== undefined)];
    parts.push(el("span", { class: `t-${kind}` }, match[0]));
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}
