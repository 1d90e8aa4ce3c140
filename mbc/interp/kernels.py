"""One numpy function per op: its definition, and therefore kept simple.

Every function takes the op and its operands as arrays of one float type (optional ones may be
absent or None) and returns the tuple of results. Tensors are NHWC, filters HWIO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from mbc.interp.products import activate, grouped_product
from mbc.interp.resize import resize
from mbc.interp.rows import instance_norm, l2_normalize, log_softmax, lrn, matmul
from mbc.interp.transposed import transposed_conv
from mbc.interp.unary import unary
from mbc.ir.op import Op
from mbc.ops import grid
from mbc.ops.argmax import ArgMax
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import (
    Activate,
    Add,
    Arithmetic,
    BatchNorm,
    Div,
    Max,
    Min,
    Mul,
    Prelu,
    Softmax,
    Sub,
)
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.matmul import MatMul
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.norm import LayerNorm
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool, Pool
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean, ReduceSum
from mbc.ops.resize import Resize
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn
from mbc.ops.transposed import TransposedConv
from mbc.ops.unary import UNARY
from mbc.ops.window import Pad, Pair, window_extent

Array: TypeAlias = np.ndarray
Results: TypeAlias = tuple[Array, ...]


def taps(
    x: Array, kernel: Pair, stride: Pair, pad: Pad, dilation: Pair = (1, 1), fill: float = 0.0
) -> Iterator[tuple[int, int, Array]]:
    """Yield each kernel position (i, j) with its input element for every output: [n,oh,ow,c]."""
    top, bottom, left, right = pad
    out_h = window_extent(x.shape[1], kernel[0], stride[0], top + bottom, dilation[0])
    out_w = window_extent(x.shape[2], kernel[1], stride[1], left + right, dilation[1])
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            row, column = i * dilation[0], j * dilation[1]
            yield (
                i,
                j,
                padded[
                    :,
                    row : row + (out_h - 1) * stride[0] + 1 : stride[0],
                    column : column + (out_w - 1) * stride[1] + 1 : stride[1],
                ],
            )


def conv2d(
    op: Conv2d,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    multiplier: None = None,
    slope: Array | None = None,
) -> Results:
    """Sum over the taps of (shifted input) @ (filter tap), plus bias, plus residual; slope and
    activation."""
    kernel = (weight.shape[0], weight.shape[1])
    total: Any = 0
    for i, j, window in taps(x, kernel, op.stride, op.pad, op.dilation):
        total += grouped_product(window, weight[i, j], op.groups)  # in place but for the first
    if bias is not None:
        total = total + bias
    if residual is not None:
        total = total + residual
    return (activate(_sloped(total, slope), op.act),)


def dense(
    op: Dense,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    multiplier: None = None,
    slope: Array | None = None,
) -> Results:
    """x @ weight + bias; slope and activation."""
    product = x @ weight
    total = product if bias is None else product + bias
    return (activate(_sloped(total, slope), op.act),)


def _sloped(x: Array, slope: Array | None) -> Array:
    return x if slope is None else FORMULAS[Prelu](x, slope)


def batch_norm(
    op: BatchNorm, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array
) -> Results:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta."""
    epsilon = x.dtype.type(op.epsilon)
    return ((x - mean) / np.sqrt(variance + epsilon) * gamma + beta,)


def activation(op: Activate, x: Array) -> Results:
    """Apply the activation's formula."""
    return (op.act.reference(x),)


FORMULAS: dict[type[Arithmetic], Callable[[Array, Array], Array]] = {
    Add: np.add,
    Sub: np.subtract,
    Mul: np.multiply,
    Div: np.divide,
    Min: np.minimum,
    Max: np.maximum,
    Prelu: lambda a, b: np.where(a > 0, a, a * b),
}
"""What each kind of arithmetic computes; min and max give NaN where an operand is."""


def arithmetic(op: Arithmetic, a: Array, b: Array) -> Results:
    """Combine both operands, the smaller one broadcast; activation."""
    rank = max(a.ndim, b.ndim)
    a, b = (x.reshape(aligned(x.shape, rank) or x.shape) for x in (a, b))
    return (activate(FORMULAS[type(op)](a, b), op.act),)


def softmax(op: Softmax, x: Array) -> Results:
    """exp(x - max) / sum, over the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True),)


def layer_norm(op: LayerNorm, x: Array, gamma: Array, beta: Array) -> Results:
    """Normalise each pixel by the mean and variance of its channels."""
    apart = x - x.mean(axis=-1, keepdims=True, dtype=x.dtype)
    variance = (apart**2).mean(axis=-1, keepdims=True, dtype=x.dtype)
    return (apart / np.sqrt(variance + x.dtype.type(op.epsilon)) * gamma + beta,)


def max_pool(op: MaxPool, x: Array) -> Results:
    """Maximum over the taps; padding is minus infinity."""
    windows = taps(x, op.kernel, op.stride, op.pad, op.dilation, -np.inf)
    return (np.max([window for _, _, window in windows], axis=0),)


def window_sum(op: Pool, x: Array) -> Array:
    """Sum over the taps."""
    windows = [window for _, _, window in taps(x, op.kernel, op.stride, op.pad)]
    total: Array = np.sum(windows, axis=0, dtype=x.dtype)
    return total


def avg_pool(op: AvgPool, x: Array) -> Results:
    """Sum over the taps, divided by the number of those that count."""
    return (activate(window_sum(op, x) / tap_counts(op, x), op.act),)


def tap_counts(op: AvgPool, x: Array) -> Array:
    """Count the taps within the input, and with `count_pad` in its padding but for the overhang."""
    ones = np.ones_like(x[:1, :, :, :1])
    if not op.count_pad:
        return window_sum(op, ones)
    (top, bottom, left, right), (down, across) = op.pad, op.overhang
    sides = ((0, 0), (top, bottom - down), (left, right - across), (0, 0))
    ones = np.pad(ones, sides, constant_values=1)
    return window_sum(replace(op, pad=(0, down, 0, across)), ones)


def global_avg_pool(op: GlobalAvgPool, x: Array) -> Results:
    """Mean over height and width."""
    return (x.mean(axis=(1, 2), dtype=x.dtype),)


REDUCTIONS: dict[type[Reduce], Callable[..., Array]] = {
    ReduceMean: np.mean,
    ReduceMax: np.max,
    ReduceSum: np.sum,
}
"""What each kind of reduction computes; a maximum is NaN where an element is."""


def reduction(op: Reduce, x: Array) -> Results:
    """Reduce over the axes."""
    return (REDUCTIONS[type(op)](x, axis=op.axes, keepdims=op.keep),)


def argmax(op: ArgMax, x: Array) -> Results:
    """Find the first index of the largest element, or of the first NaN."""
    return (np.argmax(x, axis=op.axis, keepdims=op.keep),)


def concat(op: Concat, *parts: Array) -> Results:
    """Concatenate the channels."""
    return (np.concatenate(parts, axis=-1),)


def split(op: Split, x: Array) -> Results:
    """Split the channels into runs of the given sizes."""
    ends = np.cumsum(op.sizes)
    return tuple(x[..., end - size : end] for size, end in zip(op.sizes, ends, strict=True))


def channel_shuffle(op: ChannelShuffle, x: Array) -> Results:
    """Transpose the channels as a [g, C/g] matrix (1707.01083 §3.1)."""
    matrix = x.reshape(*x.shape[:-1], op.groups, x.shape[-1] // op.groups)
    return (matrix.swapaxes(-1, -2).reshape(x.shape),)


def reshape(op: Reshape, x: Array) -> Results:
    """Reinterpret the elements, in row-major order, as another shape."""
    return (x.reshape(op.shape),)


def transpose(op: Transpose, x: Array) -> Results:
    """Transpose: axis i of the result is axis perm[i] of x."""
    return (x.transpose(op.perm),)


def slice_(op: grid.Slice, x: Array) -> Results:
    """Take elements start, start + step, … before stop along one axis."""
    return (x.swapaxes(0, op.axis)[op.start : op.stop : op.step].swapaxes(0, op.axis),)


def gather(op: grid.Gather, x: Array) -> Results:
    """Take elements along one axis by their numbers."""
    return (np.take(x, op.indices, axis=op.axis),)


def concat_along(op: grid.ConcatAlong, *parts: Array) -> Results:
    """Concatenate along an axis."""
    return (np.concatenate(parts, axis=op.axis),)


def padded(op: grid.Pad, x: Array) -> Results:
    """Put a number around x."""
    pads = list(zip(op.before, op.after, strict=True))
    return (np.pad(x, pads, constant_values=x.dtype.type(op.fill)),)


def depth_to_space(op: grid.DepthToSpace, x: Array) -> Results:
    """Spread the channels of a pixel over a block of pixels."""
    n, h, w, _ = x.shape
    blocks = x.reshape(n, h, w, op.block, op.block, -1).transpose(0, 1, 3, 2, 4, 5)
    return (blocks.reshape(n, h * op.block, w * op.block, -1),)


def space_to_depth(op: grid.SpaceToDepth, x: Array) -> Results:
    """Gather the channels of a block of pixels in one pixel."""
    n, h, w, c = x.shape
    b = op.block
    blocks = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
    return (blocks.reshape(n, h // b, w // b, -1),)


KERNELS: dict[type[Op], Callable[..., Results]] = {
    Conv2d: conv2d,
    TransposedConv: transposed_conv,
    Dense: dense,
    BatchNorm: batch_norm,
    Activate: activation,
    **dict.fromkeys(FORMULAS, arithmetic),
    MaxPool: max_pool,
    AvgPool: avg_pool,
    GlobalAvgPool: global_avg_pool,
    Resize: resize,
    **dict.fromkeys(REDUCTIONS, reduction),
    ArgMax: argmax,
    Softmax: softmax,
    LayerNorm: layer_norm,
    **dict.fromkeys(UNARY, unary),
    LogSoftmax: log_softmax,
    L2Normalize: l2_normalize,
    InstanceNorm: instance_norm,
    Lrn: lrn,
    MatMul: matmul,
    Concat: concat,
    Split: split,
    ChannelShuffle: channel_shuffle,
    Reshape: reshape,
    Transpose: transpose,
    grid.Slice: slice_,
    grid.ConcatAlong: concat_along,
    grid.Pad: padded,
    grid.DepthToSpace: depth_to_space,
    grid.SpaceToDepth: space_to_depth,
    grid.Gather: gather,
}
"""The function of each op. A fused op has none: its body is evaluated (mbc/interp/run.py)."""
