"""Resizes, layer norms and transposed convolutions in random networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from mbc.ir.views import Value
from mbc.ops import LayerNorm, TransposedConv
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


def transposed(maker: Maker, x: Value) -> Value | None:
    """With any filter at least as large as its stride; padding that leaves something."""
    images, height, width, channels = x.type.shape
    stride = (maker.draw(st.integers(1, 3)), maker.draw(st.integers(1, 3)))
    kernel = (stride[0] + maker.draw(st.integers(0, 2)), stride[1] + maker.draw(st.integers(0, 2)))
    more = tuple(maker.draw(st.integers(0, step - 1)) for step in stride)
    full = [(n - 1) * s + k for n, s, k in zip((height, width), stride, kernel, strict=True)]
    pad = tuple(maker.draw(st.integers(0, min(2, (full[i // 2] - 1) // 2))) for i in range(4))
    groups = maker.draw(st.sampled_from([1, 1, channels]))
    depth = kernel[0] * kernel[1] * channels // groups
    most = min(
        maker.macs // (images * height * width * depth),
        maker.limits.elements // (images * full[0] * full[1]),
        maker.limits.weights // depth,
    )
    outputs = min(maker.channels(60), most) // groups * groups
    if not outputs:
        return None
    maker.macs -= images * height * width * depth * outputs
    op = TransposedConv(stride, (pad[0], pad[1], pad[2], pad[3]), (more[0], more[1]), groups)
    bias = maker.constant(outputs) if maker.flip(2) else None
    weight = maker.constant(*kernel, channels // groups, outputs)
    return maker.tail(maker.put(op, x, weight, bias))
