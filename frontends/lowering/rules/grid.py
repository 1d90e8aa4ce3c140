"""Moves along axes that are not channels, pads, and blocks of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

import numpy as np

from mbc.frontends.lowering.builder import IMAGE, Builder, stored_order
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import axis_of, text, whole
from mbc.frontends.lowering.tracked import CHANNEL, Tracked
from mbc.ir.op import Op
from mbc.ir.views import ChannelView
from mbc.ops.grid import MIRRORS, ConcatAlong, DepthToSpace, Gather, Pad, Slice, SpaceToDepth
from mbc.ops.move import ChannelShuffle, Concat


def taken(b: Builder, x: Tracked, axis: int, indices: np.ndarray, *, keep: bool) -> Tracked:
    """Select indices along an ONNX axis: of channels by a view, of others by a slice,
    or a gather where they have no regular order or some come several times."""
    if keep and np.array_equal(indices, np.arange(x.shape[axis])):
        return x
    if x.along(axis) is not None and len({*indices.tolist()}) < indices.size:
        return _repeated(b, x, axis, indices)
    if x.along(axis) is None and len(x.axes[axis]) > 1:
        x = b.in_order(x)
    array = x.along(axis)
    if array is not None:
        return x.with_channels(axis, np.take(array, indices, axis=x.place(axis)), keep=keep)
    steps = {*np.diff(indices).tolist()} or {1}
    (place,) = x.axes[axis]
    op: Op = Slice(place, int(indices[0]), int(indices[-1]) + 1, min(steps))
    if len(steps) > 1 or min(steps) < 1:
        op = Gather(place, tuple(indices.tolist()))
    own = (place,) if indices.size > 1 else ()
    middle = (own,) if keep else ()
    axes = (*x.axes[:axis], *middle, *x.axes[axis + 1 :])
    return Tracked(b.emit(op, [x.stored]), axes, x.channels)


def _repeated(b: Builder, x: Tracked, axis: int, indices: np.ndarray) -> Tracked:
    """Select channels, some of them several times."""
    order = stored_order(x.rank)
    op = Gather(order.index(axis), tuple(indices.tolist()))
    return Tracked.of(b.emit(op, [b.arranged(x, order)]), order)


def joined_along(b: Builder, parts: Sequence[Tracked], axis: int) -> Tracked:
    """Concatenate settled values along any ONNX axis."""
    first = parts[0]
    if len(first.axes[axis]) == 1 and all(_is_alike(part, first, axis) for part in parts):
        (place,) = first.axes[axis]
        return first.with_stored(_joined(b, parts, place % first.type.rank))
    parts = [b.in_order(part) for part in parts]
    order = stored_order(parts[0].rank)
    return Tracked.of(_joined(b, parts, order.index(axis)), order)


def _is_alike(part: Tracked, first: Tracked, axis: int) -> bool:
    """Whether two values are stored alike, but for the extent of an axis that is no channel's."""
    return part.axes == first.axes and CHANNEL not in first.axes[axis]


def _joined(b: Builder, parts: Sequence[Tracked], place: int) -> ChannelView:
    stored = [part.stored for part in parts]
    op = Concat() if place == parts[0].type.rank - 1 else ConcatAlong(place)
    return b.emit(op, stored)


def pad(b: Builder, node: Node) -> Tracked:
    """Constant numbers around any axes, which windows do themselves, or by reflection or edge."""
    x = b.input(0)
    if (mode := text(node, "mode", "constant")) not in ("constant", *MIRRORS):
        raise Unsupported(f"its mode is {mode}")
    pads, axes = b.required_input(1, "padding").ravel(), b.optional_input(3, "axes")
    on = range(x.rank) if axes is None else [axis_of(node, int(a), x.rank) for a in axes.ravel()]
    if pads.size != 2 * len(on):
        raise Unsupported("its pads do not fit its axes")
    whole_pads = np.zeros((2, x.rank), np.int64)
    whole_pads[:, list(on)] = pads.reshape(2, -1)
    if not whole_pads.any():
        return x
    order = stored_order(x.rank)
    before, after = (tuple(side[list(order)].tolist()) for side in whole_pads)
    if mode in MIRRORS:
        return Tracked.of(_mirrored(b, b.arranged(x, order), before, after, mode), order)
    value = _value(b)
    op = Pad(before, after, 0.0 if value == -inf else value, value == -inf)
    return Tracked.of(b.emit(op, [b.arranged(x, order)]), order)


def _mirrored(
    b: Builder, x: ChannelView, before: Sequence[int], after: Sequence[int], mode: str
) -> ChannelView:
    """Gather the elements of each axis that is padded."""
    for axis, (first, last) in enumerate(zip(before, after, strict=True)):
        if first or last:
            x = b.emit(Gather(axis, MIRRORS[mode](x.type.shape[axis], first, last)), [x])
    return x


def _value(b: Builder) -> float:
    array = b.optional_input(2, "value")
    value = 0.0 if array is None else float(array.ravel()[0])
    if not isfinite(value) and value != -inf:
        raise Unsupported(f"it pads with {value}")
    return value


def depth_to_space(b: Builder, node: Node) -> Tracked:
    """In both modes; the order of channels of CRD is a shuffle."""
    x, block = b.image(b.input(0)), whole(node, "blocksize", 0)
    mode, channels = text(node, "mode", "DCR"), x.type.channels
    if mode not in ("DCR", "CRD"):
        raise Unsupported(f"its mode is {mode}")
    if mode == "CRD" and block > 0 and channels % block**2 == 0:
        x = b.emit(ChannelShuffle(channels // block**2), [x])
    return Tracked.of(b.emit(DepthToSpace(block), [x]), IMAGE)


def space_to_depth(b: Builder, node: Node) -> Tracked:
    """Blocks of pixels as channels, in both modes."""
    block, mode = whole(node, "blocksize", 0), text(node, "mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise Unsupported(f"its mode is {mode}")
    x = b.emit(SpaceToDepth(block), [b.image(b.input(0))])
    return Tracked.of(b.emit(ChannelShuffle(block**2), [x]) if mode == "CRD" else x, IMAGE)
