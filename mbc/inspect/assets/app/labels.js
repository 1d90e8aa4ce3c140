// What nodes are called and what kind they are.

export const KINDS = {
  conv: "convolution",
  depthwise: "depthwise",
  fused: "fused kernel",
  dense: "dense, matmul",
  pool: "pool, mean",
  element: "arithmetic",
  norm: "batch norm, activation",
  move: "moves data",
  code: "codes",
  end: "input, output",
};

const OPS_OF = {
  dense: "dense matmul",
  pool: "max_pool avg_pool global_avg_pool global_max_pool reduce_mean reduce_max reduce_sum argmax",
  norm: "batch_norm layer_norm instance_norm l2_normalize lrn softmax log_softmax activation prelu",
  move: "concat concat_along split channel_shuffle reshape transpose slice pad depth_to_space space_to_depth gather resize",
  code: "quantize dequantize requantize lookup",
  element: "add sub mul div min max abs neg exp log sqrt reciprocal pow",
};

const OF_OP = Object.fromEntries(
  Object.entries(OPS_OF).flatMap(([kind, ops]) => ops.split(" ").map((op) => [op, kind])));

export function kindOf(node) {
  if (node.op.startsWith("fused")) return "fused";
  if (isConvolution(node)) return isDepthwise(node) ? "depthwise" : "conv";
  return OF_OP[node.op] ?? "norm";
}

function isConvolution(node) {
  return node.op === "conv2d" || node.op === "transposed_conv";
}

function isDepthwise(node) {
  const groups = node.attributes.groups ?? 1;
  return groups > 1 && groups === node.results[0].type.shape.at(-1);
}

// "conv2d 3×3 /2 depthwise · relu", "fused dw_pw".
export function titleOf(node) {
  const words = [node.op];
  if (isConvolution(node)) words.push(...convolutionWords(node));
  const act = node.attributes.act;
  return words.join(" ") + (act && act !== node.op ? ` · ${act}` : "");
}

function convolutionWords(node) {
  const weight = node.operands.find((operand) => operand.role === "weight");
  const [height, width] = weight ? weight.type.shape : [];
  const words = height ? [`${height}×${width}`] : [];
  const stride = Math.max(...[node.attributes.stride ?? 1].flat());
  if (stride > 1) words.push(`/${stride}`);
  if (isDepthwise(node)) words.push("dw");
  else if ((node.attributes.groups ?? 1) > 1) words.push(`${node.attributes.groups} groups`);
  return words;
}

// The block of a name: up to its first number, and numbers that follow at once; else its first
// scope. "" for a name without scope.
export function blockOf(name) {
  const words = name.split(".");
  const first = words.findIndex((word) => /^\d+$/.test(word));
  if (first < 0) return words.length > 1 ? words[0] : "";
  let end = first + 1;
  while (end < words.length - 1 && /^\d+$/.test(words[end])) end += 1;
  return end === words.length ? words.slice(0, first).join(".") : words.slice(0, end).join(".");
}
