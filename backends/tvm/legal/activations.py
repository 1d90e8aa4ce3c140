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
    Mish,
    Selu,
    Sigmoid,
    Silu,
    Smooth,
    Softplus,
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
        case HardSigmoid(alpha=alpha, beta=beta):
            return _clipped_line(emit, x, alpha, beta)
        case HardSwish():
            share = _clipped_line(emit, x, 1 / 6, 0.5)
            return emit(tvm().relax.op.multiply(_clipped(emit, x, Clip(-3.0)), share))
        case _:
            return _smooth(emit, x, act)


def _smooth(emit: Emit, x: Expr, act: Smooth) -> Expr:
    match act:
        case Sigmoid():
            return emit(tvm().relax.op.sigmoid(x))
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
            return _above(emit, x, x, _line(emit, emit(tvm().relax.op.exp(x)), alpha, -alpha))
        case Selu(alpha=alpha, gamma=gamma):
            scale = alpha * gamma
            below = _line(emit, emit(tvm().relax.op.exp(x)), scale, -scale)
            return _above(emit, x, _line(emit, x, gamma, 0.0), below)
        case Softplus():
            return _softplus(emit, x)
        case Mish():
            return _mish(emit, x)
    assert_never(act)


def sloped(emit: Emit, x: Expr, slope: Expr) -> Expr:
    """Multiply what is not above 0."""
    return _above(emit, x, x, emit(tvm().relax.op.multiply(x, slope)))


def _above(emit: Emit, x: Expr, above: Expr, below: Expr) -> Expr:
    """Choose by whether x is above 0."""
    op, const = tvm().relax.op, tvm().relax.const
    return emit(op.where(emit(op.greater(x, const(0.0, "float32"))), above, below))


def _softplus(emit: Emit, x: Expr) -> Expr:
    """max(x, 0) + log(1 + u), u = exp(-|x|): log(1 + u) = log(w) u / (w - 1), w = 1 + u rounded."""
    op, one = tvm().relax.op, tvm().relax.const(1.0, "float32")
    u = emit(op.exp(emit(op.negative(emit(op.abs(x))))))
    whole = emit(op.add(u, one))
    ratio = emit(op.divide(u, emit(op.subtract(whole, one))))
    log = emit(op.multiply(emit(op.log(whole)), ratio))
    log = emit(op.where(emit(op.equal(whole, one)), u, log))
    return emit(op.add(_clipped(emit, x, Clip(0.0)), log))


def _mish(emit: Emit, x: Expr) -> Expr:
    """x a / (a + 2), a = u (u + 2), u = exp(x); x above 20, where that is all."""
    op, two = tvm().relax.op, tvm().relax.const(2.0, "float32")
    u = emit(op.exp(_clipped(emit, x, Clip(hi=20.0))))
    part = emit(op.multiply(u, emit(op.add(u, two))))
    return _shared(emit, x, emit(op.divide(part, emit(op.add(part, two)))))


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
