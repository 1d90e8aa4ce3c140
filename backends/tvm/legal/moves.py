"""Ops that only move data."""

from __future__ import annotations

import numpy as np

from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr, shuffled
from mbc.backends.tvm.require import tvm
from mbc.ops import ChannelShuffle, Concat, Reshape, Split, Transpose


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


EMITTERS: Emitters = {
    Concat: _concat,
    Split: _split,
    ChannelShuffle: _channel_shuffle,
    Reshape: lambda emit, op, x: (emit(tvm().relax.op.reshape(x, op.shape)),),
    Transpose: lambda emit, op, x: (emit(tvm().relax.op.permute_dims(x, op.perm)),),
}
