"""Activations, batch norm, arithmetic and softmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mbc.backends.tvm.legal.activations import activated, sloped
from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr, array_of, constant
from mbc.backends.tvm.require import tvm
from mbc.ops import (
    Activate,
    Add,
    BatchNorm,
    Div,
    LayerNorm,
    Max,
    Min,
    Mul,
    Prelu,
    Softmax,
    Sub,
)
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import Arithmetic
from mbc.ops.normalisation import scale_and_shift


def _batch_norm(
    emit: Emit, op: BatchNorm, x: Expr, gamma: Expr, beta: Expr, mean: Expr, variance: Expr
) -> tuple[Expr, ...]:
    vectors = scale_and_shift(op, *map(array_of, (gamma, beta, mean, variance)))
    scale, shift = (constant(vector.astype(np.float32)) for vector in vectors)
    return (emit(tvm().relax.op.add(emit(tvm().relax.op.multiply(x, scale)), shift)),)


def _layer_norm(emit: Emit, op: LayerNorm, x: Expr, gamma: Expr, beta: Expr) -> tuple[Expr, ...]:
    """Emit mean and variance one after the other, since TVM's op subtracts large numbers."""
    relax = tvm().relax
    mean = emit(relax.op.mean(x, axis=[-1], keepdims=True))
    apart = emit(relax.op.subtract(x, mean))
    squares = emit(relax.op.multiply(apart, apart))
    variance = emit(relax.op.mean(squares, axis=[-1], keepdims=True))
    safe = emit(relax.op.add(variance, relax.const(op.epsilon, "float32")))
    scaled = emit(relax.op.divide(apart, emit(relax.op.sqrt(safe))))
    return (emit(relax.op.add(emit(relax.op.multiply(scaled, gamma)), beta)),)


def _arithmetic(emit: Emit, op: Arithmetic, a: Expr, b: Expr) -> tuple[Expr, ...]:
    rank = max(len(a.ty.shape), len(b.ty.shape))
    result = FORMULAS[type(op)](emit, _aligned(emit, a, rank), _aligned(emit, b, rank))
    return (activated(emit, result, op.act),)


def _aligned(emit: Emit, x: Expr, rank: int) -> Expr:
    """Give an operand that is broadcast as many axes as the result has."""
    shape = tuple(int(extent) for extent in x.ty.shape)
    wanted = aligned(shape, rank) or shape
    return x if wanted == shape else emit(tvm().relax.op.reshape(x, wanted))


def larger(emit: Emit, a: Expr, b: Expr) -> Expr:
    """Emit the maximum of each element; NaN propagates."""
    return _chosen(emit, tvm().relax.op.greater, a, b)


def smaller(emit: Emit, a: Expr, b: Expr) -> Expr:
    """Emit the minimum of each element; NaN propagates."""
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
    Min: smaller,
    Max: larger,
    Prelu: sloped,
}


EMITTERS: Emitters = {
    BatchNorm: _batch_norm,
    Activate: lambda emit, op, x: (activated(emit, x, op.act),),
    **dict.fromkeys(FORMULAS, _arithmetic),
    LayerNorm: _layer_norm,
    Softmax: lambda emit, op, x: (emit(tvm().relax.op.nn.softmax(x, axis=-1)),),
}
