"""Resizes of images."""

from __future__ import annotations

import numpy as np

from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr, constant
from mbc.backends.tvm.require import tvm
from mbc.ops.resize import Resize, taps_of


def _resize(emit: Emit, op: Resize, x: Expr) -> tuple[Expr, ...]:
    """Take columns, then rows: TVM's resize2d rounds coordinates otherwise, and loses infinity."""
    for axis in (2, 1):
        x = _along(emit, op, x, axis)
    return (x,)


def _along(emit: Emit, op: Resize, x: Expr, axis: int) -> Expr:
    relax = tvm().relax
    taps = taps_of(op, int(x.ty.shape[axis]), op.size[axis - 1])
    first, second = (
        emit(relax.op.take(x, relax.const(each.astype(np.int32)), axis=axis, mode="clip"))
        for each in (taps.low, taps.high)
    )
    if op.mode == "nearest":
        return first
    shape = [-1 if each == axis else 1 for each in range(4)]
    weight = taps.weight.astype(np.float32).reshape(shape)
    terms = (
        emit(relax.op.multiply(part, constant(share)))
        for part, share in ((first, 1 - weight), (second, weight))
    )
    return emit(relax.op.add(*terms))


EMITTERS: Emitters = {
    Resize: _resize,
}
