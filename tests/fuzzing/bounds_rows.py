"""Errors of functions of each element, of normalisations, and of products of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from mbc.ir.op import Op
from mbc.ops.matmul import MatMul
from mbc.ops.rows import InstanceNorm, LogSoftmax, Lrn
from mbc.ops.unary import Abs, Exp, Neg, Unary
from tests.fuzzing.known import EXPONENTIAL, UNDERFLOW, Array, Known, call, rounding, summed


def _unary(op: Unary, x: Known) -> Known:
    """By what the function makes of the least that x may be: all but exp are steepest there, as far
    as numbers that are drawn go."""
    exact = call(op, x.exact)
    match op:
        case Abs() | Neg():
            return Known(exact, x.error, x.terms, x.count, x.unit)
        case Exp():
            relative = np.expm1(np.minimum(x.error, 50.0)) + EXPONENTIAL * (1 + np.abs(x.exact))
            return Known(exact, relative * exact + UNDERFLOW, exact)
    least = x.exact - x.error
    carried = np.abs(call(op, np.maximum(least, 0)) - exact)
    rounded = EXPONENTIAL * (1 + np.abs(exact))
    return Known(exact, np.where(least > 0, 2 * carried + rounded, np.inf), np.abs(exact))


def further(op: Op, given: Sequence[Known]) -> Known:
    """The result of one of them."""
    match op:
        case Unary():
            return _unary(op, given[0])
        case MatMul():
            a, b = given
            exact, carried = a.exact @ b.exact, a.error @ b.most + a.most @ b.error
            count = a.exact.shape[-1] + max(a.count, b.count)
            return summed(op, exact, carried, a.most @ b.most, count, a.unit * b.unit)
        case InstanceNorm():
            return _instance_norm(op, *given)
        case Lrn():
            return _lrn(op, given[0])
    x = given[0]
    exact, terms = call(op, x.exact), x.exact.shape[-1]
    if isinstance(op, LogSoftmax):
        below = x.exact.max(axis=-1, keepdims=True) - x.exact
        off = x.error + x.error.max(axis=-1, keepdims=True)
        rounded = EXPONENTIAL * (1 + below) + rounding(terms) + rounding(4) * np.abs(x.exact)
        return Known(exact, off + rounded, np.abs(exact))
    norm, off = (np.sqrt((p * p).sum(axis=-1, keepdims=True)) for p in (x.exact, x.error))
    with np.errstate(divide="ignore"):
        relative = 3 * (x.error + off) / norm + rounding(terms)
    return Known(exact, np.where(norm > 4 * off, relative, np.inf), np.abs(exact))


def _lrn(op: Lrn, x: Known) -> Known:
    """What errors of the squares make of the divisor, and its own rounding, which grows with its
    logarithm."""
    exact, base = call(op, x.exact), op.bias + _around(op, x.exact**2)
    off = (_around(op, x.most**2 - x.exact**2) + rounding(op.size) * base) / base
    relative = 2 * max(op.beta, 1.0) * off + EXPONENTIAL * (1 + op.beta * np.abs(np.log(base)))
    error = (x.error + x.most * relative) * base**-op.beta
    return Known(exact, np.where(off < 0.1, error, np.inf), np.abs(exact))


def _around(op: Lrn, x: Array) -> Array:
    """The sums over neighbouring channels, times alpha / size."""
    channels, reach = x.shape[-1], op.reach(x.shape[-1])
    padded = np.pad(x, [*[(0, 0)] * (x.ndim - 1), reach])
    taps = (padded[..., start : start + channels] for start in range(1 + sum(reach)))
    return sum(taps, np.zeros_like(x)) * (op.alpha / op.size)


def _instance_norm(op: InstanceNorm, x: Known, gamma: Known, beta: Known) -> Known:
    exact = call(op, x.exact, gamma.exact, beta.exact)
    deviation = np.sqrt(x.exact.var(axis=(1, 2), keepdims=True) + op.epsilon)
    off = 2 * x.error.max(axis=(1, 2), keepdims=True)
    off = off + rounding(prod(x.exact.shape[1:3])) * x.most.max(axis=(1, 2), keepdims=True)
    unit = np.abs(x.exact - x.exact.mean(axis=(1, 2), keepdims=True)) / deviation
    error = np.abs(gamma.exact) * off / deviation * (3 + 3 * unit)
    error = error + rounding(4) * (np.abs(exact) + np.abs(beta.exact))
    return Known(exact, np.where(deviation > 4 * off, error, np.inf), np.abs(exact))
