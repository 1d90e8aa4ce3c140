"""Products of two computed matrices, by plain loops: a row of the result in strips of vectors."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.kernels.base import Kernel, Site
from mbc.backends.llvm.vectors import fma, load, load_scalar, splat, store

STRIP = 4  # vectors of a row of the result that are summed side by side


def build_matmul(site: Site) -> Kernel:
    """Build the product of matrices [...,m,k] and [...,k,n]; a task a row of the result."""
    a, b, out = site.input("a"), site.input("b"), site.output
    f = site.kernel_function()
    terms, width = b.type.shape[-2], out.type.channels
    rows, matrix = a.type.shape[-2], terms * b.pixel_bytes

    def row(index: Count, _: list[str]) -> Sequence[str]:
        left = f.offset("%x0", f.binary("mul", index, a.pixel_bytes))
        number = f.binary("udiv", index, rows)
        right = f.offset("%x1", f.binary("mul", number, matrix))
        target = f.offset("%y0", f.binary("mul", index, out.pixel_bytes))
        _emit_row(f, (left, right, target), terms, width, (a.element_bytes, b.pixel_bytes))
        return []

    f.loop("%begin", "%end", [], row)
    name = site.library.define(f"f32_matmul_k{terms}_n{width}", f)
    return Kernel(name, out.pixels)


def _emit_row(
    f: Function, at: tuple[str, str, str], terms: int, width: int, steps: tuple[int, int]
) -> None:
    left, right, target = at
    strip = STRIP * f.isa.lanes
    whole, rest = divmod(width, strip)

    def body(_: Count, here: list[str]) -> Sequence[str]:
        lanes: list[int | None] = [None] * STRIP
        _emit_strip(f, (left, here[0], here[1]), terms, lanes, steps)
        return [f.offset(p, strip * f.isa.element.bytes) for p in here]

    here = f.loop(0, whole, [("ptr", right), ("ptr", target)], body)
    vectors, tail = divmod(rest, f.isa.lanes)
    last: list[int | None] = [*[None] * vectors, *([tail] if tail else [])]
    if last:
        _emit_strip(f, (left, here[0], here[1]), terms, last, steps)


def _emit_strip(
    f: Function,
    at: tuple[str, str, str],
    terms: int,
    lanes: Sequence[int | None],
    steps: tuple[int, int],
) -> None:
    """Emit some vectors of a row, of which each has so many lanes (None: all)."""

    def term(_: Count, values: list[str]) -> Sequence[str]:
        factor, below, *sums = values
        number = splat(f, load_scalar(f, factor))
        rows = [load(f, below, j * f.isa.vector_bytes, some) for j, some in enumerate(lanes)]
        sums = [fma(f, number, row, total) for row, total in zip(rows, sums, strict=True)]
        return [f.offset(factor, steps[0]), f.offset(below, steps[1]), *sums]

    start = [("ptr", at[0]), ("ptr", at[1]), *[(f.isa.vector, "zeroinitializer")] * len(lanes)]
    _, _, *sums = f.loop(0, terms, start, term)
    for j, (total, some) in enumerate(zip(sums, lanes, strict=True)):
        store(f, total, at[2], j * f.isa.vector_bytes, some)
