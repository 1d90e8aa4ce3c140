// Lines of IR text: cut into words with a class each, and compared.

const WORD = /(%[\w.→-]+)|(@[\w.-]+)|(\b(?:f32|f16|bf16|i8|u8|i32|q8)\b[^\s=]*)|("(?:[^"\\]|\\.)*")|(\s+)|([A-Za-z_][\w.-]*)|(-?\d[\w.+-]*)|(.)/g;
const CLASSES = ["value", "constant", "type", "string", "", "name", "number", ""];

export function wordsOf(line) {
  return [...line.matchAll(WORD)].map((match) => ({ text: match[0], kind: CLASSES[match.slice(1).findIndex((group) => group !== undefined)] }));
}

// The name that a line defines; "" if none.
export function nameOf(line) {
  return /^\s*%([\w.→-]+)/.exec(line)?.[1] ?? "";
}

// Pair lines of two texts: rows { left, right, leftNumber, rightNumber }, where an absent side is
// undefined. Lines that define the same name are paired where they differ.
export function rowsOf(before, after) {
  const rows = [];
  let left = 0, right = 0;
  const parts = Diff.diffArrays(before, after);
  for (let i = 0; i < parts.length; i += 1) {
    const part = parts[i];
    if (!part.added && !part.removed) {
      for (const text of part.value) rows.push({ left: text, right: text, leftNumber: ++left, rightNumber: ++right });
      continue;
    }
    const next = parts[i + 1];
    const both = next && (next.added || next.removed) && next.added !== part.added;
    const gone = part.removed ? part.value : both ? next.value : [];
    const come = part.added ? part.value : both ? next.value : [];
    if (both) i += 1;
    for (const [a, b] of pairs(gone, come)) {
      rows.push({ left: a, right: b, leftNumber: a === undefined ? null : ++left, rightNumber: b === undefined ? null : ++right });
    }
  }
  return rows;
}

function* pairs(gone, come) {
  const at = new Map(come.map((line, index) => [nameOf(line), index]).filter(([name]) => name));
  let next = 0;
  for (const line of gone) {
    const partner = at.get(nameOf(line));
    if (partner === undefined || partner < next) {
      yield [line, undefined];
      continue;
    }
    while (next < partner) yield [undefined, come[next++]];
    yield [line, come[next++]];
  }
  while (next < come.length) yield [undefined, come[next++]];
}

// Mark the words of a pair of lines that the other lacks.
export function marked(left, right) {
  const [a, b] = [wordsOf(left), wordsOf(right)];
  let i = 0, j = 0;
  for (const part of Diff.diffArrays(a.map((word) => word.text), b.map((word) => word.text))) {
    for (let n = 0; n < part.count; n += 1) {
      if (part.removed) mark(a[i++]);
      else if (part.added) mark(b[j++]);
      else { i += 1; j += 1; }
    }
  }
  return [a, b];
}

// Blanks show no difference.
function mark(word) {
  word.differs = word.text.trim() !== "";
}
