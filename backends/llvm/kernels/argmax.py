"""The index of the largest element along an axis.

Each lane keeps its largest number so far, and the index of that. Where the axis is that of the
channels, the lanes are compared last: as integers that are ordered as the numbers are, all NaN
above them and equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Library, Site
from mbc.backends.llvm.vectors import LOWEST, arithmetic, compare, load, select, splat_literal
from mbc.ops.argmax import ArgMax
from mbc.records import dataclass

CHUNK = 4  # channel vectors that are compared side by side
UNROLLED = 8  # vectors of a pixel that take no loop
MOST = 2**31 - 1


@dataclass(frozen=True)
class Largest:
    """Per lane, the largest number so far and its index."""

    number: str
    index: str

    def or_later(self, f: Function, number: str, index: str) -> Largest:
        """Take numbers of larger indices where they are larger, or the first NaN."""
        above = compare(f, "ugt", number, self.number)
        settled = compare(f, "ord", self.number, self.number)
        taken = f.op(f"and <{f.isa.lanes} x i1> {above}, {settled}")
        kept = _chosen(f, taken, index, self.index)
        return Largest(select(f, taken, number, self.number), kept)

    def first(self, f: Function) -> str:
        """Return the smallest index, as a scalar, of the largest number of all lanes."""
        ints, lanes = _ints(f), f.isa.lanes
        zero = splat_literal(f, 0.0)
        bits = f.op(f"bitcast {f.isa.vector} {arithmetic(f, 'fadd', self.number, zero)} to {ints}")
        sign = f.op(f"ashr {ints} {bits}, {_same(f, 31)}")  # of -0.0 the sum is 0.0
        turned = f.op(f"lshr {ints} {sign}, {_same(f, 1)}")
        key = f.op(f"xor {ints} {bits}, {turned}")
        key = _chosen(f, compare(f, "uno", self.number, self.number), _same(f, MOST), key)
        top = f.op(f"call i32 @{_reduction(f, 'smax')}({ints} {key})")
        alone = f.op(f"insertelement {ints} poison, i32 {top}, i32 0")
        mask = ", ".join(["i32 0"] * lanes)
        tops = f.op(f"shufflevector {ints} {alone}, {ints} poison, <{lanes} x i32> <{mask}>")
        here = f.op(f"icmp eq {ints} {key}, {tops}")
        places = _chosen(f, here, self.index, _same(f, MOST))
        return f.op(f"call i32 @{_reduction(f, 'smin')}({ints} {places})")


def _ints(f: Function) -> str:
    return f"<{f.isa.lanes} x i32>"


def _listed(numbers: Iterable[int]) -> str:
    return f"<{', '.join(f'i32 {number}' for number in numbers)}>"


def _same(f: Function, number: int) -> str:
    return _listed([number] * f.isa.lanes)


def _from(f: Function, first: int) -> str:
    return _listed(range(first, first + f.isa.lanes))


def _chosen(f: Function, bits: str, a: str, b: str) -> str:
    ints = _ints(f)
    return f.op(f"select <{f.isa.lanes} x i1> {bits}, {ints} {a}, {ints} {b}")


def _reduction(f: Function, kind: str) -> str:
    return f"llvm.vector.reduce.{kind}.v{f.isa.lanes}i32"


def _declare(library: Library, f: Function) -> None:
    for kind in ("smax", "smin"):
        library.declare(f"declare i32 @{_reduction(f, kind)}({_ints(f)})")


def build_argmax(site: Site) -> Kernel:
    """Build the kernel; a task a pixel of the result."""
    op, x, out = site.node.op, site.input("x"), site.output
    assert isinstance(op, ArgMax)
    f, over_channels = site.kernel_function(), op.axis == x.type.rank - 1
    _declare(site.library, f)

    def pixel(index: Count, _: list[str]) -> Sequence[str]:
        target = f.offset("%y0", f.binary("mul", index, out.pixel_bytes))
        if over_channels:
            _emit_rows(f, x, out, index, target)
        else:
            _emit_pixel(f, Strides.of(x, op.axis), x, out, index, target)
        return []

    f.loop("%begin", "%end", [], pixel)
    shape = "x".join(map(str, x.type.shape))
    return Kernel(site.library.define(f"f32_argmax{op.axis}_{shape}", f), out.pixels)


def _emit_rows(f: Function, x: Buffer, out: Buffer, index: Count, target: str) -> None:
    """Store the index for each of x's pixels that make up a pixel of the result."""
    first = f.binary("mul", f.binary("mul", index, out.type.channels), x.pixel_bytes)

    def row(_: Count, at: list[str]) -> Sequence[str]:
        found = _row(f, at[0], x.type.channels).first(f)
        f.emit(f"store i32 {found}, ptr {at[1]}, align {out.element_bytes}")
        return [f.offset(at[0], x.pixel_bytes), f.offset(at[1], out.element_bytes)]

    f.loop(0, out.type.channels, [("ptr", f.offset("%x0", first)), ("ptr", target)], row)


def _row(f: Function, at: str, channels: int) -> Largest:
    """Compare the vectors of a pixel; the last one overlaps that before it."""
    lanes, step = f.isa.lanes, f.isa.vector_bytes
    if channels < lanes:
        return Largest(load(f, at, 0, channels, LOWEST), _from(f, 0))
    whole, tail = divmod(channels, lanes)
    found = Largest(load(f, at), _from(f, 0))
    if whole <= UNROLLED:
        for number in range(1, whole):
            found = found.or_later(f, load(f, at, number * step), _from(f, number * lanes))
    else:
        found = _by_loop(f, f.offset(at, step), whole, found)
    if tail:
        rest = channels - lanes
        found = found.or_later(f, load(f, at, rest * f.isa.element.bytes), _from(f, rest))
    return found


def _by_loop(f: Function, at: str, whole: int, found: Largest) -> Largest:
    ints = _ints(f)

    def vector(_: Count, values: list[str]) -> Sequence[str]:
        here, index, *best = values
        after = Largest(*best).or_later(f, load(f, here), index)
        further = f.op(f"add {ints} {index}, {_same(f, f.isa.lanes)}")
        return [f.offset(here, f.isa.vector_bytes), further, after.number, after.index]

    start = [("ptr", at), (ints, _from(f, f.isa.lanes))]
    best = [(f.isa.vector, found.number), (ints, found.index)]
    return Largest(*f.loop(1, whole, [*start, *best], vector)[2:])


@dataclass(frozen=True)
class Strides:
    """How an axis before the channels lies in memory."""

    extent: int
    """Elements along the axis."""
    inner: int
    """Pixels from one of these to the next."""
    step: int
    """The same in bytes."""

    @staticmethod
    def of(x: Buffer, axis: int) -> Strides:
        """Return those of an axis of a buffer."""
        shape = x.type.shape
        inner = prod(shape[axis + 1 : -1])
        return Strides(shape[axis], inner, inner * x.pixel_bytes)

    def first(self, f: Function, index: Count) -> Count:
        """Compute the number of the first pixel for an index along all other axes."""
        outer = f.binary("udiv", index, self.inner) if self.inner > 1 else index
        inside = f.binary("urem", index, self.inner) if self.inner > 1 else 0
        return f.binary("add", f.binary("mul", outer, self.extent * self.inner), inside)


def _emit_pixel(
    f: Function, axis: Strides, x: Buffer, out: Buffer, index: Count, target: str
) -> None:
    """Store the index for each channel by itself; the last vector overlaps that before it."""
    lanes, bytes = f.isa.lanes, CHUNK * f.isa.vector_bytes
    source = f.offset("%x0", f.binary("mul", axis.first(f, index), x.pixel_bytes))
    channels = x.type.channels
    padded = x.is_padded(f.isa) and out.is_padded(f.isa)
    whole = f.isa.vectors(channels) if padded else channels // lanes

    def chunk(_: Count, at: list[str]) -> Sequence[str]:
        _emit_chunk(f, axis, at, CHUNK)
        return [f.offset(pointer, bytes) for pointer in at]

    at = f.loop(0, whole // CHUNK, [("ptr", source), ("ptr", target)], chunk)
    if rest := whole % CHUNK:
        _emit_chunk(f, axis, at, rest)
    if whole * lanes < channels:
        last = max(channels - lanes, 0) * f.isa.element.bytes
        ends = [f.offset(pointer, last) for pointer in (source, target)]
        _emit_chunk(f, axis, ends, 1, min(channels, lanes))


def _emit_chunk(
    f: Function, axis: Strides, at: list[str], vectors: int, lanes: int | None = None
) -> None:
    ints, bytes = _ints(f), f.isa.vector_bytes

    def pixel(_: Count, values: list[str]) -> Sequence[str]:
        here, index, *best = values
        later: list[str] = []
        for j, pair in enumerate(zip(best[::2], best[1::2], strict=True)):
            found = Largest(*pair).or_later(f, load(f, here, j * bytes, lanes), index)
            later += [found.number, found.index]
        return [f.offset(here, axis.step), f.op(f"add {ints} {index}, {_same(f, 1)}"), *later]

    firsts = [(f.isa.vector, load(f, at[0], j * bytes, lanes)) for j in range(vectors)]
    best = [value for first in firsts for value in (first, (ints, _same(f, 0)))]
    start = [("ptr", f.offset(at[0], axis.step)), (ints, _same(f, 1))]
    found = f.loop(1, axis.extent, [*start, *best], pixel)[3::2]
    for j, index in enumerate(found):
        _store(f, index, f.offset(at[1], j * bytes), lanes)


def _store(f: Function, index: str, address: str, lanes: int | None) -> None:
    if lanes is None or lanes == f.isa.lanes:
        f.emit(f"store {_ints(f)} {index}, ptr {address}, align 4")
        return
    for lane in range(lanes):
        number = f.op(f"extractelement {_ints(f)} {index}, i32 {lane}")
        f.emit(f"store i32 {number}, ptr {f.offset(address, 4 * lane)}, align 4")
