"""What happens to sums before they are stored."""

from __future__ import annotations

from mbc.backends.tvm.gpu.tir import Expr, language, spread, zero
from mbc.ir.types import Act


def activated(value: Expr, act: Act, lanes: int) -> Expr:
    """The activation of a vector."""
    if act == Act.NONE:
        return value
    positive = language().max(value, zero(lanes))
    return positive if act == Act.RELU else language().min(positive, spread(6.0, lanes))
