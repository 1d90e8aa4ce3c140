"""Depthwise convolutions on bytes, for 64-bit Arm: sums of products of 8-bit numbers.

A strip is 16 channels of a whole output row: its weights are loaded once, and each input column
once, for all outputs above it. The last strip of channels that fill no vector overlaps the one
before. Codes are read less what the unit subtracts; the bias makes up for it, and a constant stands
for padding. Packed: [strip][bias s32][multiplier f32][weights of the unit].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.codes import floats, repeated
from mbc.backends.llvm.integer.dots import dot_of
from mbc.backends.llvm.integer.narrow import Piece, store_pieces
from mbc.backends.llvm.vectors import arithmetic, load
from mbc.backends.llvm.window import Part, Window
from mbc.backends.llvm.window_code import row_parameters
from mbc.records import dataclass

CHANNELS = 16  # of a strip
VECTORS = 4  # of its sums
BYTES = f"<{CHANNELS} x i8>"
HEAD = 2 * 4 * CHANNELS  # bytes of a strip's biases and multipliers
ROWS = 4  # of a window that a dot product takes
SHORT_ROW = 8  # outputs that are emitted without a loop
TURNS = range(4, 8)  # outputs of a turn of the loop
LARGEST = 3  # rows and columns of a window, so that weights and inputs fit the registers


def on_bytes(window: Window) -> bool:
    """Return whether a window op has the kernel of bytes."""
    return (
        window.codes is not None
        and window.kind == "depthwise"
        and window.isa.name == "neon"
        and window.filters == 1
        and window.dilation[1] == 1
        and max(window.kernel) <= LARGEST
        and min(part.channels for part in window.parts) >= CHANNELS
    )


@dataclass(frozen=True)
class Unit:
    """What multiplies windows."""

    less: int
    """What is subtracted from codes."""
    column: Callable[[Function, Sequence[str]], list[str]]
    """From the rows of an input column, 16 channels each, to what is multiplied."""
    add: Callable[
        [Function, list[str], Sequence[Sequence[str]], Sequence[Sequence[str]]], list[str]
    ]
    """From sums, columns, and the weights of each column to sums."""
    pack: Callable[[np.ndarray], np.ndarray]
    """From the weights [row, column, 16] of a strip to bytes, by column."""
    vectors: int
    """Vectors of weights of a column, and of what is multiplied by them."""


def unit_of(window: Window) -> Unit:
    """Return the unit of a window op."""
    dot, rows = dot_of(window.isa), window.kernel[0]
    if dot.steps != ROWS:
        return Unit(128, lambda _, rows: list(rows), _add_pairs, _by_row, rows)
    add, vectors = partial(_add_dots, dot.multiply), VECTORS * -(-rows // ROWS)
    return Unit(dot.subtracted(0), _interleaved, add, _by_channel, vectors)


# Dot products: the bytes of up to four rows are interleaved by channel.


def _interleaved(f: Function, rows: Sequence[str]) -> list[str]:
    found = []
    for start in range(0, len(rows), ROWS):
        a, b, c, d = (rows[min(i, len(rows) - 1)] for i in range(start, start + ROWS))
        for high in (False, True):
            pair = _zip(f, a, c, high=high), _zip(f, b, d, high=high)
            found += [_zip(f, *pair, high=False), _zip(f, *pair, high=True)]
    return found


def _zip(f: Function, a: str, b: str, *, high: bool) -> str:
    start = CHANNELS // 2 * high
    lanes = (lane for i in range(start, start + CHANNELS // 2) for lane in (i, CHANNELS + i))
    mask = ", ".join(f"i32 {lane}" for lane in lanes)
    return f.op(f"shufflevector {BYTES} {a}, {BYTES} {b}, <{CHANNELS} x i32> <{mask}>")


def _add_dots(
    multiply: Callable[[Function, str, str, str], str],
    f: Function,
    sums: list[str],
    columns: Sequence[Sequence[str]],
    weights: Sequence[Sequence[str]],
) -> list[str]:
    for column, own in zip(columns, weights, strict=True):
        for number, (x, w) in enumerate(zip(column, own, strict=True)):
            sums[number % VECTORS] = multiply(f, sums[number % VECTORS], x, w)
    return sums


def _by_channel(weights: np.ndarray) -> np.ndarray:
    rows, columns, channels = weights.shape
    groups = -(-rows // ROWS)
    whole = np.pad(weights, ((0, groups * ROWS - rows), (0, 0), (0, 0)))
    return whole.reshape(groups, ROWS, columns, channels).transpose(2, 0, 3, 1)


# Pairs: the sum of two products of 8 bits, none of which is -128, fits 16 bits.


def _add_pairs(
    f: Function,
    sums: list[str],
    columns: Sequence[Sequence[str]],
    weights: Sequence[Sequence[str]],
) -> list[str]:
    taps = [
        tap
        for column, own in zip(columns, weights, strict=True)
        for tap in zip(column, own, strict=True)
    ]
    for start in range(0, len(taps), 2):
        for half in range(2):
            products = [_product(f, x, w, half) for x, w in taps[start : start + 2]]
            short = products[0]
            if len(products) > 1:
                short = f.op(f"add <8 x i16> {products[0]}, {products[1]}")
            for quarter in range(2):
                place = 2 * half + quarter
                wide = _widened(f, "<8 x i16>", short, 4 * quarter, 4, "i32")
                sums[place] = f.op(f"add <4 x i32> {sums[place]}, {wide}")
    return sums


def _product(f: Function, x: str, w: str, half: int) -> str:
    a, b = (_widened(f, BYTES, v, 8 * half, 8, "i16") for v in (x, w))
    return f.op(f"mul <8 x i16> {a}, {b}")


def _widened(f: Function, kind: str, vector: str, start: int, count: int, to: str) -> str:
    """Sign-extend some lanes."""
    mask = ", ".join(f"i32 {lane}" for lane in range(start, start + count))
    part = f.op(f"shufflevector {kind} {vector}, {kind} poison, <{count} x i32> <{mask}>")
    narrow = kind.rpartition(" ")[2][:-1]
    return f.op(f"sext <{count} x {narrow}> {part} to <{count} x {to}>")


def _by_row(weights: np.ndarray) -> np.ndarray:
    return weights.transpose(1, 0, 2)


# Packing.


def strip_bytes(window: Window) -> int:
    """Return the packed bytes of a strip."""
    return HEAD + CHANNELS * unit_of(window).vectors * window.kernel[1]


def packed_bytes(window: Window) -> int:
    """Return the packed bytes of all strips."""
    return strip_bytes(window) * sum(len(_starts(part)) for part in window.parts)


def _starts(part: Part) -> list[int]:
    """List the first channel of each strip of a part."""
    last = part.channels - CHANNELS
    return [*range(0, last, CHANNELS), last]


def pack_taps(
    window: Window, weight: np.ndarray, bias: np.ndarray, multiplier: np.ndarray
) -> np.ndarray:
    """Pack weight [kh, kw, 1, c], bias [c] and multiplier [c]."""
    unit, taps = unit_of(window), weight.reshape(*window.kernel, -1)
    assert window.codes is not None
    missing = unit.less - window.codes.zero
    whole = bias.astype(np.int64) + missing * taps.astype(np.int64).sum(axis=(0, 1))
    heads = (whole.astype(np.int32), multiplier.astype(np.float32))
    packed, first = list[bytes](), 0
    for part in window.parts:
        for start in _starts(part):
            own = slice(first + start, first + start + CHANNELS)
            parts = (*(head[own] for head in heads), unit.pack(taps[..., own]).astype(np.int8))
            packed += [each.tobytes() for each in parts]
        first += part.channels
    return np.frombuffer(b"".join(packed), np.uint8)


# Code.


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
    f = Function(window.isa, row_parameters(window))
    weights, out, size, step = "%w", "%out", window.out_bytes, strip_bytes(window)
    for index, part in enumerate(window.parts):
        at = Cursor(tuple(f"%x{index}_{ky}" for ky in rows), weights, out)
        *_, last = starts = _starts(part)

        def strip(_: Count, values: list[str], part: Part = part) -> Sequence[str]:
            *pixels, weights, out = values
            here = Cursor(tuple(pixels), weights, out)
            _Strip(f, window, part, rows, here).emit()
            moved = here.moved(f, CHANNELS, step, CHANNELS * size)
            return [*moved.rows, moved.weights, moved.out]

        carried = [("ptr", pointer) for pointer in (*at.rows, at.weights, at.out)]
        whole = part.channels // CHANNELS
        *pixels, weights, after = f.loop(0, whole, carried, strip)
        if whole < len(starts):
            back = last - CHANNELS * whole
            end = Cursor(tuple(pixels), weights, after).moved(f, back, 0, back * size)
            _Strip(f, window, part, rows, end).emit()
            weights = f.offset(weights, step)
        out = f.offset(out, part.channels * size)
    return f


Columns = dict[int, list[str]]
"""Input columns that were loaded, by their number from a cursor on."""


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

    def emit(self) -> None:
        """Emit all outputs: those at the borders, and between them a loop over the others."""
        window, unit = self.window, unit_of(self.window)
        weights = [
            [self._weights(kx * unit.vectors + i) for i in range(unit.vectors)]
            for kx in range(window.kernel[1])
        ]
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

    def _weights(self, number: int) -> str:
        address = self.f.offset(self.at.weights, HEAD + number * CHANNELS)
        return self.f.op(f"load {BYTES}, ptr {address}, align 1")

    def _loop(
        self, weights: list[list[str]], columns: Columns, first: int, turn: int, turns: int
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
        carried = [(BYTES, vector) for column in held for vector in column]
        values = f.loop(0, turns, [*pointers, *carried], body)
        start += turns * turn * stride
        return {start + i: own for i, own in as_columns(values[count + 1 :]).items()}

    def _outputs(
        self,
        at: Cursor,
        weights: list[list[str]],
        outputs: Sequence[int],
        origin: int,
        columns: Columns,
    ) -> None:
        """Emit outputs counted from a cursor; `origin` is the first input column under output 0."""
        for output in outputs:
            left = origin + output * self.window.stride[1]
            under = [self._column(at, left + kx, columns) for kx in range(len(weights))]
            self._output(at, output, under, weights)

    def _column(self, at: Cursor, number: int, columns: Columns) -> list[str]:
        """Return an input column, loaded unless it was."""
        if number not in columns:
            columns[number] = self._loaded(at, number)
        return columns[number]

    def _loaded(self, at: Cursor, number: int) -> list[str]:
        f, window, unit = self.f, self.window, unit_of(self.window)
        assert window.codes is not None
        padding = repeated("i8", window.codes.zero - unit.less, CHANNELS)
        rows = dict(zip(self.rows, at.rows, strict=True))
        inside = 0 <= number < window.width

        def row(ky: int) -> str:
            if not inside or ky not in rows:
                return padding
            address = f.offset(rows[ky], number * self.part.pixel)
            codes = f.op(f"load {BYTES}, ptr {address}, align 1")
            if not unit.less:
                return codes
            return f.op(f"xor {BYTES} {codes}, {repeated('i8', -unit.less, CHANNELS)}")

        return unit.column(f, [row(ky) for ky in range(window.kernel[0])])

    def _output(
        self, at: Cursor, output: int, under: list[list[str]], weights: list[list[str]]
    ) -> None:
        f, window = self.f, self.window
        assert window.codes is not None
        f.emit('call void asm sideeffect "", "~{memory}"()')
        step, size = f.isa.vector_bytes, window.out_bytes
        places = [self.f.offset(at.weights, i * step) for i in range(VECTORS)]
        bias = [f.op(f"load <4 x i32>, ptr {place}, align 1") for place in places]
        pieces = [
            Piece(
                arithmetic(f, "fmul", floats(f, total), load(f, at.weights, HEAD // 2 + i * step)),
                output * window.out_pixel + i * f.isa.lanes * size,
            )
            for i, total in enumerate(unit_of(window).add(f, bias, under, weights))
        ]
        store_pieces(f, window.codes.finish, pieces, at.out)
