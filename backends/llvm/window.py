"""Sliding windows without a sum over channels: depthwise convolution, max and average pools.

Output columns are dealt into register tiles; tiles that see the same part of the window (borders
differ) share one loop. Within a tile the channel vectors run innermost. Rows are grouped alike:
each class of rows is one function of its own, picked by the row number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from mbc.backends.llvm.emitter import Count, Function, Parameter
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.vectors import activate, arithmetic, fma, load, maximum, splat_literal, store
from mbc.ir.types import Act

Tap = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A window op on one image. Pitches are in bytes, `x_pixel` from pixel to pixel, `x_row` from
    row to row. Unless `padded`, the last channel vector of a pixel is read and written narrow."""

    isa: Isa
    kind: Literal["depthwise", "max", "avg"]
    height: int
    width: int
    out_height: int
    out_width: int
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    dilation: tuple[int, int]
    x_pixel: int
    x_row: int
    out_pixel: int
    padded: bool
    act: Act = Act.NONE
    count_pad: bool = False

    @property
    def taps(self) -> int:
        """Positions of the window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def tile(self) -> int:
        """Output columns of a register tile."""
        preferred = (4, 7, 5, 6, 3, 2)
        return next((t for t in preferred if self.out_width % t == 0), min(4, self.out_width))

    def valid_rows(self, y: int) -> tuple[int, ...]:
        """Window rows that lie inside the image for output row y."""
        first = y * self.stride[0] - self.pad[0]
        return tuple(
            ky for ky in range(self.kernel[0]) if 0 <= first + ky * self.dilation[0] < self.height
        )

    def valid_columns(self, x: int) -> tuple[int, ...]:
        """Window columns inside the image for output column x."""
        first = x * self.stride[1] - self.pad[2]
        return tuple(
            kx for kx in range(self.kernel[1]) if 0 <= first + kx * self.dilation[1] < self.width
        )

    def row_classes(self) -> list[tuple[tuple[int, ...], list[int]]]:
        """(window rows inside, output rows); the class with most rows last."""
        rows: dict[tuple[int, ...], list[int]] = {}
        for y in range(self.out_height):
            rows.setdefault(self.valid_rows(y), []).append(y)
        return sorted(rows.items(), key=lambda item: len(item[1]))

    def tile_runs(self) -> list[TileRun]:
        """The tiles of an output row, equal neighbours together."""
        starts = range(0, self.out_width, self.tile)
        shapes = [
            tuple(self.valid_columns(x) for x in range(x0, min(x0 + self.tile, self.out_width)))
            for x0 in starts
        ]
        runs, index = [], 0
        for shape, same in groupby(shapes):
            count = len(list(same))
            runs.append(TileRun(starts[index], shape, count))
            index += count
        return runs


@dataclass(frozen=True)
class TileRun:
    """`count` equal tiles from output column `start`; `columns` are the window columns inside the
    image of each output column of a tile."""

    start: int
    columns: tuple[tuple[int, ...], ...]
    count: int


def pack_depthwise(isa: Isa, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """[channel vector][bias, taps][lanes] from weight [kh,kw,1,c] and bias [c]."""
    taps = weight.reshape(-1, weight.shape[-1])
    rows = np.concatenate([bias[None], taps]).astype(np.float32)
    rows = np.pad(rows, ((0, 0), (0, isa.padded(rows.shape[1]) - rows.shape[1])))
    return np.ascontiguousarray(rows.reshape(len(rows), -1, isa.lanes).transpose(1, 0, 2)).ravel()


ROW_PARAMETERS = (Parameter("ptr", "%x"), Parameter("ptr", "%w"), Parameter("ptr", "%out"))


def row_function(window: Window, rows: tuple[int, ...]) -> Function:
    """One output row. %x is the address of the image pixel under the window's corner, were it
    inside; %w the packed weights; %out the first output pixel."""
    f = Function(window.isa, ROW_PARAMETERS)
    for run in window.tile_runs():
        column = run.start * window.stride[1] - window.pad[2]
        x = f.offset("%x", column * window.x_pixel)
        out = f.offset("%out", run.start * window.out_pixel)
        width = len(run.columns)

        def tile(_: Count, at: list[str], run: TileRun = run, width: int = width) -> Sequence[str]:
            _emit_tile(f, window, rows, run, at[0], at[1])
            advance = width * window.stride[1] * window.x_pixel
            return [f.offset(at[0], advance), f.offset(at[1], width * window.out_pixel)]

        f.loop(0, run.count, [("ptr", x), ("ptr", out)], tile)
    return f


def _emit_tile(
    f: Function, window: Window, rows: tuple[int, ...], run: TileRun, x: str, out: str
) -> None:
    """All channels of a tile: whole vectors in a loop, then a narrow one if there is no padding."""
    step = f.isa.vector_bytes
    tail = 0 if window.padded else window.channels % f.isa.lanes
    whole = window.channels // f.isa.lanes if tail else f.isa.vectors(window.channels)
    weight_step = (1 + window.taps) * step if window.kind == "depthwise" else 0

    def vector(_: Count, at: list[str]) -> Sequence[str]:
        _emit_vector(f, window, rows, run, at, None)
        return [f.offset(at[0], step), f.offset(at[1], weight_step), f.offset(at[2], step)]

    at = f.loop(0, whole, [("ptr", x), ("ptr", "%w"), ("ptr", out)], vector)
    if tail:
        _emit_vector(f, window, rows, run, at, tail)


def _emit_vector(
    f: Function,
    window: Window,
    rows: tuple[int, ...],
    run: TileRun,
    at: list[str],
    lanes: int | None,
) -> None:
    x, weights, out = at
    combine = _depthwise if window.kind == "depthwise" else _max if window.kind == "max" else _avg
    for column, value in enumerate(combine(f, window, rows, run, x, weights, lanes)):
        store(f, activate(f, value, window.act), out, column * window.out_pixel, lanes)


Results = list[str]


def _pixels(
    f: Function, window: Window, run: TileRun, x: str, lanes: int | None, fill: float
) -> Callable[[int, int, int], str]:
    """Loader of the pixel under window position (ky, kx) of an output column, each loaded once."""
    loaded: dict[tuple[int, int], str] = {}

    def pixel(ky: int, kx: int, column: int) -> str:
        across = column * window.stride[1] + kx * window.dilation[1]
        down = ky * window.dilation[0]
        if (down, across) not in loaded:
            where = down * window.x_row + across * window.x_pixel
            loaded[down, across] = load(f, x, where, lanes, fill)
        return loaded[down, across]

    return pixel


def _depthwise(
    f: Function,
    window: Window,
    rows: tuple[int, ...],
    run: TileRun,
    x: str,
    weights: str,
    lanes: int | None,
) -> Results:
    step = f.isa.vector_bytes
    acc = [load(f, weights)] * len(run.columns)
    pixel = _pixels(f, window, run, x, lanes, 0.0)
    for ky in rows:
        for kx in range(window.kernel[1]):
            users = [c for c, inside in enumerate(run.columns) if kx in inside]
            if not users:
                continue
            weight = load(f, weights, (1 + ky * window.kernel[1] + kx) * step)
            for column in users:
                acc[column] = fma(f, pixel(ky, kx, column), weight, acc[column])
    return acc


def _max(
    f: Function,
    window: Window,
    rows: tuple[int, ...],
    run: TileRun,
    x: str,
    weights: str,
    lanes: int | None,
) -> Results:
    pixel = _pixels(f, window, run, x, lanes, 0.0)
    results = []
    for column, inside in enumerate(run.columns):
        values = [pixel(ky, kx, column) for ky in rows for kx in inside]
        best = values[0]
        for value in values[1:]:
            best = maximum(f, best, value)
        results.append(best)
    return results


def _avg(
    f: Function,
    window: Window,
    rows: tuple[int, ...],
    run: TileRun,
    x: str,
    weights: str,
    lanes: int | None,
) -> Results:
    pixel = _pixels(f, window, run, x, lanes, 0.0)
    results = []
    for column, inside in enumerate(run.columns):
        values = [pixel(ky, kx, column) for ky in rows for kx in inside]
        total = values[0]
        for value in values[1:]:
            total = arithmetic(f, "fadd", total, value)
        count = window.taps if window.count_pad else len(values)
        results.append(arithmetic(f, "fmul", total, splat_literal(f, 1.0 / count)))
    return results


def emit_row(
    f: Function, window: Window, functions: Sequence[str], x: str, w: str, out: str, y: str
) -> None:
    """Call the function of row y's class. `functions` are the names of `row_functions`; x is the
    image's first pixel, out the address of the output row."""
    word = f.isa.word
    top = f.op(f"mul {word} {y}, {window.stride[0] * window.x_row}")
    corner = f.offset(f.offset(x, top), -window.pad[0] * window.x_row)
    arguments = f"ptr {corner}, ptr {w}, ptr {out}"

    def call(name: str) -> Callable[[], None]:
        return lambda: f.emit(f"call void @{name}({arguments})")

    classes = window.row_classes()
    if len(classes) == 1:
        call(functions[0])()
        return
    f.switch(y, [(ys, call(name)) for (_, ys), name in zip(classes, functions, strict=True)])


def row_functions(window: Window) -> list[Function]:
    """One function a class of rows, in the order of `row_classes`."""
    return [row_function(window, rows) for rows, _ in window.row_classes()]
