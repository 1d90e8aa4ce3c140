"""Moves along any axis in random networks, by the draws of `wide.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from mbc.ir.op import Op
from mbc.ir.views import Value
from mbc.ops import ConcatAlong, DepthToSpace, Gather, Pad, Slice, SpaceToDepth

if TYPE_CHECKING:
    from tests.fuzzing.wide import Maker


def moved(maker: Maker, x: Value) -> Value | None:
    """Some elements of an axis after the batch, more, or others around it; or blocks of pixels."""
    makes = [sliced, joined, padded, gathered, *([blocks] * 2 if x.type.rank == 4 else [])]
    op = maker.draw(st.sampled_from(makes))(maker, x)
    if op is None:
        return None
    operands = [x] * (2 if isinstance(op, ConcatAlong) else 1)
    (result,) = op.infer([value.type for value in operands])
    fits = result.elements <= maker.limits.elements and result.channels <= 1000
    return maker.put(op, *operands) if fits else None


def _axis(maker: Maker, x: Value) -> int:
    return maker.draw(st.integers(min(1, x.type.rank - 1), x.type.rank - 1))


def sliced(maker: Maker, x: Value) -> Op:
    """Any bounds, and steps up to 3."""
    axis = _axis(maker, x)
    extent = x.type.shape[axis]
    start = maker.draw(st.integers(0, extent - 1))
    return Slice(axis, start, maker.draw(st.integers(start + 1, extent)), 1 + maker.flip(3))


def joined(maker: Maker, x: Value) -> Op:
    """With itself."""
    return ConcatAlong(_axis(maker, x))


def padded(maker: Maker, x: Value) -> Op:
    """By zeros, all axes but the batch, mostly few."""
    before, after = (
        (0, *(maker.draw(st.integers(0, 2)) for _ in x.type.shape[1:])) for _ in range(2)
    )
    return Pad(before, after)


def gathered(maker: Maker, x: Value) -> Op:
    """Some elements in any order, or the axis backwards."""
    axis = _axis(maker, x)
    extent = x.type.shape[axis]
    if maker.flip(2):
        return Gather(axis, tuple(reversed(range(min(extent, 64)))))
    some = maker.draw(st.lists(st.integers(0, extent - 1), min_size=1, max_size=8))
    return Gather(axis, tuple(some))


def blocks(maker: Maker, x: Value) -> Op | None:
    """Of 2x2 or 3x3 pixels, where they fit."""
    block = maker.draw(st.sampled_from([2, 2, 3]))
    _, height, width, channels = x.type.shape
    if channels % block**2 == 0 and maker.flip(2):
        return DepthToSpace(block)
    return None if height % block or width % block else SpaceToDepth(block)
