"""Means, maxima and sums over any axes, argmax, and pools over the whole map."""

from __future__ import annotations

import numpy as np

from mbc.frontends.lowering.builder import Builder, stored_order
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import axis_of, whole
from mbc.frontends.lowering.tracked import CHANNEL, Tracked
from mbc.ops.argmax import ArgMax
from mbc.ops.pool import GlobalAvgPool
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean, ReduceSum
from mbc.ops.unary import Neg


def global_average_pool(b: Builder, node: Node) -> Tracked:
    """Mean over height and width; the result is kept as [n,c]."""
    return over_map(b, ReduceMean(), b.input(0))


def global_max_pool(b: Builder, node: Node) -> Tracked:
    """Maximum over height and width; the result is kept as [n,c]."""
    return over_map(b, ReduceMax(), b.input(0))


def over_map(b: Builder, op: Reduce, x: Tracked) -> Tracked:
    """Reduce all axes after the channels to extent 1: height and width of an image."""
    if x.rank < 3:
        raise Unsupported(f"it reads {x.rank} axes, where an image has 4")
    return reduced(b, op, x, {*range(2, x.rank)}, keep=True)


def reduce_mean(b: Builder, node: Node) -> Tracked:
    """Mean over any axes; over height and width of an image it moves no data."""
    return _over_axes(b, node, ReduceMean())


def reduce_max(b: Builder, node: Node) -> Tracked:
    """Maximum over any axes."""
    return _over_axes(b, node, ReduceMax())


def reduce_min(b: Builder, node: Node) -> Tracked:
    """Minimum over any axes: that of -x is the negative maximum."""
    x = b.settled(b.input(0))
    least = _over_axes(b, node, ReduceMax(), x.with_stored(b.emit(Neg(), [x.stored])))
    return least.with_stored(b.emit(Neg(), [least.stored]))


def reduce_sum(b: Builder, node: Node) -> Tracked:
    """Sum over any axes."""
    return _over_axes(b, node, ReduceSum())


def argmax(b: Builder, node: Node) -> Tracked:
    """Index of the first of the largest along an axis, int64 as int32."""
    if whole(node, "select_last_index", 0):
        raise Unsupported("it takes the last of equal elements, mbc's the first")
    x = b.settled(b.input(0))
    axis, keep = axis_of(node, whole(node, "axis", 0), x.rank), whole(node, "keepdims", 1)
    if not keep and x.rank == 1:
        raise Unsupported("its result has no axes", "export it with keepdims=1")
    along = _stored_axes(x, {axis})
    if len(along) != 1 or len(x.axes[axis]) != 1 or _cuts_channels(x, {axis}):
        x = b.in_order(x)
        along = (stored_order(x.rank).index(axis),)
    kept = b.emit(ArgMax(along[0], keep=True), [x.stored])
    left = [() if a == axis else factors for a, factors in enumerate(x.axes) if keep or a != axis]
    channels = np.zeros((), np.int64) if x.type.rank - 1 in along else x.channels
    return Tracked(kept, tuple(left), channels)


def _over_axes(b: Builder, node: Node, op: Reduce, x: Tracked | None = None) -> Tracked:
    x = b.input(0) if x is None else x
    given = b.optional_input(1, "axes")
    listed = node.attributes.get("axes", ()) if given is None else given.ravel().tolist()
    axes = {axis_of(node, int(axis), x.rank) for axis in listed}
    if not axes and whole(node, "noop_with_empty_axes", 0):
        return x
    return reduced(b, op, x, axes or {*range(x.rank)}, keep=bool(whole(node, "keepdims", 1)))


def reduced(b: Builder, op: Reduce, x: Tracked, axes: set[int], *, keep: bool) -> Tracked:
    """Reduce ONNX axes: stored ones where they are whole, else after storing x in its own order."""
    x = b.settled(x)
    if _cuts_channels(x, axes):
        x = b.in_order(x)
    stored = _stored_axes(x, axes)
    if stored or ({2, 3} <= axes and x.type.rank == 4 and _spatial(x) == ()):
        x = _emitted(b, op, x, stored)
    left = [
        () if axis in axes else factors
        for axis, factors in enumerate(x.axes)
        if keep or axis not in axes
    ]
    return Tracked(x.stored, tuple(left), x.channels)


def _cuts_channels(x: Tracked, axes: set[int]) -> bool:
    """Whether some axes of the channels are reduced, and others not."""
    along = {axis for axis, factors in enumerate(x.axes) if CHANNEL in factors}
    return bool(along & axes) and bool(along - axes)


def _stored_axes(x: Tracked, axes: set[int]) -> tuple[int, ...]:
    """Return the stored axes that ONNX axes run along; none has extent 1."""
    factors = {factor for axis in axes for factor in x.axes[axis]}
    return tuple(sorted(x.type.rank - 1 if f == CHANNEL else f for f in factors))


def _spatial(x: Tracked) -> tuple[int, ...]:
    """Return height and width of a stored image, but for extents of 1."""
    return tuple(axis for axis in (1, 2) if x.type.shape[axis] > 1)


def _emitted(b: Builder, op: Reduce, x: Tracked, stored: tuple[int, ...]) -> Tracked:
    """Reduce stored axes, which stay with extent 1; an image becomes [n,c] where it can."""
    if x.type.rank == 4 and stored == _spatial(x):
        over: Reduce | GlobalAvgPool = type(op)((1, 2))
        pooled = b.emit(GlobalAvgPool() if isinstance(op, ReduceMean) else over, [x.stored])
        return Tracked(pooled, x.axes, np.arange(x.channels.size).reshape(x.channels.shape))
    kept = b.emit(type(op)(stored, keep=True), [x.stored])
    channels = np.zeros((), np.int64) if x.type.rank - 1 in stored else x.channels
    return Tracked(kept, x.axes, channels)
