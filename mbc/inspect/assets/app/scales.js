// Axes of charts.

export function linear([from, to], [low, high]) {
  const scale = (value) => low + ((value - from) / (to - from || 1)) * (high - low);
  return scale;
}

export function logarithmic([from, to], range) {
  const scale = linear([Math.log10(from), Math.log10(to)], range);
  return (value) => scale(Math.log10(Math.max(value, from)));
}

// Lines at 1, 2 and 5 of each power of ten around all values, and the first and last of them.
export function steps(values) {
  const least = Math.min(...values) / 1.3, most = Math.max(...values) * 1.3;
  const all = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power += 1) for (const times of [1, 2, 5]) all.push(times * 10 ** power);
  const first = all.findLastIndex((value) => value <= least), last = all.findIndex((value) => value >= most);
  return { from: all[first], to: all[last], lines: all.slice(first, last + 1) };
}

// Round steps of bytes up to an end.
export function byteSteps(end) {
  let step = 1024;
  while (end / step > 6) step *= 2;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step);
}
