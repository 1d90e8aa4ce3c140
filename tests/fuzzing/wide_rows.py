"""Normalisations and products of computed matrices in random networks, by the draws of
`wide.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from mbc.ir.op import Op
from mbc.ir.views import Value
from mbc.ops import InstanceNorm, L2Normalize, LogSoftmax, Lrn, MatMul, Transpose

if TYPE_CHECKING:
    from tests.fuzzing.wide import Maker


def normalised(maker: Maker, x: Value) -> Value:
    """Over the channels, or over images."""
    size, beta = maker.draw(st.integers(1, 9)), maker.draw(st.sampled_from([0.5, 0.75, 1.0]))
    kinds: list[Op] = [LogSoftmax(), L2Normalize(), Lrn(size, 0.01, beta)]
    op = maker.draw(st.sampled_from([*kinds, *([InstanceNorm()] if x.type.rank == 4 else [])]))
    vectors = [maker.constant(x.type.channels) for _ in op.operands[1:]]
    return maker.put(op, x, *vectors)


def squared(maker: Maker, x: Value) -> Value | None:
    """By itself, transposed."""
    *outer, rows, terms = x.type.shape
    size = x.type.elements // terms * rows
    if not outer or size > maker.limits.elements or size * terms > maker.macs or rows > 1000:
        return None
    maker.macs -= size * terms
    last = x.type.rank - 1
    turned = maker.put(Transpose((*range(last - 1), last, last - 1)), x)
    return maker.put(MatMul(), x, turned)
