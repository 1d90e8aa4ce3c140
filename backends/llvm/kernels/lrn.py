"""Local response normalisation: sums of squares over neighbouring channels, in two passes."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.formula import Lanes
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Kernel, Site
from mbc.backends.llvm.kernels.copies import zero_bytes
from mbc.backends.llvm.kernels.rows import sweep
from mbc.backends.llvm.unary import power
from mbc.backends.llvm.vectors import arithmetic, load, store
from mbc.ops.rows import Lrn


def lrn_scratch(isa: Isa, op: Lrn, channels: int) -> int:
    """Return the bytes of the squares of a pixel, with zeros on both sides."""
    before, after = (isa.padded(reach) for reach in op.reach(channels))
    return (before + isa.padded(channels) + after) * isa.element.bytes


def build_lrn(site: Site) -> Kernel:
    """Build two passes over a pixel: squares into the scratch, result. A task a pixel."""
    op, x, out, isa = site.node.op, site.input("x"), site.output, site.isa
    assert isinstance(op, Lrn)
    f, channels = site.kernel_function(), x.type.channels
    scratch = lrn_scratch(isa, op, channels)
    zero_bytes(f, "%scratch", scratch)

    def pixel(index: Count, _: list[str]) -> Sequence[str]:
        source = f.offset("%x0", f.binary("mul", index, x.pixel_bytes))
        _emit(f, op, channels, source, f.offset("%y0", f.binary("mul", index, out.pixel_bytes)))
        return []

    f.loop("%begin", "%end", [], pixel)
    before, after = op.reach(channels)
    name = site.library.define(f"f32_lrn_c{channels}_{before + 1 + after}", f)
    return Kernel(name, x.pixels, scratch)


def _emit(f: Function, op: Lrn, channels: int, x: str, out: str) -> None:
    before, after = op.reach(channels)
    first = f.isa.padded(before)
    squares = f.offset("%scratch", first * f.isa.element.bytes)
    window = f.offset("%scratch", (first - before) * f.isa.element.bytes)

    def square(at: Sequence[str], _: Sequence[str], lanes: int | None) -> Sequence[str]:
        given = load(f, at[0], 0, lanes)
        store(f, arithmetic(f, "fmul", given, given), at[1])
        return []

    def tap(_: Count, values: list[str]) -> Sequence[str]:
        total = arithmetic(f, "fadd", values[1], load(f, values[0]))
        return [f.offset(values[0], f.isa.element.bytes), total]

    def put(at: Sequence[str], _: Sequence[str], lanes: int | None) -> Sequence[str]:
        start = [("ptr", at[2]), (f.isa.vector, "zeroinitializer")]
        _, total = f.loop(0, before + 1 + after, start, tap)
        base = Lanes(f, total) * (op.alpha / op.size) + op.bias
        result = Lanes(f, load(f, at[0], 0, lanes)) * power(base, -op.beta)
        store(f, result.name, at[1], 0, lanes)
        return []

    sweep(f, [x, squares], channels, [], square)
    sweep(f, [x, out, window], channels, [], put)
