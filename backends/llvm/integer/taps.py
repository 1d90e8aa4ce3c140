"""Depthwise convolutions on bytes, for 64-bit Arm and VNNI: sums of products of 8-bit numbers.

A strip is 16 channels of a whole output row, or 64 and 32 on vectors of 512 and 256 bits: its
weights are loaded once, or for each output where there are few registers, and each input column
once, for all outputs above it. The last strip of
channels that fill no vector overlaps the one before. Bytes are interleaved within blocks of 128
bits, so a vector of sums has four channels of each 16, and narrowing puts them in order.
Codes are read less what the unit subtracts; the bias makes up for it, and a constant stands for
padding. Packed: [strip][bias s32][multiplier f32][weights of the unit].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.codes import floats, integers, repeated
from mbc.backends.llvm.integer.narrow import Piece, store_blocks, store_pieces
from mbc.backends.llvm.integer.strips import (
    HEAD,
    VECTORS,
    Strip,
    by_block,
    holds_weights,
    strip_bytes,
    strips_of,
    unit_of,
)
from mbc.backends.llvm.vectors import arithmetic, load
from mbc.backends.llvm.window import Part, Window
from mbc.backends.llvm.window_code import row_parameters
from mbc.records import dataclass

SHORT_ROW = 8  # outputs that are emitted without a loop
TURNS = range(4, 8)  # outputs of a turn of the loop


@dataclass(frozen=True)
class Cursor:
    """Addresses of a strip."""

    rows: tuple[str, ...]
    """The first pixel of each window row inside the image."""
    weights: str
    """Packed weights."""
    out: str
    """The first output."""

    def moved(self, f: Function, channels: int, weights: int, out: int) -> Cursor:
        """Advance by channels, packed bytes and bytes of the output."""
        rows = tuple(f.offset(row, channels) for row in self.rows)
        return Cursor(rows, f.offset(self.weights, weights), f.offset(self.out, out))


def taps_row(window: Window, rows: tuple[int, ...]) -> Function:
    """Emit the function of an output row that has window rows `rows` inside the image."""
    f, size = Function(window.isa, row_parameters(window)), window.out_bytes
    weights, out, left = "%w", "%out", sum(part.channels for part in window.parts)
    for index, part in enumerate(window.parts):
        at = Cursor(tuple(f"%x{index}_{ky}" for ky in rows), weights, out)
        done = 0
        for strips in _alike(strips_of(part, unit_of(window).widths)):
            (first, width), count = strips[0], len(strips)
            at = at.moved(f, first - done, 0, (first - done) * size)
            with f.vectors_of(replace(window.isa, lanes=width // VECTORS)):
                at = _emit_strips(f, window, part, rows, at, Strips(width, count, min(width, left)))
            done = first + width * count
        weights, out = at.weights, f.offset(out, part.channels * size)
        left -= part.channels
    return f


def _alike(strips: Sequence[Strip]) -> list[list[Strip]]:
    """Group strips of one width that follow each other."""
    found: list[list[Strip]] = []
    for strip in strips:
        if found and strip == (sum(found[-1][-1]), found[-1][-1].width):
            found[-1].append(strip)
        else:
            found.append([strip])
    return found


class Strips(NamedTuple):
    """Strips that follow each other."""

    width: int
    """Channels of each."""
    number: int
    """How many."""
    stored: int
    """Channels of each that are stored: those of the pixel. What lies beyond a narrow part is
    stored again by those that follow."""


def _emit_strips(
    f: Function,
    window: Window,
    part: Part,
    rows: tuple[int, ...],
    at: Cursor,
    strips: Strips,
) -> Cursor:
    """Emit strips in a loop; returns the addresses of the next one."""

    def strip(_: Count, values: list[str]) -> Sequence[str]:
        *pixels, weights, out = values
        here = Cursor(tuple(pixels), weights, out)
        _Strip(f, window, part, rows, here, strips.stored).emit()
        moved = here.moved(
            f, strips.width, strip_bytes(window, strips.width), strips.width * window.out_bytes
        )
        return [*moved.rows, moved.weights, moved.out]

    carried = [("ptr", pointer) for pointer in (*at.rows, at.weights, at.out)]
    *pixels, weights, out = f.loop(0, strips.number, carried, strip)
    return Cursor(tuple(pixels), weights, out)


Columns = dict[int, list[str]]
"""Input columns that were loaded, by their number from a cursor on."""
Weights = list[list[str]]
"""Weights that were loaded, by column."""


@dataclass(frozen=True)
class _Strip:
    """The code of a strip of a row."""

    f: Function
    window: Window
    part: Part
    rows: tuple[int, ...]
    """Window rows inside the image."""
    at: Cursor
    """Addresses of the first input and output column."""
    stored: int
    """Channels that are stored."""

    @property
    def _width(self) -> int:
        return VECTORS * self.f.isa.lanes

    @property
    def _bytes(self) -> str:
        return f"<{self._width} x i8>"

    def emit(self) -> None:
        """Emit all outputs: those at the borders, and between them a loop over the others."""
        window = self.window
        weights = self._weights() if holds_weights(window) else None
        first, end = self._inside()
        turn = min(TURNS, key=lambda n: ((end - first) % n, -n))
        turns = (end - first) // turn if window.out_width > SHORT_ROW else 0
        columns: Columns = {}
        if turns > 1:
            self._outputs(self.at, weights, range(first), -window.pad[2], columns)
            columns = self._loop(weights, columns, first, turn, turns)
            first += turn * turns
        else:
            first = 0
        rest = range(first, window.out_width)
        self._outputs(self.at, weights, rest, -window.pad[2], columns)

    def _inside(self) -> tuple[int, int]:
        """Return the first output whose columns are all inside the image, and the one after the
        last."""
        stride, pad = self.window.stride[1], self.window.pad[2]
        first = -(-pad // stride)
        last = (self.window.width - self.window.kernel[1] + pad) // stride
        return first, max(last + 1, first)

    def _weights(self) -> Weights:
        """Load all weights."""
        each = unit_of(self.window).vectors
        flat = [self._weight(number) for number in range(self.window.kernel[1] * each)]
        return [flat[start : start + each] for start in range(0, len(flat), each)]

    def _weight(self, number: int) -> str:
        address = self.f.offset(self.at.weights, (HEAD + number) * self._width)
        return self.f.op(f"load {self._bytes}, ptr {address}, align 1")

    def _loop(
        self, weights: Weights | None, columns: Columns, first: int, turn: int, turns: int
    ) -> Columns:
        """Emit turns of outputs, from the first on; returns the input columns that are left."""
        f, window = self.f, self.window
        stride, start = window.stride[1], first * window.stride[1] - window.pad[2]
        kept = range(max(window.kernel[1] - stride, 0))
        held = [self._column(self.at, start + i, columns) for i in kept]
        each = unit_of(window).vectors
        here = self.at.moved(f, start * self.part.pixel, 0, first * window.out_pixel)
        count = len(here.rows)

        def as_columns(values: Sequence[str]) -> Columns:
            return {i: list(values[i * each : (i + 1) * each]) for i in kept}

        def body(_: Count, values: list[str]) -> Sequence[str]:
            cursor = Cursor(tuple(values[:count]), self.at.weights, values[count])
            loaded = as_columns(values[count + 1 :])
            self._outputs(cursor, weights, range(turn), 0, loaded)
            left = [v for i in kept for v in self._column(cursor, turn * stride + i, loaded)]
            across = turn * stride * self.part.pixel
            moved = cursor.moved(f, across, 0, turn * window.out_pixel)
            return [*moved.rows, moved.out, *left]

        pointers = [("ptr", pointer) for pointer in (*here.rows, here.out)]
        carried = [(self._bytes, vector) for column in held for vector in column]
        values = f.loop(0, turns, [*pointers, *carried], body)
        start += turns * turn * stride
        return {start + i: own for i, own in as_columns(values[count + 1 :]).items()}

    def _outputs(
        self,
        at: Cursor,
        weights: Weights | None,
        outputs: Sequence[int],
        origin: int,
        columns: Columns,
    ) -> None:
        """Emit outputs counted from a cursor; `origin` is the first input column under output 0."""
        for output in outputs:
            left = origin + output * self.window.stride[1]
            taps = range(self.window.kernel[1])
            under = [self._column(at, left + kx, columns) for kx in taps]
            self._output(at, output, under, weights)

    def _column(self, at: Cursor, number: int, columns: Columns) -> list[str]:
        """Return an input column, loaded unless it was."""
        if number not in columns:
            columns[number] = self._loaded(at, number)
        return columns[number]

    def _loaded(self, at: Cursor, number: int) -> list[str]:
        f, window, unit = self.f, self.window, unit_of(self.window)
        assert window.codes is not None
        padding = repeated("i8", window.codes.zero - unit.less, self._width)
        rows = dict(zip(self.rows, at.rows, strict=True))
        inside = 0 <= number < window.width

        def row(ky: int) -> str:
            if not inside or ky not in rows:
                return padding
            address = f.offset(rows[ky], number * self.part.pixel)
            codes = f.op(f"load {self._bytes}, ptr {address}, align 1")
            if not unit.less:
                return codes
            return f.op(f"xor {self._bytes} {codes}, {repeated('i8', -unit.less, self._width)}")

        return unit.column(f, [row(ky) for ky in range(window.kernel[0])])

    def _output(
        self, at: Cursor, output: int, under: list[list[str]], weights: Weights | None
    ) -> None:
        f, window = self.f, self.window
        assert window.codes is not None
        f.barrier()
        step, size = f.isa.vector_bytes, window.out_bytes
        places = [self.f.offset(at.weights, i * step) for i in range(2 * VECTORS)]
        ints = integers(f)
        bias = [f.op(f"load {ints}, ptr {place}, align 1") for place in places[:VECTORS]]
        sums = unit_of(window).add(f, bias, under, weights or self._weights())
        steps = [
            arithmetic(f, "fmul", floats(f, total), load(f, place))
            for total, place in zip(sums, places[VECTORS:], strict=True)
        ]
        place = output * window.out_pixel
        if by_block(window):
            store_blocks(f, window.codes.finish, steps, f.offset(at.out, place))
            return
        lanes, pieces = f.isa.lanes, list[Piece]()
        for first, vector in zip(range(0, self.stored, lanes), steps, strict=False):
            left = self.stored - first
            pieces.append(Piece(vector, place + first * size, left if left < lanes else None))
        store_pieces(f, window.codes.finish, pieces, at.out)
