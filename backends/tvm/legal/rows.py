"""Normalisations over channels or images, and products of computed matrices."""

from __future__ import annotations

from functools import reduce

from mbc.backends.tvm.legal.elementwise import larger
from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr
from mbc.backends.tvm.require import tvm
from mbc.ops.matmul import MatMul
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn


def _l2_normalize(emit: Emit, op: L2Normalize, x: Expr) -> tuple[Expr, ...]:
    relax = tvm().relax
    total = emit(relax.op.sum(emit(relax.op.multiply(x, x)), axis=[-1], keepdims=True))
    norm = larger(emit, emit(relax.op.sqrt(total)), relax.const(op.epsilon, "float32"))
    return (emit(relax.op.divide(x, norm)),)


def _instance_norm(
    emit: Emit, op: InstanceNorm, x: Expr, gamma: Expr, beta: Expr
) -> tuple[Expr, ...]:
    relax = tvm().relax
    rest = emit(relax.op.subtract(x, emit(relax.op.mean(x, axis=[1, 2], keepdims=True))))
    squares = emit(relax.op.multiply(rest, rest))
    variance = emit(relax.op.mean(squares, axis=[1, 2], keepdims=True))
    raised = emit(relax.op.add(variance, relax.const(op.epsilon, "float32")))
    unit = emit(relax.op.divide(rest, emit(relax.op.sqrt(raised))))
    return (emit(relax.op.add(emit(relax.op.multiply(unit, gamma)), beta)),)


def _lrn(emit: Emit, op: Lrn, x: Expr) -> tuple[Expr, ...]:
    """By slices of padded squares."""
    relax, shape = tvm().relax, [int(extent) for extent in x.ty.shape]
    axis, channels = len(shape) - 1, shape[-1]
    before, after = op.reach(channels)
    widths = [*[0] * (2 * axis), before, after]
    squares = emit(relax.op.nn.pad(emit(relax.op.multiply(x, x)), widths))
    taps = (
        emit(relax.op.strided_slice(squares, [axis], [start], [start + channels]))
        for start in range(before + 1 + after)
    )
    total = reduce(lambda a, b: emit(relax.op.add(a, b)), taps)
    alpha, bias, beta = (relax.const(v, "float32") for v in (op.alpha / op.size, op.bias, op.beta))
    base = emit(relax.op.add(emit(relax.op.multiply(total, alpha)), bias))
    return (emit(relax.op.divide(x, emit(relax.op.power(base, beta)))),)


EMITTERS: Emitters = {
    LogSoftmax: lambda emit, op, x: (emit(tvm().relax.op.nn.log_softmax(x, axis=-1)),),
    L2Normalize: _l2_normalize,
    InstanceNorm: _instance_norm,
    Lrn: _lrn,
    MatMul: lambda emit, op, a, b: (emit(tvm().relax.op.matmul(a, b)),),
}
