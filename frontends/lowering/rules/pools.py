"""Pools over windows."""

from __future__ import annotations

from mbc.frontends.lowering.builder import IMAGE, Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import whole
from mbc.frontends.lowering.rules.reductions import over_map
from mbc.frontends.lowering.rules.windows import Window, window_of
from mbc.frontends.lowering.tracked import Tracked
from mbc.ops.pool import AvgPool, MaxPool
from mbc.ops.reduce import ReduceMax, ReduceMean
from mbc.ops.window import wider


def max_pool(b: Builder, node: Node) -> Tracked:
    """Maximum over windows, with ceil_mode and dilations."""
    x, window = _windowed(b, node)
    if node.extra_outputs:
        raise Unsupported("it also returns the places of the maxima")
    if window.kernel == x.shape[2:] and not any(window.pad):
        return over_map(b, ReduceMax(), x)
    return _made(b, MaxPool(window.kernel, window.stride, window.pad, window.dilation), x)


def average_pool(b: Builder, node: Node) -> Tracked:
    """Mean over windows, padding counted or not; one over the whole map is a global pool."""
    x, window = _windowed(b, node)
    if window.kernel == x.shape[2:] and not any(window.pad):
        return over_map(b, ReduceMean(), x)
    if window.dilation != (1, 1):
        raise Unsupported("its window is dilated")
    explicit = window.pad != wider((0, 0, 0, 0), window.overhang)
    counted = explicit and bool(whole(node, "count_include_pad", 0))
    overhang = window.overhang if counted else (0, 0)
    op = AvgPool(window.kernel, window.stride, window.pad, counted, overhang=overhang)
    return _made(b, op, x)


def _windowed(b: Builder, node: Node) -> tuple[Tracked, Window]:
    x = b.input(0)
    if x.rank != 4:
        raise Unsupported(f"it has {x.rank - 2} dimensions, mbc's have 2")
    return x, window_of(node, (x.shape[2], x.shape[3]), (1, 1))


def _made(b: Builder, op: MaxPool | AvgPool, x: Tracked) -> Tracked:
    return Tracked.of(b.emit(op, [b.image(x)]), IMAGE)
