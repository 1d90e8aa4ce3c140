"""Pools over windows.

A window of more dimensions than two is one over the last two, then one over the others: maxima and
means of full windows are those of their parts.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TypeAlias

import numpy as np

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import real, whole
from mbc.frontends.lowering.rules.moves import reshaped
from mbc.frontends.lowering.rules.reductions import over_map
from mbc.frontends.lowering.rules.windows import Span, Window, spans_of
from mbc.frontends.lowering.tracked import Tracked
from mbc.ops.elementwise import Mul
from mbc.ops.linear import Conv2d
from mbc.ops.pool import AvgPool, MaxPool
from mbc.ops.reduce import ReduceMax, ReduceMean
from mbc.ops.unary import Abs, Pow, Unary

MOST_TAPS = 1024
"""The largest window whose maximum is taken at once: kernels have code for each tap."""

Pooled: TypeAlias = Callable[[Tracked, Window], Tracked]
"""A pool over height and width of an image."""


def max_pool(b: Builder, node: Node) -> Tracked:
    """Maximum over windows, of 1 to 3 dimensions, with ceil_mode and dilations."""
    x, spans = _windowed(b, node)
    if b.reads_more(node):
        raise Unsupported("it also returns the places of the maxima")
    if _is_global(x, spans):
        return over_map(b, ReduceMax(), x)

    return _by_two(b, x, spans, lambda image, window: _maximum(b, image, window))


def average_pool(b: Builder, node: Node) -> Tracked:
    """Mean over windows, of 1 to 3 dimensions, padding counted or not.

    One over the whole map is a global pool."""
    x, spans = _windowed(b, node)
    if _is_global(x, spans):
        return over_map(b, ReduceMean(), x)
    counted = bool(whole(node, "count_include_pad", 0)) and any(
        span.before or span.after > span.overhang for span in spans
    )
    return _by_two(b, x, spans, lambda image, window: _mean(b, image, window, counted=counted))


def _maximum(b: Builder, x: Tracked, window: Window) -> Tracked:
    """Return the maximum over windows of height and width; large ones by columns, then by rows."""
    if prod(window.kernel) > MOST_TAPS and 1 not in window.kernel:
        columns = _maximum(b, x, Window(window.down, Span()))
        return _maximum(b, columns, Window(Span(), window.across))
    op = MaxPool(window.kernel, window.stride, window.pad, window.dilation)
    return b.from_image(b.emit(op, [b.image(x)]), x.rank)


def lp_pool(b: Builder, node: Node) -> Tracked:
    """Norm of each window, of p = 1 or 2; what is padded counts as 0."""
    x, spans = _windowed(b, node)
    x, cells = _powers(b, node, x), prod(span.kernel for span in spans)
    means = _by_two(b, x, spans, lambda image, window: _mean(b, image, window, counted=True))
    return _root(b, node, b.scaled(means, float(cells)))


def global_lp_pool(b: Builder, node: Node) -> Tracked:
    """Norm over the whole map, of p = 1 or 2."""
    x = _powers(b, node, b.input(0))
    means = over_map(b, ReduceMean(), x)
    return _root(b, node, b.scaled(means, float(prod(x.shape[2:]))))


def _powers(b: Builder, node: Node, x: Tracked) -> Tracked:
    degree = real(node, "p", 2.0)
    if degree not in (1, 2):
        raise Unsupported(f"its p is {degree:g}, neither 1 nor 2")
    op: Unary = Abs() if degree == 1 else Pow(2.0)
    x = b.settled(x)
    return x.with_stored(b.emit(op, [x.stored]))


def _root(b: Builder, node: Node, x: Tracked) -> Tracked:
    return x if real(node, "p", 2.0) == 1 else x.with_stored(b.emit(Pow(0.5), [x.stored]))


def _windowed(b: Builder, node: Node) -> tuple[Tracked, tuple[Span, ...]]:
    x = b.input(0)
    if x.rank not in (3, 4, 5):
        raise Unsupported(f"it has {x.rank - 2} dimensions, mbc's have 1 to 3")
    sizes = x.shape[2:]
    return x, spans_of(node, sizes, (1,) * len(sizes))


def _is_global(x: Tracked, spans: tuple[Span, ...]) -> bool:
    return all(span.is_all_of(size) for span, size in zip(spans, x.shape[2:], strict=True))


def _by_two(b: Builder, x: Tracked, spans: tuple[Span, ...], pooled: Pooled) -> Tracked:
    """Pool height and width, and then the depth before them."""
    down = spans[-2] if len(spans) > 1 else Span()
    if len(spans) < 3:
        return pooled(x, Window(down, spans[-1]))
    images, channels, depth, height, width = x.shape
    maps = pooled(
        reshaped(b, x, (images, channels * depth, height, width)), Window(down, spans[-1])
    )
    rows = reshaped(b, maps, (images, channels, depth, prod(maps.shape[2:])))
    made = pooled(rows, Window(spans[0], Span()))
    return reshaped(b, made, (*made.shape[:3], *maps.shape[2:]))


def _mean(b: Builder, x: Tracked, window: Window, *, counted: bool) -> Tracked:
    """Return the mean over windows of height and width."""
    if window.dilation != (1, 1):
        return _dilated_mean(b, x, window, counted=counted)
    padded = counted and window.pad != (0, window.overhang[0], 0, window.overhang[1])
    overhang = window.overhang if padded else (0, 0)
    op = AvgPool(window.kernel, window.stride, window.pad, padded, overhang=overhang)
    return b.from_image(b.emit(op, [b.image(x)]), x.rank)


def _dilated_mean(b: Builder, x: Tracked, window: Window, *, counted: bool) -> Tracked:
    """Return the mean as a convolution with ones, and a product with one over what is counted."""
    image = b.image(x)
    channels = image.type.channels
    ones = np.ones((*window.kernel, 1, channels), np.float32)
    op = Conv2d(window.stride, window.pad, window.dilation, channels)
    sums = b.emit(op, [image, b.constant(f"{b.name}.ones", ones), None])
    down, across = (
        _counts(span, size, counted=counted)
        for span, size in zip((window.down, window.across), image.type.shape[1:3], strict=True)
    )
    shares = 1 / np.multiply.outer(down, across)[None, :, :, None]
    made = b.emit(Mul(), [sums, b.constant(f"{b.name}.shares", shares.astype(np.float32))])
    return b.from_image(made, x.rank)


def _counts(span: Span, size: int, *, counted: bool) -> np.ndarray:
    """Count, for each window along an axis, the taps that are in the map, or its padding too."""
    low, high = (-span.before, size + span.after - span.overhang) if counted else (0, size)
    reach = (span.kernel - 1) * span.dilation + 1
    last = size + span.before + span.after - reach
    starts = np.arange(0, last + 1, span.stride) - span.before
    places = starts[:, None] + np.arange(span.kernel) * span.dilation
    return np.asarray(((places >= low) & (places < high)).sum(axis=1))
