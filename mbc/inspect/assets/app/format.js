// Numbers and names as text.

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(value) {
  return value === null || value === undefined ? "–" : GROUPED.format(value);
}

// Three digits: 12.3, 0.0123, 1,234.
export function figure(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 100) return GROUPED.format(value);
  if (size < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

const UNITS = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

// 144.9 M
export function short(value) {
  if (value === null || value === undefined) return "–";
  const [size, unit] = UNITS.find(([least]) => Math.abs(value) >= least) ?? [1, ""];
  return unit ? `${figure(value / size)} ${unit}` : figure(value);
}

const BYTES = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const [size, unit] = BYTES.find(([least]) => Math.abs(value) >= least) ?? [1, "B"];
  return `${figure(value / size)} ${unit}`;
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  return value < 0.1 ? `${figure(1e3 * value)} µs` : `${figure(value)} ms`;
}

export function percent(share) {
  if (!Number.isFinite(share)) return "–";
  const value = 100 * share;
  return `${value >= 10 || value === 0 ? Math.round(value) : Number(value.toPrecision(2))} %`;
}

// +3, −12: with a minus sign as wide as the plus.
export function signed(value, text = count) {
  if (value === 0) return "±0";
  return value > 0 ? `+${text(value)}` : `−${text(-value)}`;
}

export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : word.endsWith("s") ? "es" : "s"}`;
}

export function shapeText(shape) {
  return shape.length > 1 && shape[0] === 1 ? shape.slice(1).join("×") : shape.join("×") || "scalar";
}

export function attributeText(value) {
  return Array.isArray(value) ? `(${value.map(attributeText).join(", ")})` : String(value);
}

// The end of a name, where names of one scope differ.
export function tail(name, length) {
  return name.length > length ? `…${name.slice(1 - length)}` : name;
}
