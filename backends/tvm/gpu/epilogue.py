"""What happens to sums before they are stored, and maxima: NaN stays.

TVM's max and min become fmax and fmin, which lose it (OpenCL's max does not even define what it
makes of infinity); so here they are comparisons and choices.
"""

from __future__ import annotations

from mbc.backends.tvm.gpu.tir import Code, Expr, language, spread, zero
from mbc.ir.types import Act


def activated(code: Code, value: Expr, act: Act, lanes: int) -> Expr:
    """The activation of a vector."""
    if act == Act.NONE:
        return value
    select, least, most = language().Select, zero(lanes), spread(6.0, lanes)
    given = code.bind(value)
    positive = select(given < least, least, given)
    if act == Act.RELU:
        return positive
    positive = code.bind(positive)
    return select(positive > most, most, positive)


def larger(code: Code, a: Expr, b: Expr) -> Expr:
    """max(a, b); b where one is NaN."""
    a, b = code.bind(a), code.bind(b)
    return language().Select(a > b, a, b)


def maximum(code: Code, a: Expr, b: Expr) -> Expr:
    """max(a, b); NaN where one is. TVM takes a > b for the opposite of a <= b, which it is for
    numbers: so neither choice depends on the other's test."""
    a, most = code.bind(a), code.bind(larger(code, a, b))
    return language().Select(a <= most, most, a + most)
