"""Pools over windows."""

from __future__ import annotations

from mbc.frontends.onnx.importer.builder import IMAGE, Builder
from mbc.frontends.onnx.importer.model import OnnxNode
from mbc.frontends.onnx.importer.problems import Unsupported
from mbc.frontends.onnx.importer.rules.attributes import whole
from mbc.frontends.onnx.importer.rules.reductions import over_map
from mbc.frontends.onnx.importer.rules.windows import Window, window_of
from mbc.frontends.onnx.importer.tracked import Tracked
from mbc.ops.pool import AvgPool, MaxPool
from mbc.ops.reduce import ReduceMax, ReduceMean


def max_pool(b: Builder, node: OnnxNode) -> Tracked:
    """Maximum over windows, with ceil_mode; dilations are not supported."""
    x, window = _windowed(b, node)
    if node.extra_outputs:
        raise Unsupported("it also returns the places of the maxima")
    if window.kernel == x.shape[2:] and not any(window.pad):
        return over_map(b, ReduceMax(), x)
    return _made(b, MaxPool(window.kernel, window.stride, window.pad), x)


def average_pool(b: Builder, node: OnnxNode) -> Tracked:
    """Mean over windows, padding counted or not; one over the whole map is a global pool."""
    x, window = _windowed(b, node)
    if window.kernel == x.shape[2:] and not any(window.pad):
        return over_map(b, ReduceMean(), x)
    counted = bool(whole(node, "count_include_pad", 0)) and any(window.pad)
    if counted and window.beyond:
        raise Unsupported("it counts padding and rounds extents up (ceil_mode)")
    return _made(b, AvgPool(window.kernel, window.stride, window.pad, counted), x)


def _windowed(b: Builder, node: OnnxNode) -> tuple[Tracked, Window]:
    x = b.input(0)
    if x.rank != 4:
        raise Unsupported(f"it has {x.rank - 2} dimensions, mbc's have 2")
    window = window_of(node, (x.shape[2], x.shape[3]), (1, 1))
    if window.dilation != (1, 1):
        raise Unsupported("its window is dilated")
    return x, window


def _made(b: Builder, op: MaxPool | AvgPool, x: Tracked) -> Tracked:
    return Tracked.of(b.emit(op, [b.image(x)]), IMAGE)
