"""Resizes and layer norms in random networks, by the draws of `wide.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from mbc.ir.views import Value
from mbc.ops import LayerNorm
from mbc.ops.resize import COORDINATES, ROUNDINGS, Resize

if TYPE_CHECKING:
    from tests.fuzzing.wide import Maker


def layer_norm(maker: Maker, x: Value) -> Value:
    """With an epsilon that is large enough for pixels of equal channels."""
    epsilon = maker.draw(st.sampled_from([1e-3, 1e-1]))
    vectors = [maker.constant(x.type.channels) for _ in range(2)]
    return maker.put(LayerNorm(epsilon), x, *vectors)


def resized(maker: Maker, x: Value) -> Value | None:
    """To any height and width, or to multiples."""
    if x.type.rank != 4:
        return None
    images, height, width, channels = x.type.shape
    if maker.flip(2):
        factor = maker.draw(st.integers(2, 4))
        size = (height * factor, width * factor)
    else:
        size = (maker.side(), maker.side())
    if images * size[0] * size[1] * channels > maker.limits.elements:
        return None
    grid = maker.draw(st.sampled_from(COORDINATES))
    if maker.flip(2):
        return maker.put(Resize(size, "bilinear", grid), x)
    return maker.put(Resize(size, "nearest", grid, maker.draw(st.sampled_from(ROUNDINGS))), x)
