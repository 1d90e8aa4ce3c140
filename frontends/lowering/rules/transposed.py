"""Transposed convolutions.

Taps of 0 are added to the kernel where it is dilated, smaller than its stride, or the result goes
on beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import Ints, text, whole, wholes
from mbc.frontends.lowering.rules.linear import as_filters, vector
from mbc.frontends.lowering.tracked import Tracked
from mbc.ops.transposed import TransposedConv, from_iohw
from mbc.records import dataclass


@dataclass(frozen=True)
class Side:
    """A transposed convolution along one axis."""

    taps: int = 1
    """Extent of the kernel, with those of 0."""
    stride: int = 1
    """Step in the result."""
    before: int = 0
    """What is cut off at the begin."""
    after: int = 0
    """What is cut off at the end."""
    more: int = 0
    """What is added at the end."""


def conv_transpose(b: Builder, node: Node) -> Tracked:
    """Transposed convolution in 1 or 2 dimensions, with any strides, dilations and padding."""
    x, weight = b.input(0), b.required_input(1, "weight")
    if weight.ndim not in (3, 4) or x.rank != weight.ndim:
        raise Unsupported(f"it has {weight.ndim - 2} dimensions, mbc's have 1 or 2")
    groups = whole(node, "group", 1)
    inputs, each = weight.shape[:2]
    if groups < 1 or inputs % groups:
        raise Unsupported(f"{groups} groups do not divide {inputs} channels")
    kernel = weight.shape[2:]
    if wholes(node, "kernel_shape", kernel) != kernel:
        raise Unsupported("its kernel_shape is not that of the weight")
    dilation = wholes(node, "dilations", (1,) * len(kernel))
    sides = _sides(node, x.shape[2:], kernel, dilation)
    filters = as_filters(_with_gaps(weight, dilation, [side.taps for side in sides]))
    down, across = sides if len(sides) == 2 else (Side(), sides[0])
    op = TransposedConv(
        (down.stride, across.stride),
        (down.before, down.after, across.before, across.after),
        (down.more, across.more),
        groups,
    )
    bias = vector(b, node.input(2), b.optional_input(2, "bias"), groups * each)
    constant = b.constant(node.input(1), from_iohw(filters, groups))
    return b.from_image(b.emit(op, [b.image(x), constant, bias]), x.rank)


def _with_gaps(weight: np.ndarray, dilation: Sequence[int], taps: Sequence[int]) -> np.ndarray:
    """Return a weight whose taps are apart, with zeros between them and up to so many taps."""
    if taps == [*weight.shape[2:]]:
        return weight
    wide = np.zeros((*weight.shape[:2], *taps), weight.dtype)
    extents = zip(weight.shape[2:], dilation, strict=True)
    places = tuple(slice(0, (k - 1) * step + 1, step) for k, step in extents)
    wide[(slice(None), slice(None), *places)] = weight
    return wide


def _sides(node: Node, sizes: Sequence[int], kernel: Ints, dilation: Ints) -> list[Side]:
    """Return the extents along each axis.

    Where those of the result are given, by output_shape or SAME, what is too much is cut off on
    both sides: of an odd number one more at the end for SAME_UPPER, else at the begin."""
    axes = len(sizes)
    stride = wholes(node, "strides", (1,) * axes)
    more = wholes(node, "output_padding", (0,) * axes)
    if min(*stride, *dilation) < 1 or min(more) < 0:
        raise Unsupported("its strides, dilations or output_padding are not positive")
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    mode = text(node, "auto_pad", "NOTSET")
    wanted: Ints | None = None
    if "output_shape" in node.attributes:
        wanted = wholes(node, "output_shape", (0,) * axes)
    elif mode.startswith("SAME"):
        wanted = tuple(size * step for size, step in zip(sizes, stride, strict=True))
    if wanted is None:
        pads = wholes(node, "pads", (0, 0) * axes)
        cuts = zip(reach, stride, pads[:axes], pads[axes:], more, strict=True)
        return [_side(*each) for each in cuts]
    found = []
    for size, taps, step, extra, out in zip(sizes, reach, stride, more, wanted, strict=True):
        excess = (size - 1) * step + taps + extra - out
        less, rest = max(excess, 0) // 2, max(excess, 0) - max(excess, 0) // 2
        cut = (less, rest) if mode == "SAME_UPPER" else (rest, less)
        found.append(_side(taps, step, *cut, extra + max(-excess, 0)))
    return found


def _side(taps: int, stride: int, before: int, after: int, more: int) -> Side:
    """Return the same with taps of 0 where the IR needs them: no fewer taps than the stride, of
    which what is added is less."""
    if more >= stride:
        taps, more = taps + more, 0
    if taps < stride:
        taps, after = stride, after + stride - taps
    return Side(taps, stride, before, after, more)
