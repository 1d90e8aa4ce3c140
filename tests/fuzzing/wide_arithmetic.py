"""Arithmetic in random networks, by the draws of `wide.py`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from mbc.ir.activations import Sigmoid
from mbc.ir.graph import Constant
from mbc.ir.views import Value
from mbc.ops import Activate, Add, Div, GlobalAvgPool, Max, Min, Mul, Prelu, Sub
from tests.fuzzing.axes import still

if TYPE_CHECKING:
    from tests.fuzzing.wide import Maker


def arithmetic(maker: Maker, x: Value) -> Value:
    """With a constant of any form, on either side; nothing is divided by what may be zero."""
    form = _form(maker, x)
    op = maker.draw(st.sampled_from([Add(), Sub(), Mul(), Div(), Min(), Max(), Prelu()]))
    operands: list[Value | Constant] = [x, maker.constant(*form)]
    if not isinstance(op, Div | Prelu) and maker.flip(2):
        operands.reverse()
    return maker.put(op, *operands)


def _form(maker: Maker, x: Value) -> tuple[int, ...]:
    """A shape that broadcasts to that of a value."""
    whole, channels = x.type.shape, x.type.channels
    forms = [(channels,), (1,), (whole[0], channels), (whole[0], 1)]
    forms.append(tuple(maker.draw(st.sampled_from([1, extent])) for extent in whole))
    return maker.draw(st.sampled_from([f for f in forms if prod(f) <= maker.limits.weights]))


def gated(maker: Maker, x: Value) -> Value | None:
    """Scaled by numbers from 0 to 1: of each channel of an image, or of each pixel."""
    if x.type.rank != 4:
        return None
    if maker.flip(2):
        gate = maker.put(GlobalAvgPool(), x)
    else:
        _, height, width, _ = x.type.shape
        map = maker.convolved(x, still(height), still(width), 1, 1)
        if map is None:
            return None
        gate = map
    operands = [x, maker.put(Activate(Sigmoid()), gate)]
    return maker.put(maker.draw(st.sampled_from([Mul(), Sub(), Min(), Max(), Prelu()])), *operands)


def squeezed(maker: Maker, x: Value) -> Value | None:
    """Squeeze-and-excitation between a depthwise convolution and a pointwise one."""
    map = maker.depthwise(x)
    if map is None:
        return None
    gate = maker.put(Activate(Sigmoid()), maker.put(GlobalAvgPool(), map))
    pair = maker.draw(st.permutations([map, gate]))
    return maker.pointwise(maker.put(Mul(), *pair))


def add(maker: Maker, x: Value) -> Value:
    """Of what has the same shape, or what is given it."""
    other = maker.draw(st.sampled_from(maker.like(x)))
    if other.type != x.type and x.type.rank == 4:
        other = maker.pointwise(other, x.type.channels) or x
    return maker.put(Add(), x, other if other.type == x.type else x)
