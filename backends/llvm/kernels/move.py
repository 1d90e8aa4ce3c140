"""Copies of channels (concat, split, shuffle), and reshapes."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.codes import pieces
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, moving_function
from mbc.backends.llvm.vectors import alignment, load, load_scalar, store, store_scalar
from mbc.ir.views import ChannelView, Value
from mbc.ops.move import moved_views


def build_channel_copy(site: Site) -> Kernel:
    """Build a kernel that copies channels pixel by pixel; a task per row of pixels."""
    node = site.node
    values = [value for view in node.views for value in view.values]
    buffers = dict(zip(values, (b for bs in site.inputs for b in bs), strict=True))
    names = {value: f"%x{i}" for i, value in reversed(list(enumerate(values)))}
    distinct = list(names)
    f = moving_function(site)
    views = moved_views(node.op, node.views)
    row_pixels = (1, *views[0].type.shape)[-2]
    starts = [*(names[v] for v in distinct), *(f"%y{i}" for i in range(len(views)))]
    pitches = [
        *(buffers[v].pixel_bytes for v in distinct),
        *(o.pixel_bytes for o in site.outputs),
    ]

    def row(index: Count, _: list[str]) -> Sequence[str]:
        at = [
            f.offset(p, f.binary("mul", index, pitch * row_pixels))
            for p, pitch in zip(starts, pitches, strict=True)
        ]
        f.loop(0, row_pixels, [("ptr", p) for p in at], pixel)
        return []

    def pixel(_: Count, at: list[str]) -> Sequence[str]:
        sources = dict(zip(distinct, at, strict=False))
        for view, target in zip(views, at[len(distinct) :], strict=True):
            _copy_pixel(f, view, sources, target)
        return [f.offset(p, pitch) for p, pitch in zip(at, pitches, strict=True)]

    f.loop("%begin", "%end", [], row)
    shape = f"c{sum(v.type.channels for v in views)}_w{row_pixels}"
    name = site.library.define(f"f32_{node.op.mnemonic}_{shape}", f)
    return Kernel(name, site.outputs[0].pixels // row_pixels)


def _copy_pixel(f: Function, view: ChannelView, sources: dict[Value, str], target: str) -> None:
    done, size = 0, view.type.element.bytes
    for value, start, length in channel_runs(view):
        source = f.offset(sources[value], size * start)
        copy_run(f, source, f.offset(target, size * done), length)
        done += length


def channel_runs(view: ChannelView) -> list[tuple[Value, int, int]]:
    """List maximal runs (value, first channel, length) of consecutive channels, as read."""
    runs: list[tuple[Value, int, int]] = []
    for value, channel in view.channels:
        if runs and runs[-1][0] is value and runs[-1][1] + runs[-1][2] == channel:
            runs[-1] = (value, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((value, channel, 1))
    return runs


def copy_run(f: Function, source: str, target: str, length: int) -> None:
    """Copy consecutive elements, in whole vectors and a tail."""
    whole, tail = divmod(length, f.isa.lanes)
    step = f.isa.vector_bytes

    def vector(_: Count, at: list[str]) -> Sequence[str]:
        store(f, load(f, at[0]), at[1])
        return [f.offset(p, step) for p in at]

    at = f.loop(0, whole, [("ptr", source), ("ptr", target)], vector)
    if tail and not f.isa.element.is_float:
        _copy_pieces(f, at, tail)
    elif tail:
        store(f, load(f, at[0], 0, tail), at[1], 0, tail)


def _copy_pieces(f: Function, at: Sequence[str], count: int) -> None:
    """Copy elements by as few loads as can be."""
    size = f.isa.element.bytes
    for start, length in pieces(count):
        kind, place = f"<{length} x {f.isa.scalar}>", size * start
        copied = f.op(f"load {kind}, ptr {f.offset(at[0], place)}, {alignment(f)}")
        f.emit(f"store {kind} {copied}, ptr {f.offset(at[1], place)}, {alignment(f)}")


def build_reshape(site: Site) -> Kernel:
    """Build a reshape that copies single elements; a task per row of the last axis."""
    x, out = site.input("x"), site.output
    f = moving_function(site)
    last = out.type.channels

    def row(index: Count, _: list[str]) -> Sequence[str]:
        target = f.offset("%y0", f.binary("mul", index, out.pixel_bytes))

        def element(column: Count, at: list[str]) -> Sequence[str]:
            source = _reshaped(f, x, out, index, column)
            store_scalar(f, load_scalar(f, source), at[0])
            return [f.offset(at[0], out.element_bytes)]

        f.loop(0, last, [("ptr", target)], element)
        return []

    f.loop("%begin", "%end", [], row)
    return Kernel(site.library.define(f"f32_{site.node.op.mnemonic}_c{last}", f), out.pixels)


def _reshaped(f: Function, x: Buffer, out: Buffer, row: Count, column: Count) -> str:
    """Compute the address of the element of x for (row, column) of the result."""
    flat = f.binary("add", f.binary("mul", row, out.type.channels), column)
    pixel = f.binary("udiv", flat, x.type.channels)
    channel = f.binary("urem", flat, x.type.channels)
    where = f.binary("add", f.binary("mul", pixel, x.pitch), channel)
    return f.offset("%x0", f.binary("mul", where, x.element_bytes))
