"""Ops that only move data, and reads of channel views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbc.frontends.onnx.emitters.site import (
    TO_NCHW,
    TO_NHWC,
    Emitters,
    Site,
    axis_of,
    onnx_axis,
    onnx_shape,
    permuted,
    reshaped,
    transposed,
)
from mbc.frontends.onnx.writer import Writer
from mbc.ir.elements import Q8, Element
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap
from mbc.ops.grid import ConcatAlong, DepthToSpace, Gather, Pad, Slice, SpaceToDepth
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose


def concat(w: Writer, op: Concat, at: Site) -> str:
    """Concat along the channels."""
    return w.node("Concat", at.operands, at.name, axis=axis_of(at.x_type))


def split(w: Writer, op: Split, at: Site) -> tuple[str, ...]:
    """Split along the channels."""
    inputs = [at.x, w.integers("sizes", op.sizes)]
    return w.many("Split", inputs, at.name, len(op.sizes), axis=axis_of(at.x_type))


def channel_shuffle(w: Writer, op: ChannelShuffle, at: Site) -> str:
    """Reshape, Transpose, Reshape: the pattern that engines look for."""
    return shuffled(w, at.x, at.x_type, op.groups, at.name)


def shuffled(w: Writer, x: str, type: TensorType, groups: int, name: str) -> str:
    """Transpose the channels as a [g, C/g] matrix (1707.01083 §3.1)."""
    axis, shape = axis_of(type), onnx_shape(type)
    matrix = (*shape[:axis], groups, type.channels // groups, *shape[axis + 1 :])
    order = list(range(len(matrix)))
    order[axis], order[axis + 1] = axis + 1, axis
    turned = transposed(w, reshaped(w, x, matrix, name), order, name)
    return reshaped(w, turned, shape, name)


def gathered(w: Writer, x: str, type: TensorType, order: ChannelMap, name: str) -> str:
    """Gather channels: channel c of the result is channel order(c) of x."""
    indices = w.integers("channels", order.indices)
    return w.node("Gather", [x, indices], f"{name}.gather", axis=axis_of(type))


def reshape(w: Writer, op: Reshape, at: Site) -> str:
    """Reshape in NHWC order: images are transposed to it before, and to NCHW afterwards."""
    x, after = at.x, TensorType(op.shape)
    if at.x_type.rank == 4 and not moves_nothing(at.x_type.shape):
        x = transposed(w, x, TO_NHWC, at.name)
    if after.rank != 4 or moves_nothing(op.shape):
        return reshaped(w, x, onnx_shape(after), at.name)
    return transposed(w, reshaped(w, x, op.shape, at.name), TO_NCHW, at.name)


def moves_nothing(shape: Sequence[int]) -> bool:
    """Whether NHWC and NCHW order the elements of this shape alike."""
    _, height, width, channels = shape
    return channels == 1 or height * width == 1


def transpose(w: Writer, op: Transpose, at: Site) -> str:
    """Transpose; where x has rank 4, the permutation is translated to NCHW."""
    order: Sequence[int] = op.perm
    if at.x_type.rank == 4:  # NHWC axis a is axis TO_NHWC[a] of NCHW
        order = permuted(TO_NHWC, permuted(op.perm, TO_NCHW))
    return transposed(w, at.x, order, at.name)


def slice_(w: Writer, op: Slice, at: Site) -> str:
    """Slice along one axis."""
    bounds = (op.start, op.stop, onnx_axis(at.x_type, op.axis), op.step)
    return w.node("Slice", [at.x, *(w.integers("bound", [each]) for each in bounds)], at.name)


def gather(w: Writer, op: Gather, at: Site) -> str:
    """Gather along one axis."""
    axis = onnx_axis(at.x_type, op.axis)
    return w.node("Gather", [at.x, w.integers("indices", op.indices)], at.name, axis=axis)


def concat_along(w: Writer, op: ConcatAlong, at: Site) -> str:
    """Concat along one axis."""
    return w.node("Concat", at.operands, at.name, axis=onnx_axis(at.x_type, op.axis))


def pad(w: Writer, op: Pad, at: Site) -> str:
    """Pad all axes with a number."""
    axes = TO_NCHW if at.x_type.rank == 4 else range(at.x_type.rank)
    pads = [*permuted(op.before, axes), *permuted(op.after, axes)]
    value = w.constant("value", np.array(_fill(op, at.x_type.element), np.float32))
    return w.node("Pad", [at.x, w.integers("pads", pads), value], at.name)


def _fill(op: Pad, element: Element) -> float:
    """Return the number to pad with, on codes the one that its code stands for."""
    if not isinstance(element, Q8):
        return op.fill
    return element.range[0] if op.lowest else (element.code(op.fill) - element.zero) * element.scale


def depth_to_space(w: Writer, op: DepthToSpace, at: Site) -> str:
    """DepthToSpace, of whose modes DCR has the channels of a pixel one after the other."""
    return w.node("DepthToSpace", [at.x], at.name, blocksize=op.block, mode="DCR")


def space_to_depth(w: Writer, op: SpaceToDepth, at: Site) -> str:
    """SpaceToDepth."""
    return w.node("SpaceToDepth", [at.x], at.name, blocksize=op.block)


EMITTERS: Emitters = {
    Concat: concat,
    Split: split,
    ChannelShuffle: channel_shuffle,
    Reshape: reshape,
    Transpose: transpose,
    Slice: slice_,
    ConcatAlong: concat_along,
    Pad: pad,
    DepthToSpace: depth_to_space,
    SpaceToDepth: space_to_depth,
    Gather: gather,
}
