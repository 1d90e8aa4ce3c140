"""Ops that move data: most of them change a layout and emit nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import FLOAT, FLOAT16, INT32, INT64, Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import axis_of, whole
from mbc.frontends.lowering.rules.grid import joined_along, taken
from mbc.frontends.lowering.tracked import Factors, Tracked
from mbc.ir.elements import S32
from mbc.ir.views import ChannelView
from mbc.ops.move import Concat, Reshape


def identity(b: Builder, node: Node) -> Tracked:
    """Its operand as it is."""
    return b.input(0)


def cast(b: Builder, node: Node) -> Tracked:
    """Between float32 and float16, which is computed as float32; of indices between int32 and
    int64, which are int32."""
    x = b.input(0)
    indices = x.type.element is S32
    if whole(node, "to", 0) not in ((INT32, INT64) if indices else (FLOAT, FLOAT16)):
        kinds = "int32 or int64" if indices else "float32 or float16"
        raise Unsupported(f"its operand is {kinds}, its result is not")
    return x


def dropout(b: Builder, node: Node) -> Tracked:
    """Its operand as it is; training mode is not supported."""
    training = b.optional_input(2, "training mode")
    if (training is not None and training.any()) or b.reads_more(node):
        raise Unsupported("it is in training mode", "export the model after model.eval()")
    return b.input(0)


def reshape(b: Builder, node: Node) -> Tracked:
    """Any static shape; what only cuts or joins channels, or joins other axes, moves no data."""
    shape = b.model.shapes.get(node.outputs[0])
    if shape is None:
        raise Unsupported("its shape is not static")
    return reshaped(b, b.input(0), shape)


def reshaped(b: Builder, x: Tracked, shape: Sequence[int]) -> Tracked:
    """Return x in another shape; moves data only where axes other than channels are cut."""
    made = x.reshaped(shape)
    if made is not None:
        return made
    flat = b.arranged(x, range(x.rank))
    return Tracked.of(b.emit(Reshape(tuple(shape) or (1,)), [flat]), range(len(shape)))


def broadcast_to(b: Builder, x: Tracked, shape: Sequence[int]) -> Tracked:
    """Return x in a shape to which it is broadcast: axes of extent 1 are repeated."""
    x = reshaped(b, x, (*[1] * (len(shape) - x.rank), *x.shape))
    for axis, (own, extent) in enumerate(zip(x.shape, shape, strict=True)):
        if own < extent:
            x = taken(b, x, axis, np.zeros(extent, np.int64), keep=True)
    return x


def transpose(b: Builder, node: Node) -> Tracked:
    """Any order of axes; moves no data."""
    x = b.input(0)
    perm = node.attributes.get("perm", tuple(reversed(range(x.rank))))
    if not isinstance(perm, tuple) or sorted(perm) != list(range(x.rank)):
        raise Unsupported("its perm does not name each axis once")
    return x.transposed(perm)


def concat(b: Builder, node: Node) -> Tracked:
    """Along any axis; along channels its parts are read where they are."""
    parts = [b.settled(b.input(index)) for index in range(len(node.inputs))]
    axis = axis_of(node, whole(node, "axis", 0), parts[0].rank)
    if len(parts) == 1:
        return parts[0]
    arrays = [array for part in parts if (array := part.along(axis)) is not None]
    if not _join(parts, axis) or len(arrays) < len(parts):
        return joined_along(b, parts, axis)
    stored = b.emit(Concat(), [part.stored for part in parts])
    return _joined(stored, parts, axis, arrays)


def _join(parts: Sequence[Tracked], axis: int) -> bool:
    """Whether all parts are stored alike but for the channels of an ONNX axis."""
    first = parts[0]
    return all(
        part.rank == first.rank
        and part.type.shape[:-1] == first.type.shape[:-1]
        and _others(part.axes, axis) == _others(first.axes, axis)
        for part in parts
    )


def _others(axes: Sequence[Factors], axis: int) -> tuple[Factors, ...]:
    return (*axes[:axis], *axes[axis + 1 :])


def _joined(
    stored: ChannelView, parts: Sequence[Tracked], axis: int, arrays: Sequence[np.ndarray]
) -> Tracked:
    starts = np.cumsum([0, *(part.type.channels for part in parts)])
    moved = [array + start for array, start in zip(arrays, starts, strict=False)]
    channels = np.concatenate(moved, axis=parts[0].place(axis))
    return Tracked(stored, parts[0].axes, parts[0].channels).with_channels(axis, channels)


def split(b: Builder, node: Node) -> tuple[Tracked, ...]:
    """Along any axis, into any sizes; along channels by views."""
    x = b.input(0)
    axis = axis_of(node, whole(node, "axis", 0), x.rank)
    given = b.constant_input(1)
    if given is None:
        sizes = [_extent(b, name, axis) for name in node.outputs]
    else:
        sizes = given.ravel().tolist()
    ends = np.cumsum([0, *sizes]).tolist()
    if ends[-1] != x.shape[axis] or len(sizes) != len(node.outputs) or min(sizes) < 1:
        raise Unsupported("its parts do not add up")
    return tuple(taken(b, x, axis, np.arange(*each), keep=True) for each in pairwise(ends))


def _extent(b: Builder, name: str, axis: int) -> int:
    shape = b.model.shapes.get(name)
    if shape is None or axis >= len(shape):
        raise Unsupported("the sizes of its parts are not static")
    return shape[axis]


def slice_(b: Builder, node: Node) -> Tracked:
    """Along any axes; along channels with any step, along others forward."""
    x = b.input(0)
    starts, ends = b.required_input(1, "start").ravel(), b.required_input(2, "end").ravel()
    axes, steps = b.optional_input(3, "axes"), b.optional_input(4, "step")
    axes = np.arange(starts.size) if axes is None else axes.ravel()
    steps = np.ones_like(starts) if steps is None else steps.ravel()
    if not starts.size == ends.size == axes.size == steps.size or not steps.all():
        raise Unsupported("its bounds do not fit each other")
    for start, end, axis, step in zip(
        *(a.tolist() for a in (starts, ends, axes, steps)), strict=True
    ):
        at = axis_of(node, axis, x.rank)
        indices = np.arange(*slice(start, end, step).indices(x.shape[at]))
        if not indices.size:
            raise Unsupported("its result is empty")
        x = taken(b, x, at, indices, keep=True)
    return x


def gather(b: Builder, node: Node) -> Tracked:
    """By constant indices, of any shape."""
    x, indices = b.input(0), b.required_input(1, "index")
    axis = axis_of(node, whole(node, "axis", 0), x.rank)
    extent = x.shape[axis]
    if indices.dtype.kind not in "iu" or not indices.size:
        raise Unsupported("its indices are no integers")
    if indices.min() < -extent or indices.max() >= extent:
        raise Unsupported("its indices lie outside the tensor")
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    made = taken(b, x, axis, indices.ravel() % extent, keep=indices.ndim > 0)
    return made if indices.ndim < 2 else reshaped(b, made, shape)
