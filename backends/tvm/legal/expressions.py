"""Expressions of Relax that several ops need: constants, and reads of channel views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from mbc.backends.tvm.require import tvm
from mbc.ir.op import Op
from mbc.ir.subnormals import flushed
from mbc.ir.views import ChannelMap, ChannelView, Value

Expr = Any  # relax.Expr: TVM ships no types


Emit = Callable[[Expr], Expr]  # binds an expression to a variable, whose type TVM then knows
Emitters: TypeAlias = Mapping[type[Op], Callable[..., tuple[Expr, ...]]]
"""Emitters of ops: from `(emit, op, *operands)` to the results."""


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
        return shuffled(emit, x, order.shuffle_groups, shape)
    relax = tvm().relax
    indices = relax.const(np.array(order.indices, np.int32))
    return emit(relax.op.take(x, indices, axis=len(shape) - 1, mode="clip"))


def shuffled(emit: Emit, x: Expr, groups: int, shape: Sequence[int]) -> Expr:
    """Emit a shuffle: the channels as a [g, C/g] matrix, transposed."""
    op, rank = tvm().relax.op, len(shape)
    matrix = emit(op.reshape(x, (*shape[:-1], groups, shape[-1] // groups)))
    axes = [*range(rank - 1), rank, rank - 1]
    return emit(op.reshape(emit(op.permute_dims(matrix, axes)), tuple(shape)))


def constant(array: np.ndarray) -> Expr:
    """Return a constant, subnormal numbers as zero."""
    return tvm().relax.const(flushed(array))


def array_of(constant: Expr) -> np.ndarray:
    """Return the data of a constant."""
    array: np.ndarray = constant.value.numpy()
    return array
