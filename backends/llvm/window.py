"""Sliding windows without a sum over channels: depthwise convolution, max and average pools.

Output columns are split into register tiles; neighbouring tiles with the same window columns inside
the image (borders differ) share one loop. Channel vectors are the innermost loop of a tile. Output
rows are grouped likewise into classes: each class is a function, selected by the row number. The
input may lie in several parts, runs of channels of different tensors; the output has them in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import groupby
from typing import Literal

import numpy as np

from mbc.backends.llvm.activations import activate, activate_stored, is_costly
from mbc.backends.llvm.emitter import Count, Function, Parameter
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.vectors import arithmetic, fma, load, maximum, splat_literal, store
from mbc.ir.activations import Activation


@dataclass(frozen=True)
class Part:
    """Consecutive channels of an input tensor."""

    channels: int
    """Number of channels."""
    pixel: int
    """Bytes from pixel to pixel."""
    room: int
    """Elements of a pixel that may be read, from the part's first channel on."""


@dataclass(frozen=True)
class Window:
    """A window op on one image."""

    isa: Isa
    """The vector unit."""
    kind: Literal["depthwise", "max", "avg"]
    """Depthwise convolution, max pool or average pool."""
    height: int
    """Rows of the input."""
    width: int
    """Columns of the input."""
    out_height: int
    """Rows of the output."""
    out_width: int
    """Columns of the output."""
    parts: tuple[Part, ...]
    """Parts of the input, in the order of the output's channels."""
    kernel: tuple[int, int]
    """Window rows and columns."""
    stride: tuple[int, int]
    """Strides by row and column."""
    pad: tuple[int, int, int, int]
    """Padding above, below, left and right."""
    dilation: tuple[int, int]
    """Dilation by row and column."""
    out_pixel: int
    """Bytes from output pixel to output pixel."""
    out_room: int
    """Elements of an output pixel that may be overwritten. A part's last vector is processed whole
    if it fits here and in the part's room, else narrow; the next part overwrites the excess."""
    act: Activation | None = None
    """Activation of the result."""
    count_pad: bool = False
    """Whether average pools count padding."""

    @property
    def channels(self) -> int:
        """Channels of all parts."""
        return sum(part.channels for part in self.parts)

    @property
    def taps(self) -> int:
        """Number of window positions."""
        return self.kernel[0] * self.kernel[1]

    @property
    def tile(self) -> int:
        """Output columns of a register tile."""
        preferred = (4, 7, 5, 6, 3, 2)
        return next((t for t in preferred if self.out_width % t == 0), min(4, self.out_width))

    def valid_rows(self, y: int) -> tuple[int, ...]:
        """Return the window rows inside the image for output row y."""
        first = y * self.stride[0] - self.pad[0]
        return tuple(
            ky for ky in range(self.kernel[0]) if 0 <= first + ky * self.dilation[0] < self.height
        )

    def valid_columns(self, x: int) -> tuple[int, ...]:
        """Return the window columns inside the image for output column x."""
        first = x * self.stride[1] - self.pad[2]
        return tuple(
            kx for kx in range(self.kernel[1]) if 0 <= first + kx * self.dilation[1] < self.width
        )

    def row_classes(self) -> list[tuple[tuple[int, ...], list[int]]]:
        """List row classes (window rows inside the image, output rows), the largest class last."""
        rows: dict[tuple[int, ...], list[int]] = {}
        for y in range(self.out_height):
            rows.setdefault(self.valid_rows(y), []).append(y)
        return sorted(rows.items(), key=lambda item: len(item[1]))

    def tile_runs(self) -> list[TileRun]:
        """List the tiles of an output row, equal neighbours as one run."""
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
    """Equal tiles of an output row."""

    start: int
    """First output column."""
    columns: tuple[tuple[int, ...], ...]
    """For each output column of a tile, the window columns inside the image."""
    count: int
    """Number of tiles."""


@dataclass(frozen=True)
class Strip:
    """Channel vectors that are processed side by side."""

    vectors: int
    """Number of vectors."""
    lanes: int | None = None
    """Lanes of the only vector of a narrow strip; None for whole vectors."""


def strips(window: Window, index: int) -> list[Strip]:
    """Split a part's channels into strips of several vectors, single vectors, and a narrow one if
    pixels have no room for a whole vector."""
    isa, part = window.isa, window.parts[index]
    room = window.out_room - sum(before.channels for before in window.parts[:index])
    fits = isa.padded(part.channels) <= min(part.room, room)
    whole = isa.vectors(part.channels) if fits else part.channels // isa.lanes
    several, single = divmod(whole, isa.strip)
    tail = max(part.channels - whole * isa.lanes, 0)
    narrow = [Strip(1, tail)] if tail else []
    return [Strip(isa.strip)] * several + [Strip(1)] * single + narrow


def pack_depthwise(window: Window, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Pack weight [kh,kw,1,c] and bias [c] as [strip][bias, taps][vectors of the strip][lanes],
    each part padded to whole vectors."""
    isa, taps = window.isa, weight.reshape(-1, weight.shape[-1])
    rows = np.concatenate([bias[None], taps]).astype(isa.element.numpy)
    packed, start = [], 0
    for index, part in enumerate(window.parts):
        own = rows[:, start : start + part.channels]
        own = np.pad(own, ((0, 0), (0, isa.padded(part.channels) - part.channels)))
        edges = np.cumsum([strip.vectors * isa.lanes for strip in strips(window, index)])[:-1]
        packed += [strip.ravel() for strip in np.split(own, edges, axis=1)]
        start += part.channels
    return np.concatenate(packed)


Rows = list[list[str]]
"""Addresses by part and window row."""


def row_parameters(window: Window) -> list[Parameter]:
    """List the parameters of a row function: the first pixel of each input row under the window,
    part by part; weights; first output pixel. Rows outside the image are not read."""
    rows = [f"%x{part}_{ky}" for part in range(len(window.parts)) for ky in range(window.kernel[0])]
    return [Parameter("ptr", name) for name in (*rows, "%w", "%out")]


def row_function(window: Window, rows: tuple[int, ...]) -> Function:
    """Emit the function of an output row that has window rows `rows` inside the image."""
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
    """Emit all channels of a tile, part by part, strips innermost."""
    weights, done = "%w", 0
    out = f.offset("%out", f.binary("mul", column, window.out_pixel))
    first = f.binary("sub", f.binary("mul", column, window.stride[1]), window.pad[2])
    for index, part in enumerate(window.parts):
        across = f.binary("mul", first, part.pixel)
        pixels = tuple(f.offset(f"%x{index}_{ky}", across) for ky in rows)
        at = Cursor(pixels, weights, f.offset(out, f.isa.element.bytes * done))
        for strip, same in groupby(strips(window, index)):
            at = _emit_strips(f, WindowTile(window, part, rows, run, strip), len(list(same)), at)
        weights = at.weights
        done += part.channels


@dataclass(frozen=True)
class WindowTile:
    """A register tile: the output columns of a run's tile by the channels of a strip."""

    window: Window
    part: Part
    """The part that the strip belongs to."""
    rows: tuple[int, ...]
    """Window rows inside the image."""
    run: TileRun
    strip: Strip


@dataclass(frozen=True)
class Cursor:
    """Addresses of a strip."""

    pixels: tuple[str, ...]
    """Its first pixel in each window row inside the image."""
    weights: str
    """Its packed weights."""
    out: str
    """Its first output pixel."""


def _emit_strips(f: Function, tile: WindowTile, count: int, at: Cursor) -> Cursor:
    """Emit `count` equal strips; returns the addresses of the next one."""
    step = tile.strip.vectors * f.isa.vector_bytes
    weight_step = (1 + tile.window.taps) * step if tile.window.kind == "depthwise" else 0

    def strip(_: Count, values: list[str]) -> Sequence[str]:
        *pixels, weights, out = values
        _emit_strip(f, tile, Cursor(tuple(pixels), weights, out))
        moved = [f.offset(pixel, step) for pixel in pixels]
        return [*moved, f.offset(weights, weight_step), f.offset(out, step)]

    carried = [("ptr", pointer) for pointer in (*at.pixels, at.weights, at.out)]
    *pixels, weights, out = f.loop(0, count, carried, strip)
    return Cursor(tuple(pixels), weights, out)


def _emit_strip(f: Function, tile: WindowTile, at: Cursor) -> None:
    pixel, window = _pixels(f, tile, at), tile.window
    late = is_costly(window.act)
    match window.kind:
        case "depthwise":
            values = _depthwise(f, tile, pixel, at.weights)
        case "max":
            values = _largest(f, tile, pixel)
        case "avg":
            values = _mean(f, tile, pixel)
    for column, vectors in enumerate(values):
        for j, value in enumerate(vectors):
            where = column * window.out_pixel + j * f.isa.vector_bytes
            value = value if late else activate(f, value, window.act)
            store(f, value, at.out, where, tile.strip.lanes)
    if late and window.act:
        lanes = [tile.strip.lanes] * tile.strip.vectors
        activate_stored(f, window.act, at.out, len(values), window.out_pixel, lanes)


Vectors = list[str]
Pixel = Callable[[int, int], Vectors]
"""From window row and column offset from the tile's first input column to the pixel's vectors."""


def _pixels(f: Function, tile: WindowTile, at: Cursor) -> Pixel:
    """Return a loader of pixels that loads each once."""
    rows = dict(zip(tile.rows, at.pixels, strict=True))

    @cache
    def pixel(ky: int, across: int) -> Vectors:
        start, step = across * tile.part.pixel, f.isa.vector_bytes
        places = range(start, start + tile.strip.vectors * step, step)
        return [load(f, rows[ky], place, tile.strip.lanes) for place in places]

    return pixel


def _depthwise(f: Function, tile: WindowTile, pixel: Pixel, weights: str) -> list[Vectors]:
    vectors, across = range(tile.strip.vectors), tile.window.kernel[1]
    stride, dilation = tile.window.stride[1], tile.window.dilation[1]

    def tap(number: int) -> Vectors:
        at = number * len(vectors)
        return [load(f, weights, (at + j) * f.isa.vector_bytes) for j in vectors]

    acc = [tap(0)] * len(tile.run.columns)
    for ky in tile.rows:
        taps = {kx: tap(1 + ky * across + kx) for kx in range(across)}
        for kx, column in _products(tile):
            under = pixel(ky, column * stride + kx * dilation)
            acc[column] = [fma(f, under[j], taps[kx][j], acc[column][j]) for j in vectors]
    flat = f.finished([value for sums in acc for value in sums])
    return [flat[c * len(vectors) : (c + 1) * len(vectors)] for c in range(len(acc))]


def _products(tile: WindowTile) -> list[tuple[int, int]]:
    """Order the products (window column, output column) of a window row: by weight at stride 1, by
    pixel at larger strides, where weight order would keep too many pixels in registers."""
    columns = tile.run.columns
    positions = sorted({kx for inside in columns for kx in inside})
    found = [(kx, c) for kx in positions for c, inside in enumerate(columns) if kx in inside]
    stride, dilation = tile.window.stride[1], tile.window.dilation[1]
    if stride > 1:
        found.sort(key=lambda product: product[1] * stride + product[0] * dilation)
    return found


def _largest(f: Function, tile: WindowTile, pixel: Pixel) -> list[Vectors]:
    """Compute the maximum of each input column once, then of those under each output column."""

    @cache
    def down(across: int) -> Vectors:
        return _maxima(f, [pixel(ky, across) for ky in tile.rows])

    return [_maxima(f, [down(across) for across in under]) for under in _under(tile)]


def _maxima(f: Function, values: Sequence[Vectors]) -> Vectors:
    return [maximum(f, lane) for lane in zip(*values, strict=True)]


def _sums(f: Function, values: Sequence[Vectors]) -> Vectors:
    lanes = zip(*values, strict=True)
    return [reduce(lambda a, b: arithmetic(f, "fadd", a, b), lane) for lane in lanes]


def _under(tile: WindowTile) -> list[list[int]]:
    """For each output column, list the input columns under its window from the tile's first on."""
    stride, dilation = tile.window.stride[1], tile.window.dilation[1]
    return [
        [column * stride + kx * dilation for kx in inside]
        for column, inside in enumerate(tile.run.columns)
    ]


def _mean(f: Function, tile: WindowTile, pixel: Pixel) -> list[Vectors]:
    results = []
    for inside, under in zip(tile.run.columns, _under(tile), strict=True):
        vectors = _sums(f, [pixel(ky, across) for ky in tile.rows for across in under])
        count = tile.window.taps if tile.window.count_pad else len(tile.rows) * len(inside)
        scale = splat_literal(f, 1.0 / count)
        results.append([arithmetic(f, "fmul", total, scale) for total in vectors])
    return results


def emit_row(
    f: Function, window: Window, functions: Sequence[str], rows: Rows, w: str, out: str, y: str
) -> None:
    """Call the function of row y's class. `functions` are the names of `row_functions`, `rows` the
    addresses of the input rows under the window, `out` that of the output row."""
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
    """Compute the addresses of the input rows under the window for output row y, from the address
    of each part's image, which is whole in memory."""
    top = f.binary("sub", f.binary("mul", y, window.stride[0]), window.pad[0])
    rows = []
    for image, part in zip(images, window.parts, strict=True):
        row_bytes = window.width * part.pixel
        first = f.offset(image, f.binary("mul", top, row_bytes))
        steps = range(window.kernel[0])
        rows.append([f.offset(first, ky * window.dilation[0] * row_bytes) for ky in steps])
    return rows


def row_functions(window: Window) -> list[Function]:
    """Emit a function per row class, in the order of `row_classes`."""
    return [row_function(window, rows) for rows, _ in window.row_classes()]
