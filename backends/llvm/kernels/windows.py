"""Kernels of depthwise convolutions and window pools. A task is an output row, or a block of its
channels where whole rows under the window would not fit the L1 cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import gcd

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.codes import LARGEST_EXACT, Finish, element_of, of_bytes, with_limit
from mbc.backends.llvm.integer.strips import CHANNELS, on_bytes, pack_taps, packed_bytes
from mbc.backends.llvm.integer.taps import taps_row
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Library, Site, constant_array
from mbc.backends.llvm.window import SHORT_SUM, InCodes, Part, Window, has_strips, pack_depthwise
from mbc.backends.llvm.window_code import emit_row, image_rows, row_function
from mbc.ir.activations import identifier
from mbc.ir.elements import Q8
from mbc.ir.graph import Node
from mbc.ir.views import ChannelView
from mbc.ops import AvgPool, Conv2d, MaxPool
from mbc.ops.linear import filters_per_channel, present
from mbc.ops.pool import Pool
from mbc.ops.quantized import LARGEST_CODE, LARGEST_WEIGHT
from mbc.schedules import ChannelBlocks
from mbc.targets.elements import on_codes


def window_of(isa: Isa, node: Node, sources: Sequence[Buffer], out: Buffer) -> Window:
    """Return the window op of a depthwise convolution or pool from `sources`, the buffers of the
    values that its view reads, to `out`."""
    view = node.view("x")
    _, height, width, _ = view.type.shape
    _, out_height, out_width, _ = out.type.shape
    parts = view_parts(view, sources)
    sizes = (height, width, out_height, out_width, parts)
    place = (out.pixel_bytes, out.room)
    match node.op:
        case Conv2d() as op:
            weight = present(node.type_of("weight"))
            kh, kw = weight.shape[:2]
            shape = ((kh, kw), op.stride, op.pad, op.dilation)
            filters = filters_per_channel(op, weight)
            isa = _unit(isa, filters, parts)
            window = Window(isa, "depthwise", *sizes, *shape, *place, op.act, filters=filters)
            window = replace(window, slopes=node["slope"] is not None)
        case MaxPool() as op:
            shape = (op.kernel, op.stride, op.pad, op.dilation)
            window = Window(_unit(isa, 1, parts), "max", *sizes, *shape, *place)
            if on_codes(node) and isa.name == "neon":
                return replace(window, isa=_of_codes(isa, parts))
        case AvgPool() as op:
            shape = (op.kernel, op.stride, op.pad, (1, 1))
            window = Window(_unit(isa, 1, parts), "avg", *sizes, *shape, *place, op.act)
            window = replace(window, count_pad=op.count_pad, overhang=op.overhang)
        case _:
            raise TypeError(f"{node.op.mnemonic} has no window")
    return replace(window, codes=_in_codes(node)) if on_codes(node) else window


def _in_codes(node: Node) -> InCodes:
    """Return how a window op computes with codes."""
    x = element_of(node, "x")
    if isinstance(node.op, MaxPool):
        return InCodes(x, Finish.same())
    bias, weight = node.constant("bias"), node.type_of("weight")
    to = node.result.type.element
    if weight is None:
        return InCodes(x, Finish.of(node), to if isinstance(to, Q8) else None)
    terms = LARGEST_CODE * LARGEST_WEIGHT * weight.elements // weight.channels
    added = None if bias is None else bias.data  # None too until weights are bound
    largest = 0 if added is None else int(np.abs(added.astype(np.int64)).max(initial=0))
    finish = with_limit(Finish.of(node), node)
    return InCodes(x, finish, far_bias=terms + largest > LARGEST_EXACT)


def _of_codes(isa: Isa, parts: Sequence[Part]) -> Isa:
    """Return the unit with vectors of codes, whose largest need not be converted."""
    fill = all(part.channels % CHANNELS == 0 for part in parts)
    return replace(of_bytes(isa), lanes=CHANNELS if fill else CHANNELS // 2)


def _unit(isa: Isa, filters: int, parts: Sequence[Part]) -> Isa:
    """Return the unit with the longest vectors that each part fills, in which the filters of a
    channel fill whole vectors, or those of some channels one."""
    wide = isa.filled_by(filters * gcd(*(part.channels for part in parts)))
    return wide if filters % wide.lanes == 0 or wide.lanes % filters == 0 else isa


def is_window_conv(node: Node) -> bool:
    """Return whether a convolution has the kernel of windows: depthwise, without a residual."""
    if not isinstance(node.op, Conv2d) or node["residual"] is not None:
        return False
    filters = filters_per_channel(node.op, present(node.type_of("weight")))
    return filters > 0 and has_strips(filters)


def view_parts(view: ChannelView, sources: Sequence[Buffer]) -> tuple[Part, ...]:
    """Return the segments of a view as parts, in the order of the view's segments."""
    buffers = dict(zip(view.values, sources, strict=True))
    return tuple(
        Part(s.length, buffers[s.value].pixel_bytes, buffers[s.value].room - s.start)
        for s in view.segments
    )


def part_pointers(f: Function, view: ChannelView, pointers: Sequence[str]) -> list[str]:
    """Compute the addresses of segments' first channels from those of the values."""
    at = dict(zip(view.values, pointers, strict=True))
    size = view.type.element.bytes
    return [f.offset(at[s.value], size * s.start) for s in view.segments]


def pack_window(window: Window, node: Node, blocks: int = 1) -> np.ndarray:
    """Pack the weights of a depthwise convolution, block by block; empty for pools."""
    if isinstance(node.op, Pool):
        return np.zeros(0, np.float32)
    last = node.constant("slope" if window.codes is None else "multiplier")
    weight = constant_array(node["weight"], ())
    bias = constant_array(node["bias"], weight.shape[-1:])
    if on_bytes(window):
        assert last is not None
        each = replace(window, parts=_block(window, blocks).parts * blocks)
        return pack_taps(each, weight, bias, last.array)
    return pack_depthwise(window, weight, bias, None if last is None else last.array)


def window_name(window: Window) -> str:
    """Format kind, kernel, stride, channels and activation for a kernel's name."""
    kind = {"depthwise": "dw", "max": "maxpool", "avg": "avgpool"}[window.kind]
    act = "" if window.act is None else f"_{identifier(window.act)}"
    (kh, kw), stride = window.kernel, window.stride[0]
    filters = f"_m{window.filters}" if window.filters > 1 else ""
    slopes = "_prelu" if window.slopes else ""
    return f"{kind}{kh}x{kw}s{stride}_c{window.channels}{filters}{slopes}{act}"


def _prefix(window: Window) -> str:
    """Return the element in the name of a kernel."""
    return "f32" if window.codes is None and window.isa.element.is_float else "q8"


def define_rows(library: Library, window: Window) -> list[str]:
    """Define the row functions; returns their names in the order of the row classes."""
    names = []
    emit = taps_row if on_bytes(window) else row_function
    for rows, _ in window.row_classes():
        function = emit(window, rows)
        part = "mid" if len(rows) == window.kernel[0] else "edge"
        names.append(
            library.define(f"{_prefix(window)}_{window_name(window)}_{part}_row", function)
        )
    return names


NEAR_BYTES = 24 * 1024  # bytes of rows that stay in an L1 cache of 32 KB beside the output
FEW_CHANNELS = 64  # fewer channels per block are too scattered for the prefetcher


def window_schedules(window: Window) -> tuple[ChannelBlocks, ...]:
    """List the schedules of a window op: first the fewest blocks of channels whose rows under the
    window fit the L1 cache. Blocks are whole strips of vectors."""
    strip = CHANNELS if on_bytes(window) else window.isa.strip * window.isa.lanes
    apart = len(window.parts) > 1 or window.in_bytes != window.out_bytes
    if apart or window.filters > 1 or window.channels % strip:
        return (ChannelBlocks(1),)
    most = max(window.channels // FEW_CHANNELS, 1)
    pixel = window.in_bytes * window.channels
    rows = window.kernel[0] * window.width * pixel
    even = [n for n in range(1, most + 1) if window.channels % (n * strip) == 0]
    least = 1 if window.taps <= SHORT_SUM else even[-1]  # or as near as can be, for many rows
    best = next((n for n in even if rows // n <= NEAR_BYTES), least)
    return tuple(map(ChannelBlocks, dict.fromkeys((best, *even))))


def _block(window: Window, blocks: int) -> Window:
    """Return the window op of one block."""
    if blocks == 1:
        return window
    (part,) = window.parts
    each = part.channels // blocks
    return replace(window, parts=(replace(part, channels=each, room=each),), out_room=each)


def build_window(site: Site) -> Kernel:
    """Build a depthwise convolution or a pool."""
    return window_kernel(site, site.node, "x")


AfterRow = Callable[[Function, Window, Count, Count, str], None]
"""Emits what follows a row of a block of channels, given the block, its number among the blocks,
the row's number among those of all images, and the address of its first output."""


def window_kernel(
    site: Site, node: Node, role: str, name: str = "", after: AfterRow | None = None
) -> Kernel:
    """Build a window op that reads an operand of the site, with `name` in that of its kernel."""
    view, out = node.view("x"), site.outputs[0]
    window = window_of(site.isa, node, site.buffers(role), out)
    schedule, height = site.node.schedule, window.out_height
    chosen = schedule if isinstance(schedule, ChannelBlocks) else window_schedules(window)[0]
    blocks = chosen.count
    block = _block(window, blocks)
    rows = define_rows(site.library, block)
    f = site.kernel_function()
    across = out.element_bytes * block.channels
    weights = packed_bytes(block) if on_bytes(window) else _packed_bytes(block)

    def row(index: Count, _: list[str]) -> Sequence[str]:
        image, number, y = _place(f, index, blocks, height)
        shift = f.binary("mul", number, across)
        sources = part_pointers(f, view, image_pointers(f, site, image, role))
        lines = image_rows(f, block, [f.offset(source, shift) for source in sources], y)
        line = f.binary("add", f.binary("mul", image, height), y)
        target = f.offset(f.offset("%y0", f.binary("mul", line, out.row_bytes)), shift)
        own = f.offset("%w", f.binary("mul", number, weights))
        emit_row(f, block, rows, lines, own, target, str(y))
        if after:
            after(f, block, number, line, target)
        return []

    f.loop("%begin", "%end", [], row)
    kind = f"{_prefix(window)}_{window_name(window)}{name}_{height}x{window.out_width}"
    tasks = out.type.shape[0] * blocks * height
    return Kernel(site.library.define(kind, f), tasks, 0, pack_window(window, node, blocks))


def _packed_bytes(window: Window) -> int:
    return window.weight_rows * window.isa.element.bytes * window.channels


def _place(f: Function, task: Count, blocks: int, height: int) -> tuple[Count, Count, Count]:
    """Compute the image, channel block and output row of a task. With several blocks, all blocks of
    the upper half of the rows come before those of the lower half, so that two threads read the
    rows that they computed in the layer before."""
    halves = 2 if blocks > 1 and height % 2 == 0 else 1
    rows = height // halves
    rest, y = f.binary("udiv", task, rows), f.binary("urem", task, rows)
    if blocks == 1:
        return rest, 0, y
    rest, number = f.binary("udiv", rest, blocks), f.binary("urem", rest, blocks)
    image, half = f.binary("udiv", rest, halves), f.binary("urem", rest, halves)
    return image, number, f.binary("add", y, f.binary("mul", half, rows))


def image_pointers(f: Function, site: Site, image: Count, role: str = "x") -> list[str]:
    """Compute the addresses of the values of an operand for one image of the batch."""
    return [
        f.offset(pointer, f.binary("mul", image, buffer.bytes // buffer.type.shape[0]))
        for pointer, buffer in zip(site.pointers(role), site.buffers(role), strict=True)
    ]
