"""Activations of sums before they are stored, and maxima, which preserve NaN.

TVM's max and min become fmax and fmin, which lose NaN (OpenCL's max is not even defined for
infinity); so comparisons and selects are used here.
"""

from __future__ import annotations

from math import inf
from typing import assert_never

from mbc.backends.tvm.gpu.tir import Code, Expr, language, spread
from mbc.ir.activations import Activation, Clip, LeakyRelu, Sigmoid


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
        case Sigmoid():
            one = spread(1.0, lanes)
            return one / (one + language().exp(spread(0.0, lanes) - value))
    assert_never(act)


def _clipped(code: Code, value: Expr, act: Clip, lanes: int) -> Expr:
    select = language().Select
    if act.lo > -inf:
        given, least = code.bind(value), spread(act.lo, lanes)
        value = select(given < least, least, given)
    if act.hi < inf:
        given, most = code.bind(value), spread(act.hi, lanes)
        value = select(given > most, most, given)
    return value


def larger(code: Code, a: Expr, b: Expr) -> Expr:
    """Compute max(a, b); b where one is NaN."""
    a, b = code.bind(a), code.bind(b)
    return language().Select(a > b, a, b)


def maximum(code: Code, a: Expr, b: Expr) -> Expr:
    """Compute max(a, b); NaN where one is.

    TVM simplifies a > b to the negation of a <= b, which is wrong for NaN; so neither select's
    condition depends on the other's.
    """
    a, most = code.bind(a), code.bind(larger(code, a, b))
    return language().Select(a <= most, most, a + most)
