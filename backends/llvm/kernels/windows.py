"""Depthwise convolution and window pools as kernels: one task an output row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbc.backends.llvm.emitter import Count
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Library, Site, constant_array
from mbc.backends.llvm.window import Window, emit_row, pack_depthwise, row_functions
from mbc.ir.graph import Node
from mbc.ir.types import Act
from mbc.ops import AvgPool, Conv2d, MaxPool
from mbc.ops.linear import present
from mbc.ops.pool import Pool


def window_of(isa: Isa, node: Node, x: Buffer, out: Buffer) -> Window:
    """The window op of a depthwise convolution or pool node between two buffers."""
    _, height, width, channels = x.type.shape
    _, out_height, out_width, _ = out.type.shape
    padded = x.is_padded(isa) and out.is_padded(isa)
    pitches = (x.pixel_bytes, x.row_bytes, out.pixel_bytes, padded)
    sizes = (height, width, out_height, out_width, channels)
    match node.op:
        case Conv2d() as op:
            kh, kw = present(node.operand_types[1]).shape[:2]
            return Window(
                isa, "depthwise", *sizes, (kh, kw), op.stride, op.pad, op.dilation, *pitches, op.act
            )
        case MaxPool() as op:
            return Window(isa, "max", *sizes, op.kernel, op.stride, op.pad, (1, 1), *pitches)
        case AvgPool() as op:
            shape = (op.kernel, op.stride, op.pad, (1, 1))
            return Window(isa, "avg", *sizes, *shape, *pitches, Act.NONE, op.count_pad)
        case _:
            raise TypeError(f"{node.op.mnemonic} has no window")


def pack_window(isa: Isa, node: Node) -> np.ndarray:
    """Packed weights of a depthwise convolution; nothing for pools."""
    if isinstance(node.op, Pool):
        return np.zeros(0, np.float32)
    weight = constant_array(node.operands[1], ())
    bias = constant_array(node.operands[2] if len(node.operands) > 2 else None, weight.shape[-1:])
    return pack_depthwise(isa, weight, bias)


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
    x, out = site.input(0), site.output
    window = window_of(site.isa, site.node, x, out)
    rows = define_rows(site.library, window)
    f = site.kernel_function()
    height = window.out_height

    def row(index: Count, _: list[str]) -> Sequence[str]:
        image, y = f.binary("udiv", index, height), f.binary("urem", index, height)
        source = f.offset("%x0", f.binary("mul", image, window.height * x.row_bytes))
        target = f.offset("%y0", f.binary("mul", index, out.row_bytes))
        emit_row(f, window, rows, source, "%w", target, str(y))
        return []

    f.loop("%begin", "%end", [], row)
    name = site.library.define(f"f32_{window_name(window)}_{height}x{window.out_width}", f)
    return Kernel(name, out.type.shape[0] * height, 0, pack_window(site.isa, site.node))
