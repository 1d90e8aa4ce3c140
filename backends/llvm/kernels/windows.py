"""Depthwise convolution and window pools as kernels: one task an output row."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Library, Site, constant_array
from mbc.backends.llvm.window import (
    Part,
    Window,
    emit_row,
    image_rows,
    pack_depthwise,
    row_functions,
)
from mbc.ir.graph import Node
from mbc.ir.views import ChannelView
from mbc.ops import AvgPool, Conv2d, MaxPool
from mbc.ops.linear import present
from mbc.ops.pool import Pool


def window_of(isa: Isa, node: Node, sources: Sequence[Buffer], out: Buffer) -> Window:
    """The window op of a depthwise convolution or pool node from the buffers of the values that its
    view reads to another buffer."""
    view = node.view(0)
    _, height, width, _ = view.type.shape
    _, out_height, out_width, _ = out.type.shape
    parts = view_parts(view, sources)
    sizes = (height, width, out_height, out_width, parts)
    isa = isa.filled_by(gcd(*(part.channels for part in parts)))
    place = (out.pixel_bytes, out.room)
    match node.op:
        case Conv2d() as op:
            kh, kw = present(node.operand_types[1]).shape[:2]
            shape = ((kh, kw), op.stride, op.pad, op.dilation)
            return Window(isa, "depthwise", *sizes, *shape, *place, op.act)
        case MaxPool() as op:
            shape = (op.kernel, op.stride, op.pad, (1, 1))
            return Window(isa, "max", *sizes, *shape, *place)
        case AvgPool() as op:
            shape = (op.kernel, op.stride, op.pad, (1, 1))
            return Window(isa, "avg", *sizes, *shape, *place, op.act, op.count_pad)
        case _:
            raise TypeError(f"{node.op.mnemonic} has no window")


def view_parts(view: ChannelView, sources: Sequence[Buffer]) -> tuple[Part, ...]:
    """The segments of a view in storage order as parts."""
    buffers = dict(zip(view.values, sources, strict=True))
    return tuple(
        Part(s.length, buffers[s.value].pixel_bytes, buffers[s.value].room - s.start)
        for s in view.segments
    )


def part_pointers(f: Function, view: ChannelView, pointers: Sequence[str]) -> list[str]:
    """Addresses of the segments' first channels from those of the values."""
    at = dict(zip(view.values, pointers, strict=True))
    return [f.offset(at[s.value], 4 * s.start) for s in view.segments]


def pack_window(window: Window, node: Node) -> np.ndarray:
    """Packed weights of a depthwise convolution; nothing for pools."""
    if isinstance(node.op, Pool):
        return np.zeros(0, np.float32)
    weight = constant_array(node.operands[1], ())
    bias = constant_array(node.operands[2] if len(node.operands) > 2 else None, weight.shape[-1:])
    return pack_depthwise(window, weight, bias)


def window_name(window: Window) -> str:
    """Kind, kernel, stride, channels and activation."""
    kind = {"depthwise": "dw", "max": "maxpool", "avg": "avgpool"}[window.kind]
    act = "" if window.act == "none" else f"_{window.act}"
    (kh, kw), stride = window.kernel, window.stride[0]
    return f"{kind}{kh}x{kw}s{stride}_c{window.channels}{act}"


def define_rows(library: Library, window: Window) -> list[str]:
    """Define the row functions; their names, in the order of the row classes."""
    names = []
    for (rows, _), function in zip(window.row_classes(), row_functions(window), strict=True):
        part = "mid" if len(rows) == window.kernel[0] else "edge"
        names.append(library.define(f"f32_{window_name(window)}_{part}_row", function))
    return names


def build_window(site: Site) -> Kernel:
    """Depthwise convolution or pool."""
    view, out = site.node.view(0), site.output
    window = window_of(site.isa, site.node, site.inputs[0], out)
    rows = define_rows(site.library, window)
    f = site.kernel_function()
    height = window.out_height

    def row(index: Count, _: list[str]) -> Sequence[str]:
        image, y = f.binary("udiv", index, height), f.binary("urem", index, height)
        sources = image_pointers(f, site, image)
        target = f.offset("%y0", f.binary("mul", index, out.row_bytes))
        lines = image_rows(f, window, part_pointers(f, view, sources), y)
        emit_row(f, window, rows, lines, "%w", target, str(y))
        return []

    f.loop("%begin", "%end", [], row)
    name = site.library.define(f"f32_{window_name(window)}_{height}x{window.out_width}", f)
    return Kernel(name, out.type.shape[0] * height, 0, pack_window(window, site.node))


def image_pointers(f: Function, site: Site, image: Count, slot: int = 0) -> list[str]:
    """Addresses of an operand's values for one image of the batch."""
    return [
        f.offset(pointer, f.binary("mul", image, buffer.bytes // buffer.type.shape[0]))
        for pointer, buffer in zip(site.pointers(slot), site.inputs[slot], strict=True)
    ]
