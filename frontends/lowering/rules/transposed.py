"""Transposed convolutions."""

from __future__ import annotations

from mbc.frontends.lowering.builder import IMAGE, Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import text, whole, wholes
from mbc.frontends.lowering.rules.linear import vector
from mbc.frontends.lowering.tracked import Tracked
from mbc.ops.transposed import TransposedConv, from_iohw
from mbc.ops.window import Pad, Pair


def conv_transpose(b: Builder, node: Node) -> Tracked:
    """Transposed convolution in two dimensions, with any groups, strides and padding."""
    x, weight = b.input(0), b.required_input(1, "weight")
    if weight.ndim != 4 or x.rank != 4:
        raise Unsupported(f"it has {weight.ndim - 2} dimensions, mbc's have 2")
    groups = whole(node, "group", 1)
    inputs, each, kh, kw = weight.shape
    if groups < 1 or inputs % groups:
        raise Unsupported(f"{groups} groups do not divide {inputs} channels")
    if wholes(node, "kernel_shape", (kh, kw)) != (kh, kw):
        raise Unsupported("its kernel_shape is not that of the weight")
    if wholes(node, "dilations", (1, 1)) != (1, 1):
        raise Unsupported("its kernel is dilated")
    down, across = wholes(node, "strides", (1, 1))
    rows, columns = wholes(node, "output_padding", (0, 0))
    pad, more = _padding(node, (x.shape[2], x.shape[3]), (kh, kw), (down, across), (rows, columns))
    filters = b.constant(node.input(1), from_iohw(weight, groups))
    bias = vector(b, node.input(2), b.optional_input(2, "bias"), groups * each)
    op = TransposedConv((down, across), pad, more, groups)
    return Tracked.of(b.emit(op, [b.image(x), filters, bias]), IMAGE)


def _padding(node: Node, size: Pair, kernel: Pair, stride: Pair, more: Pair) -> tuple[Pad, Pair]:
    """Return the padding, and the rows and columns that are added.

    Where the extents of the result are given, by output_shape or SAME, what is too much is cut off
    on both sides: of an odd number one more at the end for SAME_UPPER, else at the begin."""
    mode = text(node, "auto_pad", "NOTSET")
    if "output_shape" in node.attributes:
        wanted = wholes(node, "output_shape", size)
    elif mode.startswith("SAME"):
        wanted = (size[0] * stride[0], size[1] * stride[1])
    else:
        top, left, bottom, right = wholes(node, "pads", (0, 0, 0, 0))
        return (top, bottom, left, right), more
    cuts, added = list[Pair](), list[int]()
    for extent, window, step, extra, out in zip(size, kernel, stride, more, wanted, strict=True):
        total = (extent - 1) * step + window + extra - out
        less = max(total, 0) // 2
        cut = (less, max(total, 0) - less)
        cuts.append(cut if mode == "SAME_UPPER" else cut[::-1])
        added.append(extra + max(-total, 0))
    return (*cuts[0], *cuts[1]), (added[0], added[1])
