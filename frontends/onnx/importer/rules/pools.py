"""Pools, over windows and over the whole map."""

from __future__ import annotations

import numpy as np

from mbc.frontends.onnx.importer.builder import IMAGE, Builder
from mbc.frontends.onnx.importer.model import OnnxNode
from mbc.frontends.onnx.importer.problems import Unsupported
from mbc.frontends.onnx.importer.rules.attributes import axis_of, whole
from mbc.frontends.onnx.importer.rules.windows import Window, window_of
from mbc.frontends.onnx.importer.tracked import CHANNEL, Tracked
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool


def max_pool(b: Builder, node: OnnxNode) -> Tracked:
    """Maximum over windows, with ceil_mode; dilations are not supported."""
    x, window = _windowed(b, node)
    if node.extra_outputs:
        raise Unsupported("it also returns the places of the maxima")
    return _made(b, MaxPool(window.kernel, window.stride, window.pad), x)


def average_pool(b: Builder, node: OnnxNode) -> Tracked:
    """Mean over windows, padding counted or not; one over the whole map is a global pool."""
    x, window = _windowed(b, node)
    if window.kernel == x.shape[2:] and not any(window.pad):
        return _global(b, x)
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


def global_average_pool(b: Builder, node: OnnxNode) -> Tracked:
    """Mean over height and width; the result is kept as [n,c]."""
    x = b.input(0)
    if x.rank != 4:
        raise Unsupported(f"it has {x.rank - 2} dimensions, mbc's have 2")
    return _global(b, x)


def _global(b: Builder, x: Tracked) -> Tracked:
    return _mean(b, x, {2, 3}, keep=True)


def reduce_mean(b: Builder, node: OnnxNode) -> Tracked:
    """Mean over height and width of an image, with or without keepdims."""
    x = b.input(0)
    given = b.optional_input(1, "axes")
    listed = node.attributes.get("axes", ()) if given is None else given.ravel().tolist()
    axes = {axis_of(node, int(axis), x.rank) for axis in listed}
    if not axes and whole(node, "noop_with_empty_axes", 0):
        return x
    axes = axes or {*range(x.rank)}
    return _mean(b, x, axes, keep=bool(whole(node, "keepdims", 1)))


def _mean(b: Builder, x: Tracked, axes: set[int], *, keep: bool) -> Tracked:
    """Mean over the spatial axes of what is stored, which must be those of x."""
    reduced = {factor for axis in axes for factor in x.axes[axis]}
    if reduced or (x.type.rank == 4 and {2, 3} <= axes):
        x = _pooled(b, x, reduced)
    kept = [
        () if axis in axes else factors
        for axis, factors in enumerate(x.axes)
        if keep or axis not in axes
    ]
    return Tracked(x.stored, tuple(kept), x.channels)


def _pooled(b: Builder, x: Tracked, reduced: set[int]) -> Tracked:
    spatial = {axis for axis in (1, 2) if x.type.rank == 4 and x.type.shape[axis] > 1}
    if CHANNEL in reduced or reduced != spatial:
        raise Unsupported("it is not over height and width alone")
    x = b.settled(x)
    pooled = b.emit(GlobalAvgPool(), [x.stored])
    channels = np.arange(x.channels.size).reshape(x.channels.shape)
    return Tracked(pooled, x.axes, channels)
