"""Pools, reductions over axes, and argmax."""

from __future__ import annotations

from functools import partial, reduce
from math import prod
from operator import add, mul

import numpy as np

from mbc.backends.tvm.legal.activations import activated
from mbc.backends.tvm.legal.elementwise import larger
from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr, constant
from mbc.backends.tvm.legal.linear import padding
from mbc.backends.tvm.require import tvm
from mbc.ir.types import TensorType
from mbc.ops import ArgMax, AvgPool, GlobalAvgPool, MaxPool, ReduceMax, ReduceMean, ReduceSum


def _max_pool(emit: Emit, op: MaxPool, x: Expr) -> tuple[Expr, ...]:
    """Tap by tap, since TVM's max_pool2d loses a NaN, and takes its lowest number for -inf."""
    relax, (top, bottom, left, right) = tvm().relax, op.pad
    widths = [0, 0, top, bottom, left, right, 0, 0]
    padded = emit(relax.op.nn.pad(x, widths, pad_value=float("-inf")))
    _, height, width, _ = map(int, padded.ty.shape)
    reach = [(k - 1) * d + 1 for k, d in zip(op.kernel, op.dilation, strict=True)]
    starts = (height - reach[0] + 1, width - reach[1] + 1)
    firsts = ([*map(mul, tap, op.dilation)] for tap in np.ndindex(*op.kernel))
    taps = (
        emit(relax.op.strided_slice(padded, [1, 2], first, [*map(add, first, starts)], op.stride))
        for first in firsts
    )
    return (reduce(partial(larger, emit), taps),)


def _avg_pool(emit: Emit, op: AvgPool, x: Expr) -> tuple[Expr, ...]:
    pool = tvm().relax.op.nn.avg_pool2d
    how = {"layout": "NHWC", "count_include_pad": op.count_pad}
    mean = emit(pool(x, op.kernel, op.stride, padding(op.pad), **how))
    if any(op.overhang):
        counts = op.counts(TensorType(tuple(map(int, x.ty.shape))))
        share = np.float32(prod(op.kernel)) / counts[None, :, :, None].astype(np.float32)
        mean = emit(tvm().relax.op.multiply(mean, constant(share)))
    return (activated(emit, mean, op.act),)


def _reduce_max(emit: Emit, op: ReduceMax, x: Expr) -> tuple[Expr, ...]:
    """Beside TVM's maximum, which loses a NaN and takes its lowest number for -inf, count both."""
    relax = tvm().relax
    const, over = relax.const, {"axis": list(op.axes), "keepdims": op.keep}

    def any(condition: Expr) -> Expr:
        ones = emit(relax.op.astype(emit(condition), "float32"))
        return emit(relax.op.greater(emit(relax.op.max(ones, **over)), const(0.5, "float32")))

    nothing = const(float("-inf"), "float32")
    above = any(relax.op.greater(x, nothing))
    largest = emit(relax.op.where(above, emit(relax.op.max(x, **over)), nothing))
    nan = any(relax.op.isnan(x))
    return (emit(relax.op.where(nan, const(float("nan"), "float32"), largest)),)


def _argmax(emit: Emit, op: ArgMax, x: Expr) -> tuple[Expr, ...]:
    """Of NaN the first one apart. TVM's argmax, which is of int64, is -1 where all are -inf."""
    relax = tvm().relax
    nan = emit(relax.op.astype(emit(relax.op.isnan(x)), "float32"))
    largest, first = (emit(relax.op.argmax(each, op.axis, op.keep)) for each in (x, nan))
    some = emit(relax.op.max(nan, axis=[op.axis], keepdims=op.keep))
    lost = emit(relax.op.greater(some, relax.const(0.5, "float32")))
    found = emit(relax.op.astype(emit(relax.op.where(lost, first, largest)), "int32"))
    return (emit(relax.op.maximum(found, relax.const(0, "int32"))),)


EMITTERS: Emitters = {
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    GlobalAvgPool: lambda emit, op, x: (emit(tvm().relax.op.mean(x, axis=[1, 2])),),
    ReduceMean: lambda emit, op, x: (emit(tvm().relax.op.mean(x, [*op.axes], op.keep)),),
    ReduceSum: lambda emit, op, x: (emit(tvm().relax.op.sum(x, [*op.axes], op.keep)),),
    ReduceMax: _reduce_max,
    ArgMax: _argmax,
}
