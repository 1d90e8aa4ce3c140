"""Sliding windows without a sum over channels: depthwise convolution, max and average pools.

Output columns are dealt into register tiles; tiles that see the same part of the window (borders
differ) share one loop. Within a tile the channel vectors run innermost. Rows are grouped alike:
each class of rows is one function of its own, picked by the row number. The input may lie in
several parts, runs of channels of different tensors; the output has their channels in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import Literal

import numpy as np

from mbc.backends.llvm.emitter import Count, Function, Parameter
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.vectors import activate, arithmetic, fma, load, maximum, splat_literal, store
from mbc.ir.types import Act


@dataclass(frozen=True)
class Part:
    """`channels` consecutive channels of a tensor whose pixels are `pixel` bytes apart; `room`
    floats of a pixel may be read from the first of them on."""

    channels: int
    pixel: int
    room: int


@dataclass(frozen=True)
class Window:
    """A window op on one image. Pitches are in bytes from pixel to pixel. A part's last vector is
    read and written whole where the pixel has room (`out_room` floats of an output pixel), else
    narrow; what it writes too far, the next part overwrites."""

    isa: Isa
    kind: Literal["depthwise", "max", "avg"]
    height: int
    width: int
    out_height: int
    out_width: int
    parts: tuple[Part, ...]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    dilation: tuple[int, int]
    out_pixel: int
    out_room: int
    act: Act = Act.NONE
    count_pad: bool = False

    @property
    def channels(self) -> int:
        """Channels of all parts."""
        return sum(part.channels for part in self.parts)

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


def pack_depthwise(window: Window, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """[channel vector][bias, taps][lanes] from weight [kh,kw,1,c] and bias [c]; each part is padded
    to whole vectors."""
    isa, taps = window.isa, weight.reshape(-1, weight.shape[-1])
    rows = np.concatenate([bias[None], taps]).astype(np.float32)
    edges = np.cumsum([part.channels for part in window.parts])[:-1]
    parts = [
        np.pad(part, ((0, 0), (0, isa.padded(part.shape[1]) - part.shape[1])))
        for part in np.split(rows, edges, axis=1)
    ]
    rows = np.concatenate(parts, axis=1)
    return np.ascontiguousarray(rows.reshape(len(rows), -1, isa.lanes).transpose(1, 0, 2)).ravel()


Rows = list[list[str]]
"""Addresses by part and window row."""


def row_parameters(window: Window) -> list[Parameter]:
    """The first pixel of each input row under the window, part by part; weights; first output
    pixel. Rows outside the image are not read."""
    rows = [f"%x{part}_{ky}" for part in range(len(window.parts)) for ky in range(window.kernel[0])]
    return [Parameter("ptr", name) for name in (*rows, "%w", "%out")]


def row_function(window: Window, rows: tuple[int, ...]) -> Function:
    """One output row, with window rows `rows` inside the image."""
    f = Function(window.isa, row_parameters(window))
    for run in window.tile_runs():
        width = len(run.columns)

        def tile(index: Count, _: list[str], run: TileRun = run, width: int = width) -> list[str]:
            column = f.binary("add", f.binary("mul", index, width), run.start)
            _emit_tile(f, window, rows, run, column)
            return []

        f.loop(0, run.count, [], tile)
    return f


def _emit_tile(
    f: Function, window: Window, rows: tuple[int, ...], run: TileRun, column: Count
) -> None:
    """All channels of a tile, part by part: whole vectors in a loop, then a narrow one."""
    weights, done = "%w", 0
    out = f.offset("%out", f.binary("mul", column, window.out_pixel))
    first = f.binary("sub", f.binary("mul", column, window.stride[1]), window.pad[2])
    for index, part in enumerate(window.parts):
        across = f.binary("mul", first, part.pixel)
        at = {ky: f.offset(f"%x{index}_{ky}", across) for ky in rows}
        tile = Tile(window, part, rows, run, window.out_room - done)
        weights = _emit_part(f, tile, at, weights, f.offset(out, 4 * done))
        done += part.channels


@dataclass(frozen=True)
class Tile:
    """One part of a register tile; `room` floats of an output pixel may be written."""

    window: Window
    part: Part
    rows: tuple[int, ...]
    run: TileRun
    room: int

    @property
    def whole_vectors(self) -> int:
        """Channel vectors that may be read and written whole."""
        isa, channels = self.window.isa, self.part.channels
        fits = isa.padded(channels) <= min(self.part.room, self.room)
        return isa.vectors(channels) if fits else channels // isa.lanes

    @property
    def tail(self) -> int:
        """Channels of the narrow vector after them."""
        return max(self.part.channels - self.whole_vectors * self.window.isa.lanes, 0)


def _emit_part(f: Function, tile: Tile, at: dict[int, str], weights: str, out: str) -> str:
    """All vectors of a part; the address of the next part's weights."""
    step = f.isa.vector_bytes
    weight_step = (1 + tile.window.taps) * step if tile.window.kind == "depthwise" else 0

    def vector(_: Count, values: list[str]) -> Sequence[str]:
        *pointers, weights, out = values
        _emit_vector(f, tile, dict(zip(tile.rows, pointers, strict=True)), weights, out, None)
        moved = [f.offset(pointer, step) for pointer in pointers]
        return [*moved, f.offset(weights, weight_step), f.offset(out, step)]

    carried = [("ptr", pointer) for pointer in (*at.values(), weights, out)]
    *pointers, weights, out = f.loop(0, tile.whole_vectors, carried, vector)
    if tile.tail:
        here = dict(zip(tile.rows, pointers, strict=True))
        _emit_vector(f, tile, here, weights, out, tile.tail)
        weights = f.offset(weights, weight_step)
    return weights


def _emit_vector(
    f: Function, tile: Tile, at: dict[int, str], weights: str, out: str, lanes: int | None
) -> None:
    pixel, window = _pixels(f, tile, at, lanes), tile.window
    match window.kind:
        case "depthwise":
            values = _depthwise(f, tile, pixel, weights)
        case "max":
            values = _reduce(tile, pixel, lambda a, b: maximum(f, a, b))
        case "avg":
            values = _mean(f, tile, pixel)
    for column, value in enumerate(values):
        store(f, activate(f, value, window.act), out, column * window.out_pixel, lanes)


Pixel = Callable[[int, int, int], str]
"""The vector under window position (ky, kx) of an output column."""


def _pixels(f: Function, tile: Tile, at: dict[int, str], lanes: int | None) -> Pixel:
    """Loader of pixels, each loaded once."""
    loaded: dict[tuple[int, int], str] = {}
    window = tile.window

    def pixel(ky: int, kx: int, column: int) -> str:
        across = column * window.stride[1] + kx * window.dilation[1]
        if (ky, across) not in loaded:
            loaded[ky, across] = load(f, at[ky], across * tile.part.pixel, lanes)
        return loaded[ky, across]

    return pixel


def _depthwise(f: Function, tile: Tile, pixel: Pixel, weights: str) -> list[str]:
    step, across = f.isa.vector_bytes, tile.window.kernel[1]
    acc = [load(f, weights)] * len(tile.run.columns)
    for ky in tile.rows:
        for kx in range(across):
            users = [c for c, inside in enumerate(tile.run.columns) if kx in inside]
            if not users:
                continue
            weight = load(f, weights, (1 + ky * across + kx) * step)
            for column in users:
                acc[column] = fma(f, pixel(ky, kx, column), weight, acc[column])
    return acc


def _reduce(tile: Tile, pixel: Pixel, combine: Callable[[str, str], str]) -> list[str]:
    """All window positions inside the image combined, for each output column."""
    return [
        reduce(combine, [pixel(ky, kx, column) for ky in tile.rows for kx in inside])
        for column, inside in enumerate(tile.run.columns)
    ]


def _mean(f: Function, tile: Tile, pixel: Pixel) -> list[str]:
    sums = _reduce(tile, pixel, lambda a, b: arithmetic(f, "fadd", a, b))
    window = tile.window
    counts = [
        window.taps if window.count_pad else len(tile.rows) * len(inside)
        for inside in tile.run.columns
    ]
    return [
        arithmetic(f, "fmul", total, splat_literal(f, 1.0 / count))
        for total, count in zip(sums, counts, strict=True)
    ]


def emit_row(
    f: Function, window: Window, functions: Sequence[str], rows: Rows, w: str, out: str, y: str
) -> None:
    """Call the function of row y's class. `functions` are the names of `row_functions`; `rows` the
    addresses of the input rows under the window, out that of the output row."""
    pointers = [pointer for part in rows for pointer in part]
    arguments = ", ".join(f"ptr {pointer}" for pointer in (*pointers, w, out))

    def call(name: str) -> Callable[[], None]:
        return lambda: f.emit(f"call void @{name}({arguments})")

    classes = window.row_classes()
    if len(classes) == 1:
        call(functions[0])()
        return
    f.switch(y, [(ys, call(name)) for (_, ys), name in zip(classes, functions, strict=True)])


def image_rows(f: Function, window: Window, images: Sequence[str], y: Count) -> Rows:
    """Addresses of the input rows under the window for output row y, where each part's image lies
    whole in memory from the given address on."""
    top = f.binary("sub", f.binary("mul", y, window.stride[0]), window.pad[0])
    rows = []
    for image, part in zip(images, window.parts, strict=True):
        row_bytes = window.width * part.pixel
        first = f.offset(image, f.binary("mul", top, row_bytes))
        steps = range(window.kernel[0])
        rows.append([f.offset(first, ky * window.dilation[0] * row_bytes) for ky in steps])
    return rows


def row_functions(window: Window) -> list[Function]:
    """One function a class of rows, in the order of `row_classes`."""
    return [row_function(window, rows) for rows, _ in window.row_classes()]
