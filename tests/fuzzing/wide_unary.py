"""Functions of each element in random networks, by the draws of `wide.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from mbc.ir.activations import Sigmoid
from mbc.ir.views import Value
from mbc.ops import Activate
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt

if TYPE_CHECKING:
    from tests.fuzzing.wide import Maker


def unary(maker: Maker, x: Value) -> Value:
    """Of any number; or, where small numbers count, of what lies between 1 and e."""
    if maker.flip(2):
        return maker.put(maker.draw(st.sampled_from([Abs(), Neg()])), x)
    between = maker.put(Exp(), maker.put(Activate(Sigmoid()), x))
    functions = [Log(), Sqrt(), Reciprocal(), Pow(-2.0), Pow(1.5)]
    return maker.put(maker.draw(st.sampled_from(functions)), between)
