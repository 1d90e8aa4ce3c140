"""Ops that only move data."""

from __future__ import annotations

import numpy as np

from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr, shuffled
from mbc.backends.tvm.require import tvm
from mbc.ops import (
    ChannelShuffle,
    Concat,
    ConcatAlong,
    DepthToSpace,
    Gather,
    Pad,
    Reshape,
    Slice,
    SpaceToDepth,
    Split,
    Transpose,
)


def _split(emit: Emit, op: Split, x: Expr) -> tuple[Expr, ...]:
    ends = [int(end) for end in np.cumsum(op.sizes)]
    axis = len(x.ty.shape) - 1
    return tuple(
        emit(tvm().relax.op.strided_slice(x, [axis], [end - size], [end]))
        for end, size in zip(ends, op.sizes, strict=True)
    )


def _channel_shuffle(emit: Emit, op: ChannelShuffle, x: Expr) -> tuple[Expr, ...]:
    return (shuffled(emit, x, op.groups, [int(extent) for extent in x.ty.shape]),)


def _concat(emit: Emit, op: Concat, *parts: Expr) -> tuple[Expr, ...]:
    return (emit(tvm().relax.op.concat(list(parts), axis=len(parts[0].ty.shape) - 1)),)


def _slice(emit: Emit, op: Slice, x: Expr) -> tuple[Expr, ...]:
    ends = [op.axis], [op.start], [op.stop], [op.step]
    return (emit(tvm().relax.op.strided_slice(x, *ends)),)


def _gather(emit: Emit, op: Gather, x: Expr) -> tuple[Expr, ...]:
    indices = tvm().relax.const(np.array(op.indices, np.int64))
    return (emit(tvm().relax.op.take(x, indices, axis=op.axis)),)


def _pad(emit: Emit, op: Pad, x: Expr) -> tuple[Expr, ...]:
    widths = [width for pair in zip(op.before, op.after, strict=True) for width in pair]
    return (emit(tvm().relax.op.nn.pad(x, widths, pad_value=op.fill)),)


def _depth_to_space(emit: Emit, op: DepthToSpace, x: Expr) -> tuple[Expr, ...]:
    n, h, w, c = (int(extent) for extent in x.ty.shape)
    b = op.block
    return (_blocks(emit, x, (n, h, w, b, b, c // b**2), (n, h * b, w * b, c // b**2)),)


def _space_to_depth(emit: Emit, op: SpaceToDepth, x: Expr) -> tuple[Expr, ...]:
    n, h, w, c = (int(extent) for extent in x.ty.shape)
    b = op.block
    return (_blocks(emit, x, (n, h // b, b, w // b, b, c), (n, h // b, w // b, c * b**2)),)


def _blocks(emit: Emit, x: Expr, apart: tuple[int, ...], shape: tuple[int, ...]) -> Expr:
    """Exchange the two middle ones of six axes, then give the result's shape."""
    cut = emit(tvm().relax.op.reshape(x, apart))
    turned = emit(tvm().relax.op.permute_dims(cut, (0, 1, 3, 2, 4, 5)))
    return emit(tvm().relax.op.reshape(turned, shape))


EMITTERS: Emitters = {
    Concat: _concat,
    Split: _split,
    ChannelShuffle: _channel_shuffle,
    Reshape: lambda emit, op, x: (emit(tvm().relax.op.reshape(x, op.shape)),),
    Transpose: lambda emit, op, x: (emit(tvm().relax.op.permute_dims(x, op.perm)),),
    Slice: _slice,
    ConcatAlong: lambda emit, op, *parts: (emit(tvm().relax.op.concat(list(parts), op.axis)),),
    Pad: _pad,
    DepthToSpace: _depth_to_space,
    SpaceToDepth: _space_to_depth,
    Gather: _gather,
}
