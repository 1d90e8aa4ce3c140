"""Relax expressions of mbc's ops: those that TVM legalises rather than calling mbc's kernels.

Tensors are NHWC and filters HWIO on both sides. A batch norm becomes a multiplication and an
addition, for its constants are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from math import inf, sqrt
from operator import add
from typing import Any, assert_never

import numpy as np

from mbc.backends.gelu import GELU_TANH
from mbc.backends.tvm.require import tvm
from mbc.ir.activations import (
    LARGE,
    Activation,
    Clip,
    Elu,
    Gelu,
    GeluTanh,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Sigmoid,
    Silu,
    Tanh,
)
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.op import Op
from mbc.ir.subnormals import flushed
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    ChannelShuffle,
    Concat,
    Conv2d,
    Dense,
    Div,
    Fused,
    GlobalAvgPool,
    Max,
    MaxPool,
    Min,
    Mul,
    Reshape,
    Softmax,
    Split,
    Sub,
    Transpose,
)
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import Arithmetic
from mbc.ops.normalisation import scale_and_shift
from mbc.ops.window import Pad

Expr = Any  # relax.Expr: TVM ships no types
Emit = Callable[[Expr], Expr]  # binds an expression to a variable, whose type TVM then knows


def emit_node(emit: Emit, node: Node, known: Mapping[Value, Expr]) -> tuple[Expr, ...]:
    """Emit a node by TVM's own ops; returns its results."""
    operands = [_read(emit, operand, known) for operand in node.operands]
    if isinstance(node.op, Fused):
        return _body(emit, node.op.body, operands)
    return EMITTERS[type(node.op)](emit, node.op, *operands)


def gather(emit: Emit, view: ChannelView, known: Mapping[Value, Expr]) -> Expr:
    """Emit the read of a view: its segments one after the other, then its order."""
    if view.is_plain:
        return known[view.value]
    op, axis = tvm().relax.op, view.type.rank - 1
    parts = [
        known[s.value]
        if s.is_whole
        else emit(op.strided_slice(known[s.value], [axis], [s.start], [s.start + s.length]))
        for s in view.segments
    ]
    joined = emit(op.concat(parts, axis=axis)) if len(parts) > 1 else parts[0]
    return _ordered(emit, joined, view.order, view.type.shape)


def _ordered(emit: Emit, x: Expr, order: ChannelMap, shape: Sequence[int]) -> Expr:
    if order.is_identity:
        return x
    if order.shuffle_groups is not None:
        return _shuffled(emit, x, order.shuffle_groups, shape)
    relax = tvm().relax
    indices = relax.const(np.array(order.indices, np.int32))
    return emit(relax.op.take(x, indices, axis=len(shape) - 1, mode="clip"))


def _shuffled(emit: Emit, x: Expr, groups: int, shape: Sequence[int]) -> Expr:
    """Emit a shuffle: the channels as a [g, C/g] matrix, transposed."""
    op, rank = tvm().relax.op, len(shape)
    matrix = emit(op.reshape(x, (*shape[:-1], groups, shape[-1] // groups)))
    axes = [*range(rank - 1), rank, rank - 1]
    return emit(op.reshape(emit(op.permute_dims(matrix, axes)), tuple(shape)))


def _read(emit: Emit, operand: Operand | None, known: Mapping[Value, Expr]) -> Expr | None:
    match operand:
        case None:
            return None
        case Constant():
            return _constant(operand.array)
        case ChannelView():
            return gather(emit, operand, known)


def _constant(array: np.ndarray) -> Expr:
    return tvm().relax.const(flushed(array))


def _array(constant: Expr) -> np.ndarray:
    array: np.ndarray = constant.value.numpy()
    return array


def _body(emit: Emit, body: Graph, inputs: Sequence[Expr | None]) -> tuple[Expr, ...]:
    known: dict[Value, Expr] = dict(zip(body.inputs, inputs, strict=True))
    for node in body.topo():
        known |= zip(node.results, emit_node(emit, node, known), strict=True)
    return tuple(gather(emit, view, known) for view in body.outputs)


def _activated(emit: Emit, x: Expr, act: Activation | None) -> Expr:
    match act:
        case None:
            return x
        case Clip():
            return _clipped(emit, x, act)
        case LeakyRelu(alpha=alpha):
            return emit(tvm().relax.op.nn.leakyrelu(x, alpha))
        case Sigmoid():
            return emit(tvm().relax.op.sigmoid(x))
        case HardSigmoid(alpha=alpha, beta=beta):
            return _clipped_line(emit, x, alpha, beta)
        case HardSwish():
            share = _clipped_line(emit, x, 1 / 6, 0.5)
            return emit(tvm().relax.op.multiply(_clipped(emit, x, Clip(-3.0)), share))
        case Silu():
            return _shared(emit, x, emit(tvm().relax.op.sigmoid(x)))
        case Tanh():
            return _line(emit, emit(tvm().relax.op.sigmoid(_line(emit, x, 2.0, 0.0))), 2.0, -1.0)
        case Gelu():
            normal = emit(tvm().relax.op.erf(_line(emit, x, sqrt(0.5), 0.0)))
            return _shared(emit, x, _line(emit, normal, 0.5, 0.5))
        case GeluTanh():
            return _shared(emit, x, emit(tvm().relax.op.sigmoid(_cubic(emit, x))))
        case Elu(alpha=alpha):
            op, const = tvm().relax.op, tvm().relax.const
            below = _line(emit, emit(op.exp(x)), alpha, -alpha)
            return emit(op.where(emit(op.greater(x, const(0.0, "float32"))), x, below))
    assert_never(act)


def _clipped(emit: Emit, x: Expr, act: Clip) -> Expr:
    """By comparisons, since TVM's relu and clip lose a NaN."""
    op, const = tvm().relax.op, tvm().relax.const
    if act.lo > -inf:
        least = const(act.lo, "float32")
        x = emit(op.where(emit(op.less(x, least)), least, x))
    if act.hi < inf:
        most = const(act.hi, "float32")
        x = emit(op.where(emit(op.greater(x, most)), most, x))
    return x


def _clipped_line(emit: Emit, x: Expr, slope: float, offset: float) -> Expr:
    return _clipped(emit, _line(emit, x, slope, offset), Clip(0.0, 1.0))


def _line(emit: Emit, x: Expr, slope: float, offset: float) -> Expr:
    op, const = tvm().relax.op, tvm().relax.const
    scaled = emit(op.multiply(x, const(slope, "float32")))
    return emit(op.add(scaled, const(offset, "float32"))) if offset else scaled


def _shared(emit: Emit, x: Expr, share: Expr) -> Expr:
    """x times a share that is 0 for minus infinity."""
    return emit(tvm().relax.op.multiply(_clipped(emit, x, Clip(-LARGE)), share))


def _cubic(emit: Emit, x: Expr) -> Expr:
    """Emit what gelu_tanh takes the sigmoid of."""
    op, (linear, cubic) = tvm().relax.op, GELU_TANH
    factor = _line(emit, emit(op.multiply(x, x)), cubic, linear)
    return emit(op.multiply(x, factor))


def _padding(pad: Pad) -> tuple[int, int, int, int]:
    """TVM's order: top, left, bottom, right."""
    top, bottom, left, right = pad
    return (top, left, bottom, right)


def _conv2d(
    emit: Emit,
    op: Conv2d,
    x: Expr,
    weight: Expr,
    bias: Expr | None = None,
    residual: Expr | None = None,
) -> tuple[Expr, ...]:
    result = emit(
        tvm().relax.op.nn.conv2d(
            x,
            weight,
            strides=op.stride,
            padding=_padding(op.pad),
            dilation=op.dilation,
            groups=op.groups,
            data_layout="NHWC",
            kernel_layout="HWIO",
        )
    )
    for addend in (bias, residual):
        if addend is not None:
            result = emit(tvm().relax.op.add(result, addend))
    return (_activated(emit, result, op.act),)


def _dense(
    emit: Emit, op: Dense, x: Expr, weight: Expr, bias: Expr | None = None
) -> tuple[Expr, ...]:
    result = emit(tvm().relax.op.matmul(x, weight))
    if bias is not None:
        result = emit(tvm().relax.op.add(result, bias))
    return (_activated(emit, result, op.act),)


def _batch_norm(
    emit: Emit, op: BatchNorm, x: Expr, gamma: Expr, beta: Expr, mean: Expr, variance: Expr
) -> tuple[Expr, ...]:
    vectors = scale_and_shift(op, *map(_array, (gamma, beta, mean, variance)))
    scale, shift = (_constant(vector.astype(np.float32)) for vector in vectors)
    return (emit(tvm().relax.op.add(emit(tvm().relax.op.multiply(x, scale)), shift)),)


def _arithmetic(emit: Emit, op: Arithmetic, a: Expr, b: Expr) -> tuple[Expr, ...]:
    rank = max(len(a.ty.shape), len(b.ty.shape))
    result = FORMULAS[type(op)](emit, _aligned(emit, a, rank), _aligned(emit, b, rank))
    return (_activated(emit, result, op.act),)


def _aligned(emit: Emit, x: Expr, rank: int) -> Expr:
    """Give an operand that is broadcast as many axes as the result has."""
    shape = tuple(int(extent) for extent in x.ty.shape)
    wanted = aligned(shape, rank) or shape
    return x if wanted == shape else emit(tvm().relax.op.reshape(x, wanted))


def _max_pool(emit: Emit, op: MaxPool, x: Expr) -> tuple[Expr, ...]:
    """Tap by tap, since TVM's max_pool2d loses a NaN, and takes its lowest number for -inf."""
    relax, (top, bottom, left, right) = tvm().relax, op.pad
    widths = [0, 0, top, bottom, left, right, 0, 0]
    padded = emit(relax.op.nn.pad(x, widths, pad_value=float("-inf")))
    _, height, width, _ = map(int, padded.ty.shape)
    starts = (height - op.kernel[0] + 1, width - op.kernel[1] + 1)
    taps = (
        emit(relax.op.strided_slice(padded, [1, 2], tap, [*map(add, tap, starts)], op.stride))
        for tap in np.ndindex(*op.kernel)
    )
    return (reduce(partial(_larger, emit), taps),)


def _larger(emit: Emit, a: Expr, b: Expr) -> Expr:
    return _chosen(emit, tvm().relax.op.greater, a, b)


def _smaller(emit: Emit, a: Expr, b: Expr) -> Expr:
    return _chosen(emit, tvm().relax.op.less, a, b)


def _chosen(emit: Emit, compare: Callable[[Expr, Expr], Expr], a: Expr, b: Expr) -> Expr:
    """Emit a where it is NaN or compares with b as wanted; a NaN in b does not compare."""
    op = tvm().relax.op
    first = emit(op.logical_or(emit(op.isnan(a)), emit(compare(a, b))))
    return emit(op.where(first, a, b))


FORMULAS: Mapping[type[Arithmetic], Callable[[Emit, Expr, Expr], Expr]] = {
    Add: lambda emit, a, b: emit(tvm().relax.op.add(a, b)),
    Sub: lambda emit, a, b: emit(tvm().relax.op.subtract(a, b)),
    Mul: lambda emit, a, b: emit(tvm().relax.op.multiply(a, b)),
    Div: lambda emit, a, b: emit(tvm().relax.op.divide(a, b)),
    Min: _smaller,
    Max: _larger,
}


def _avg_pool(emit: Emit, op: AvgPool, x: Expr) -> tuple[Expr, ...]:
    pool = tvm().relax.op.nn.avg_pool2d
    how = {"layout": "NHWC", "count_include_pad": op.count_pad}
    return (_activated(emit, emit(pool(x, op.kernel, op.stride, _padding(op.pad), **how)), op.act),)


def _split(emit: Emit, op: Split, x: Expr) -> tuple[Expr, ...]:
    ends = [int(end) for end in np.cumsum(op.sizes)]
    axis = len(x.ty.shape) - 1
    return tuple(
        emit(tvm().relax.op.strided_slice(x, [axis], [end - size], [end]))
        for end, size in zip(ends, op.sizes, strict=True)
    )


def _channel_shuffle(emit: Emit, op: ChannelShuffle, x: Expr) -> tuple[Expr, ...]:
    return (_shuffled(emit, x, op.groups, [int(extent) for extent in x.ty.shape]),)


def _concat(emit: Emit, op: Concat, *parts: Expr) -> tuple[Expr, ...]:
    return (emit(tvm().relax.op.concat(list(parts), axis=len(parts[0].ty.shape) - 1)),)


EMITTERS: Mapping[type[Op], Callable[..., tuple[Expr, ...]]] = {
    Conv2d: _conv2d,
    Dense: _dense,
    BatchNorm: _batch_norm,
    Activate: lambda emit, op, x: (_activated(emit, x, op.act),),
    **dict.fromkeys(FORMULAS, _arithmetic),
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    GlobalAvgPool: lambda emit, op, x: (emit(tvm().relax.op.mean(x, axis=[1, 2])),),
    Softmax: lambda emit, op, x: (emit(tvm().relax.op.nn.softmax(x, axis=-1)),),
    Concat: _concat,
    Split: _split,
    ChannelShuffle: _channel_shuffle,
    Reshape: lambda emit, op, x: (emit(tvm().relax.op.reshape(x, op.shape)),),
    Transpose: lambda emit, op, x: (emit(tvm().relax.op.permute_dims(x, op.perm)),),
}
