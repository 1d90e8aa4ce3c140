"""Activations as expressions of Relax."""

from __future__ import annotations

from math import inf, sqrt
from typing import assert_never

from mbc.backends.gelu import GELU_TANH
from mbc.backends.tvm.legal.expressions import Emit, Expr
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


def activated(emit: Emit, x: Expr, act: Activation | None) -> Expr:
    """Apply an activation to x."""
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
