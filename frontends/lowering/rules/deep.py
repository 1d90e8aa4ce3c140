"""Convolutions in three dimensions: sums of those in two, over the taps along the depth."""

from __future__ import annotations

from math import prod

import numpy as np

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import whole
from mbc.frontends.lowering.rules.windows import Span, Window, spans_of
from mbc.frontends.lowering.tracked import Tracked
from mbc.ir.graph import Constant
from mbc.ir.views import ChannelView
from mbc.ops.elementwise import Add
from mbc.ops.grid import Pad, Slice
from mbc.ops.linear import Conv2d
from mbc.ops.window import window_extent

VOLUME = (0, 2, 3, 4, 1)
"""The axes [n,c,d,h,w] with channels last."""


def deep_conv(
    b: Builder, node: Node, x: Tracked, weight: np.ndarray, bias: Constant | None
) -> Tracked:
    """Return the convolution of [n,c,d,h,w] with [o,c/g,d,h,w]."""
    depth, *window = spans_of(node, x.shape[2:], weight.shape[2:])
    if (depth.kernel, *(span.kernel for span in window)) != weight.shape[2:]:
        raise Unsupported("its kernel_shape is not that of the weight")
    over = Window(window[0], window[1])
    op = Conv2d(over.stride, over.pad, over.dilation, whole(node, "group", 1))
    padded, total = _padded(b, b.arranged(x, VOLUME), depth), None
    for tap in range(depth.kernel):
        layers = _layers(b, padded, depth, tap)
        images = b.reshaped(layers, (prod(layers.type.shape[:2]), *layers.type.shape[2:]))
        filters = b.constant(node.input(1), weight[:, :, tap].transpose(2, 3, 1, 0))
        part = b.emit(op, [images, filters, None if tap else bias])
        total = part if total is None else b.emit(Add(), [total, part])
    assert total is not None  # a kernel has a tap
    count, *rest = total.type.shape
    return Tracked.of(b.reshaped(total, (x.shape[0], count // x.shape[0], *rest)), VOLUME)


def _padded(b: Builder, x: ChannelView, depth: Span) -> ChannelView:
    """Add layers of zeros before and after."""
    if not (depth.before or depth.after):
        return x
    return b.emit(Pad((0, depth.before, 0, 0, 0), (0, depth.after, 0, 0, 0)), [x])


def _layers(b: Builder, x: ChannelView, depth: Span, tap: int) -> ChannelView:
    """Return the layers that a tap reads."""
    first, size = tap * depth.dilation, x.type.shape[1]
    count = window_extent(size, depth.kernel, depth.stride, 0, depth.dilation)
    if count < 1:
        raise Unsupported("its result is empty")
    stop = first + (count - 1) * depth.stride + 1
    whole_axis = (first, stop, depth.stride) == (0, size, 1)
    return x if whole_axis else b.emit(Slice(1, first, stop, depth.stride), [x])
