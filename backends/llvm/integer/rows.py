"""Conversion of rows of codes to the form that a dot unit reads.

On 64-bit Arm bytes stay bytes, so pieces of a run may overlap: its last vector ends where the run
ends, and what lies behind a short run goes along where it can be read, since rows are written from
their first byte to their last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.integer.codes import pieces, repeated
from mbc.backends.llvm.integer.dots import Dot
from mbc.backends.llvm.integer.product import Product
from mbc.backends.llvm.integer.several import BYTES, MOST, SIZE, loaded, stored
from mbc.records import dataclass

PIECE = 16  # codes that are converted at a time
SEVERAL = MOST * SIZE  # bytes that several vectors hold
STRAIGHT = 512  # most bytes without a loop


@dataclass(frozen=True)
class Codes:
    """How codes are converted."""

    dot: Dot
    """The unit that reads them."""
    zero: int
    """Their zero point."""

    @property
    def padding(self) -> int:
        """What stands for a code that represents 0."""
        return self.zero - self.dot.subtracted(self.zero)

    def run(self, f: Function, source: str, target: str, length: int, spare: int = 0) -> None:
        """Convert consecutive codes; so many behind them can be read."""
        if f.isa.name == "neon" and self.dot.bytes == 1:
            self._bytes(f, source, target, length, spare)
            return
        whole = length // PIECE * PIECE

        def body(_: Count, at: list[str]) -> Sequence[str]:
            self._piece(f, at[0], at[1], PIECE)
            return [f.offset(at[0], PIECE), f.offset(at[1], PIECE * self.dot.bytes)]

        at = f.loop(0, whole, [("ptr", source), ("ptr", target)], body, step=PIECE)
        for start, count in pieces(length - whole):
            here = f.offset(at[0], start), f.offset(at[1], start * self.dot.bytes)
            self._piece(f, *here, count)

    def _piece(self, f: Function, source: str, target: str, count: int) -> None:
        codes = f.op(f"load <{count} x i8>, ptr {source}, align 1")
        word, less = f"i{self.dot.bits}", self.dot.subtracted(self.zero)
        kind = f"<{count} x {word}>"
        if self.dot.bits > 8:
            codes = f.op(f"zext <{count} x i8> {codes} to {kind}")
        if less:
            codes = f.op(f"sub {kind} {codes}, {repeated(word, less, count)}")
        f.emit(f"store {kind} {codes}, ptr {target}, align 1")

    def _bytes(self, f: Function, source: str, target: str, length: int, spare: int) -> None:
        """Convert bytes: several vectors at a time, then by pieces that overlap."""
        whole = length // SEVERAL * SEVERAL
        turn = SEVERAL if whole > STRAIGHT else whole

        def body(_: Count, at: list[str]) -> Sequence[str]:
            for _ in range(0, turn, SEVERAL):
                after, vectors = loaded(f, at[0], MOST)
                at = [after, stored(f, at[1], [self._less(f, v, BYTES) for v in vectors])]
            return at

        ends = f.loop(0, whole, [("ptr", source), ("ptr", target)], body, step=max(turn, 1))
        for start, count in overlapping(length - whole, spare, before=whole):
            kind = BYTES if count == SIZE else f"i{8 * count}"
            codes = f.op(f"load {kind}, ptr {f.offset(ends[0], start)}, align 1")
            place = f.offset(ends[1], start)
            f.emit(f"store {kind} {self._less(f, codes, kind)}, ptr {place}, align 1")

    def _less(self, f: Function, codes: str, kind: str) -> str:
        """Subtract from bytes what the unit wants: nothing, or the highest bit."""
        less = self.dot.subtracted(self.zero)
        if not less:
            return codes
        assert less == 128
        if kind == BYTES:
            return f.op(f"xor {kind} {codes}, {repeated('i8', less, SIZE)}")
        return f.op(f"xor {kind} {codes}, {int.from_bytes([less] * (int(kind[1:]) // 8))}")

    def fill(self, f: Function, target: str, length: int) -> None:
        """Store paddings."""
        word = f"i{self.dot.bits}"
        for start, count in pieces(length):
            kind, place = f"<{count} x {word}>", f.offset(target, start * self.dot.bytes)
            f.emit(f"store {kind} {repeated(word, self.padding, count)}, ptr {place}, align 1")


def overlapping(length: int, spare: int, before: int) -> list[tuple[int, int]]:
    """Split a count of bytes into vectors and words that may overlap: (start, length). `before`
    and `spare` are those before and behind it that may be part of them."""
    found = [(start, SIZE) for start in range(0, length - SIZE + 1, SIZE)]
    rest = length % SIZE
    if not rest:
        return found
    if before + length >= SIZE:
        return [*found, (length - SIZE, SIZE)]
    if length + spare >= SIZE:
        return [(0, SIZE)]
    size = 1 << rest.bit_length() - 1
    return [(start, size) for start in sorted({0, rest - size})]


class Source(NamedTuple):
    """Pixels whose channels are read."""

    address: str
    """Address of the first one."""
    pitch: int
    """Bytes from pixel to pixel."""
    channels: int
    """Channels of a pixel."""


class _Piece(NamedTuple):
    """A run of a row, and its place in the converted one."""

    run: Run
    place: int
    """Bytes from the start of the row."""


def _pieces(product: Product, groups: Sequence[Sequence[Run]]) -> list[_Piece]:
    """List the runs of all groups, joined where they go on in both."""
    found = list[_Piece]()
    for group, runs in enumerate(groups):
        place = group * product.group_a
        for run in runs:
            last = found[-1] if found else None
            if (
                last is not None
                and last.run.shifted(last.run.length)._replace(length=run.length) == run
                and last.place + last.run.length * product.dot.bytes == place
            ):
                longer = last.run._replace(length=last.run.length + run.length)
                found[-1] = last._replace(run=longer)
            else:
                found.append(_Piece(run, place))
            place += run.length * product.dot.bytes
    return found


def emit_rows(
    product: Product,
    codes: Codes,
    groups: Sequence[Sequence[Run]],
    sources: Sequence[Source],
    f: Function,
    first: Count,
    last: Count,
    target: str,
) -> None:
    """Convert rows first … last-1, whose elements are runs of the sources."""
    starts = [f.offset(s.address, f.binary("mul", first, s.pitch)) for s in sources]

    def row(_: Count, at: list[str]) -> Sequence[str]:
        target, *here = at
        for run, place in _pieces(product, groups):
            source = f.offset(here[run.source], run.offset)
            spare = sources[run.source].channels - run.offset - run.length
            codes.run(f, source, f.offset(target, place), run.length, spare)
        moved = [f.offset(p, s.pitch) for p, s in zip(here, sources, strict=True)]
        return [f.offset(target, product.a_pitch), *moved]

    f.loop(first, last, [("ptr", target), *(("ptr", p) for p in starts)], row)
