"""Reductions: global average pooling and softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mbc.backends.llvm.emitter import Count, Function, float_literal
from mbc.backends.llvm.kernels.base import Kernel, Site
from mbc.backends.llvm.kernels.windows import image_pointers, part_pointers, view_parts
from mbc.backends.llvm.polynomials import exponential
from mbc.backends.llvm.vectors import (
    LOWEST,
    arithmetic,
    larger,
    load,
    reduce_lanes,
    splat,
    splat_literal,
    store,
)
from mbc.backends.llvm.window import Part

CHUNK = 8  # channel vectors that are summed side by side


Means = Callable[[Function, Part, str, str, int, int], None]
"""Emits the means of so many pixels of a part, from an address to another with so much room."""


def build_global_pool(site: Site) -> Kernel:
    """Build the mean over all pixels of an image."""
    return pool_kernel(site, emit_means, "f32")


def pool_kernel(site: Site, means: Means, element: str) -> Kernel:
    """Build a mean over all pixels of an image, part by part of the view; a task per image."""
    view, out = site.node.view("x"), site.output
    images, height, width, channels = view.type.shape
    f, pixels = site.kernel_function(), height * width
    parts = view_parts(view, site.buffers("x"))

    def image(index: Count, _: list[str]) -> Sequence[str]:
        starts = part_pointers(f, view, image_pointers(f, site, index))
        target, done = f.offset("%y0", f.binary("mul", index, out.pixel_bytes)), 0
        for part, start in zip(parts, starts, strict=True):
            place = f.offset(target, out.element_bytes * done)
            means(f, part, start, place, pixels, out.room - done)
            done += part.channels
        return []

    f.loop("%begin", "%end", [], image)
    name = site.library.define(f"{element}_global_avg_pool_c{channels}_{height}x{width}", f)
    return Kernel(name, images)


def emit_means(f: Function, part: Part, x: str, out: str, pixels: int, room: int) -> None:
    """Store the mean of `pixels` pixels of a part, from that at `x` on, to `out`, where `room`
    elements may be overwritten."""
    fits = f.isa.padded(part.channels) <= min(part.room, room)
    whole, tail = divmod(part.channels, f.isa.lanes)
    if fits and tail:
        whole, tail = whole + 1, 0
    step = f.isa.vector_bytes

    def chunk(_: Count, at: list[str]) -> Sequence[str]:
        _emit_mean(f, at[0], at[1], part.pixel, pixels, CHUNK, None)
        return [f.offset(pointer, CHUNK * step) for pointer in at]

    at = f.loop(0, whole // CHUNK, [("ptr", x), ("ptr", out)], chunk)
    rest = whole % CHUNK
    if rest:
        _emit_mean(f, at[0], at[1], part.pixel, pixels, rest, None)
    if tail:
        ends = [f.offset(pointer, rest * step) for pointer in at]
        _emit_mean(f, ends[0], ends[1], part.pixel, pixels, 1, tail)


def _emit_mean(
    f: Function, x: str, out: str, pitch: int, pixels: int, vectors: int, lanes: int | None
) -> None:
    step = f.isa.vector_bytes

    def pixel(_: Count, values: list[str]) -> Sequence[str]:
        at, *sums = values
        sums = [
            arithmetic(f, "fadd", total, load(f, at, j * step, lanes))
            for j, total in enumerate(sums)
        ]
        return [f.offset(at, pitch), *sums]

    zero = (f.isa.vector, "zeroinitializer")
    _, *sums = f.loop(0, pixels, [("ptr", x), *([zero] * vectors)], pixel)
    for j, total in enumerate(sums):
        mean = arithmetic(f, "fmul", total, splat_literal(f, 1.0 / pixels))
        store(f, mean, out, j * step, lanes)


def build_softmax(site: Site) -> Kernel:
    """Build a softmax in three passes over a pixel: maximum; exponentials and their sum; scaling. A
    task per pixel. The maximum may ignore a NaN, whose exponential makes the sum and all results
    NaN."""
    x, out = site.input("x"), site.output
    f = site.kernel_function()
    channels = x.type.channels

    def pixel(index: Count, _: list[str]) -> Sequence[str]:
        source = f.offset("%x0", f.binary("mul", index, x.pixel_bytes))
        target = f.offset("%y0", f.binary("mul", index, out.pixel_bytes))
        _emit_softmax(f, source, target, channels)
        return []

    f.loop("%begin", "%end", [], pixel)
    return Kernel(site.library.define(f"f32_softmax_c{channels}", f), x.pixels)


def _emit_softmax(f: Function, x: str, out: str, channels: int) -> None:
    vector, step = f.isa.vector, f.isa.vector_bytes
    whole, tail = divmod(channels, f.isa.lanes)

    def peak(_: Count, values: list[str]) -> Sequence[str]:
        return [f.offset(values[0], step), larger(f, values[1], load(f, values[0]))]

    at, high = f.loop(0, whole, [("ptr", x), (vector, splat_literal(f, LOWEST))], peak)
    if tail:
        high = larger(f, high, load(f, at, 0, tail, LOWEST))
    top = splat(f, reduce_lanes(f, high, "max"))

    def power(_: Count, values: list[str]) -> Sequence[str]:
        x, out, total = values
        value = exponential(f, arithmetic(f, "fsub", load(f, x), top))
        store(f, value, out)
        return [f.offset(x, step), f.offset(out, step), arithmetic(f, "fadd", total, value)]

    start = [("ptr", x), ("ptr", out), (vector, "zeroinitializer")]
    x_end, out_end, total = f.loop(0, whole, start, power)
    sum_ = reduce_lanes(f, total, "add")
    if tail:
        sum_ = _emit_softmax_tail(f, x_end, out_end, top, sum_, tail)
    scale = splat(f, f.op(f"fdiv float {float_literal(1.0)}, {sum_}"))

    def shrink(_: Count, values: list[str]) -> Sequence[str]:
        store(f, arithmetic(f, "fmul", load(f, values[0]), scale), values[0])
        return [f.offset(values[0], step)]

    (end,) = f.loop(0, whole, [("ptr", out)], shrink)
    if tail:
        store(f, arithmetic(f, "fmul", load(f, end, 0, tail), scale), end, 0, tail)


def _emit_softmax_tail(f: Function, x: str, out: str, top: str, total: str, tail: int) -> str:
    """Emit the last, narrow vector; returns the sum with its valid lanes added."""
    value = exponential(f, arithmetic(f, "fsub", load(f, x, 0, tail), top))
    store(f, value, out, 0, tail)
    for lane in range(tail):
        element = f.op(f"extractelement {f.isa.vector} {value}, i32 {lane}")
        total = f.op(f"fadd float {total}, {element}")
    return total
