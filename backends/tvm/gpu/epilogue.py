"""Activations of sums before they are stored, and maxima, which preserve NaN.

TVM's max and min become fmax and fmin, which lose NaN (OpenCL's max is not even defined for
infinity); so comparisons and selects are used here.
"""

from __future__ import annotations

from functools import reduce
from math import inf, log
from typing import assert_never

from mbc.backends.gelu import GELU_LOG2, GELU_MOST, GELU_TANH
from mbc.backends.tvm.gpu.tir import Code, Expr, language, spread
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


def activated(code: Code, value: Expr, act: Activation | None, lanes: int) -> Expr:
    """Apply an activation to a vector."""
    match act:
        case None:
            return value
        case Clip():
            return _clipped(code, value, act, lanes)
        case LeakyRelu(alpha=alpha):
            given = code.bind(value)
            return language().Select(
                given > spread(0.0, lanes), given, given * spread(alpha, lanes)
            )
        case HardSigmoid(alpha=alpha, beta=beta):
            return _clipped_line(code, value, (alpha, beta), lanes)
        case HardSwish():
            given = code.bind(value)
            share = code.bind(_clipped_line(code, given, (1 / 6, 0.5), lanes))
            return _clipped(code, given, Clip(-3.0), lanes) * share
        case _:
            return _smooth(code, value, act, lanes)


def _smooth(code: Code, value: Expr, act: Smooth, lanes: int) -> Expr:
    match act:
        case Sigmoid():
            return _logistic(value, lanes)
        case Silu():
            given = code.bind(value)
            return _clipped(code, given, Clip(-LARGE), lanes) * _logistic(given, lanes)
        case Tanh():
            return language().tanh(value)
        case Gelu() | GeluTanh():
            return _gelu(code, value, act, lanes)
        case Elu(alpha=alpha):
            given = code.bind(value)
            below = (language().exp(given) - spread(1.0, lanes)) * spread(alpha, lanes)
            return language().Select(given > spread(0.0, lanes), given, below)
        case Selu(alpha=alpha, gamma=gamma):
            given = code.bind(value)
            below = (language().exp(given) - spread(1.0, lanes)) * spread(alpha * gamma, lanes)
            above = given * spread(gamma, lanes)
            return language().Select(given > spread(0.0, lanes), above, below)
        case Softplus():
            return _softplus(code, value, lanes)
        case Mish():
            return _mish(code, value, lanes)
    assert_never(act)


def _softplus(code: Code, value: Expr, lanes: int) -> Expr:
    """max(x, 0) + log(1 + u), u = exp(-|x|): log(1 + u) = log(w) u / (w - 1), w = 1 + u rounded."""
    given, one = code.bind(value), spread(1.0, lanes)
    none = spread(0.0, lanes)
    u = code.bind(language().exp(language().Select(given > none, none - given, given)))
    whole = code.bind(u + one)
    log = language().Select(whole > one, language().log(whole) * (u / (whole - one)), u)
    return _clipped(code, given, Clip(0.0), lanes) + log


def _mish(code: Code, value: Expr, lanes: int) -> Expr:
    """x a / (a + 2), a = u (u + 2), u = exp(x); x above 20, where that is all."""
    given, two = code.bind(value), spread(2.0, lanes)
    u = code.bind(language().exp(_clipped(code, given, Clip(hi=20.0), lanes)))
    part = code.bind(u * (u + two))
    return _clipped(code, given, Clip(-LARGE), lanes) * (part / (part + two))


def _clipped(code: Code, value: Expr, act: Clip, lanes: int) -> Expr:
    select = language().Select
    if act.lo > -inf:
        given, least = code.bind(value), spread(act.lo, lanes)
        value = select(given < least, least, given)
    if act.hi < inf:
        given, most = code.bind(value), spread(act.hi, lanes)
        value = select(given > most, most, given)
    return value


def _logistic(x: Expr, lanes: int) -> Expr:
    one = spread(1.0, lanes)
    return one / (one + language().exp(spread(0.0, lanes) - x))


def _gelu(code: Code, value: Expr, act: Gelu | GeluTanh, lanes: int) -> Expr:
    """max(x, 0) - |x| g(|x|), where g is what is left to 1."""
    given, none = code.bind(value), spread(0.0, lanes)
    size = language().Select(given < none, none - given, given)
    size = code.bind(_clipped(code, size, Clip(hi=GELU_MOST), lanes))
    if isinstance(act, GeluTanh):
        linear, cubic = (spread(number, lanes) for number in GELU_TANH)
        rest = _logistic(none - size * (linear + size * size * cubic), lanes)
    else:
        terms = [spread(log(2) * c, lanes) for c in reversed(GELU_LOG2)]
        rest = language().exp(reduce(lambda sum, term: sum * size + term, terms))
    return _clipped(code, given, Clip(0.0), lanes) - size * rest


def _clipped_line(code: Code, value: Expr, line: tuple[float, float], lanes: int) -> Expr:
    slope, offset = (spread(number, lanes) for number in line)
    return _clipped(code, value * slope + offset, Clip(0.0, 1.0), lanes)


def larger(code: Code, a: Expr, b: Expr) -> Expr:
    """Compute max(a, b); b where one is NaN."""
    a, b = code.bind(a), code.bind(b)
    return language().Select(a > b, a, b)


def minimum(code: Code, a: Expr, b: Expr) -> Expr:
    """Compute min(a, b); NaN where one is."""
    select, a, b = language().Select, code.bind(a), code.bind(b)
    least = code.bind(select(a < b, a, b))
    return select(a >= least, least, a + least)


def maximum(code: Code, a: Expr, b: Expr) -> Expr:
    """Compute max(a, b); NaN where one is.

    TVM simplifies a > b to the negation of a <= b, which is wrong for NaN; so neither select's
    condition depends on the other's.
    """
    a, most = code.bind(a), code.bind(larger(code, a, b))
    return language().Select(a <= most, most, a + most)
