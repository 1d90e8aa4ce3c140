"""The code of sliding windows (see `window`). Each class of output rows is a function, selected by
the row number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial, reduce
from itertools import groupby

from mbc.backends.llvm.activations import activate, activate_stored, is_costly, sloped
from mbc.backends.llvm.emitter import Count, Function, Parameter
from mbc.backends.llvm.integer.codes import (
    added_bias,
    centred,
    extracted,
    integers,
    less,
    load_codes,
    of_bytes,
)
from mbc.backends.llvm.integer.narrow import Piece, store_pieces
from mbc.backends.llvm.vectors import (
    arithmetic,
    fma,
    load,
    load_spread,
    maximum,
    splat_literal,
    store,
)
from mbc.backends.llvm.window import Part, Strip, TileRun, Window, strips
from mbc.ops.quantized import LARGEST_CODE
from mbc.records import dataclass

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
        at = Cursor(pixels, weights, f.offset(out, window.out_bytes * done))
        base = WindowTile(window, part, rows, run, Strip(0))
        for count, repeated in strips(window, index):
            at = _repeat_strips(f, base, count, repeated, at)
        weights = at.weights
        done += window.filters * part.channels


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


def _repeat_strips(
    f: Function, tile: WindowTile, count: int, repeated: Sequence[Strip], at: Cursor
) -> Cursor:
    """Emit `count` times a few strips; returns the addresses of the next one."""

    def once(at: Cursor) -> Cursor:
        for strip, same in groupby(repeated):
            emit = partial(_emit_strip, f, replace(tile, strip=strip))
            at = _loop(f, len(list(same)), at, emit)
        return at

    return _loop(f, count, at, once)


def _loop(f: Function, count: int, at: Cursor, body: Callable[[Cursor], Cursor]) -> Cursor:
    """Emit a loop that carries addresses."""

    def step(_: Count, values: list[str]) -> Sequence[str]:
        *pixels, weights, out = values
        moved = body(Cursor(tuple(pixels), weights, out))
        return [*moved.pixels, moved.weights, moved.out]

    carried = [("ptr", pointer) for pointer in (*at.pixels, at.weights, at.out)]
    *pixels, weights, out = f.loop(0, count, carried, step)
    return Cursor(tuple(pixels), weights, out)


def _emit_strip(f: Function, tile: WindowTile, at: Cursor) -> Cursor:
    """Emit one strip; returns the addresses of the next one."""
    _emit_results(f, tile, at)
    window, step = tile.window, tile.strip.vectors * f.isa.vector_bytes
    moved = [f.offset(pixel, tile.strip.step * window.in_bytes) for pixel in at.pixels]
    weights = f.offset(at.weights, window.weight_rows * step)
    out = f.offset(at.out, tile.strip.vectors * f.isa.lanes * window.out_bytes)
    return Cursor(tuple(moved), weights, out)


def _emit_results(f: Function, tile: WindowTile, at: Cursor) -> None:
    pixel, window = _pixels(f, tile, at), tile.window
    late = is_costly(window.act)
    match window.kind:
        case "depthwise":
            values = _depthwise(f, tile, pixel, at.weights)
        case "max":
            values = _largest(f, tile, pixel)
        case "avg":
            short = window.codes is not None and f.isa.name == "neon" and tile.strip.lanes is None
            if short and window.taps <= MOST_SHORT:
                values = _mean_of_shorts(f, tile, at)
            else:
                values = _mean(f, tile, pixel)
    if window.codes is not None:
        _store_codes(f, tile, values, at)
        return
    if window.slopes:
        values = _sloped(f, tile, values, at.weights)
    for column, vectors in enumerate(values):
        for j, value in enumerate(vectors):
            where = column * window.out_pixel + j * f.isa.vector_bytes
            value = value if late else activate(f, value, window.act)
            store(f, value, at.out, where, tile.strip.lanes)
    if late and window.act:
        lanes = [tile.strip.lanes] * tile.strip.vectors
        activate_stored(f, window.act, at.out, len(values), window.out_pixel, lanes)


def _sloped(
    f: Function, tile: WindowTile, values: Sequence[Vectors], weights: str
) -> list[Vectors]:
    """Multiply by the slopes."""
    slopes = _weight_row(f, tile, weights, tile.window.weight_rows - 1)
    return [[sloped(f, v, s) for v, s in zip(column, slopes, strict=True)] for column in values]


def _weight_row(f: Function, tile: WindowTile, weights: str, row: int) -> Vectors:
    """Load a row of the strip's packed weights."""
    vectors, size = range(tile.strip.vectors), f.isa.vector_bytes
    return [load(f, weights, (row * len(vectors) + j) * size) for j in vectors]


def _store_codes(f: Function, tile: WindowTile, values: Sequence[Vectors], at: Cursor) -> None:
    """Convert sums to elements of the result: those of a depthwise convolution are multiplied by
    the last row of the weights."""
    window, codes = tile.window, tile.window.codes
    assert codes is not None
    if window.kind == "depthwise":
        if codes.far_bias:
            biases = _weight_row(f, tile, at.weights, 0)
            values = [list(map(partial(added_bias, f), column, biases)) for column in values]
        last = _weight_row(f, tile, at.weights, window.weight_rows - 1)
        values = [list(map(partial(arithmetic, f, "fmul"), column, last)) for column in values]
    each = f.isa.lanes * window.out_bytes
    pieces = [
        Piece(value, column * window.out_pixel + j * each, tile.strip.lanes)
        for column, vectors in enumerate(values)
        for j, value in enumerate(vectors)
    ]
    store_pieces(f, codes.finish, pieces, at.out)


Vectors = list[str]
Pixel = Callable[[int, int], Vectors]
"""From window row and column offset from the tile's first input column to the pixel's vectors."""


def _pixels(f: Function, tile: WindowTile, at: Cursor) -> Pixel:
    """Return a loader of pixels that loads each once."""
    rows, codes = dict(zip(tile.rows, at.pixels, strict=True)), tile.window.codes

    @cache
    def pixel(ky: int, across: int) -> Vectors:
        start, step = across * tile.part.pixel, f.isa.lanes * tile.window.in_bytes
        if codes is not None:
            return _code_pixel(f, tile, codes.zero, rows[ky], start)
        if tile.strip.sources:
            return load_spread(f, rows[ky], start, tile.strip.reads, tile.strip.sources)
        places = range(start, start + tile.strip.vectors * step, step)
        return [load(f, rows[ky], place, tile.strip.lanes) for place in places]

    return pixel


def _code_pixel(f: Function, tile: WindowTile, zero: int, row: str, start: int) -> Vectors:
    """Load the codes of a pixel as floats."""
    strip, lanes = tile.strip, f.isa.lanes
    if not strip.sources:
        places = range(start, start + strip.vectors * lanes, lanes)
        return [load_codes(f, row, place, strip.lanes, zero) for place in places]
    with f.vectors_of(of_bytes(f.isa)):
        spread = load_spread(f, row, start, strip.reads, strip.sources)
    return [centred(f, codes, zero) for codes in spread]


def _depthwise(f: Function, tile: WindowTile, pixel: Pixel, weights: str) -> list[Vectors]:
    vectors, across = range(tile.strip.vectors), tile.window.kernel[1]
    stride, dilation = tile.window.stride[1], tile.window.dilation[1]

    def tap(number: int) -> Vectors:
        at = number * len(vectors)
        return [load(f, weights, (at + j) * f.isa.vector_bytes) for j in vectors]

    codes = tile.window.codes
    first = ["zeroinitializer"] * len(vectors) if codes and codes.far_bias else tap(0)
    acc = [first] * len(tile.run.columns)
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
    if not f.isa.element.is_float:
        return [reduce(partial(_larger_code, f), lane) for lane in zip(*values, strict=True)]
    return [maximum(f, lane) for lane in zip(*values, strict=True)]


def _larger_code(f: Function, a: str, b: str) -> str:
    larger = f.op(f"icmp ugt {f.isa.vector} {a}, {b}")
    mask, vector = f"<{f.isa.lanes} x i1>", f.isa.vector
    return f.op(f"select {mask} {larger}, {vector} {a}, {vector} {b}")


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
        counted, codes = tile.window.counted(tile.rows, inside), tile.window.codes
        scale = splat_literal(f, codes.mean_ratio(counted) if codes else 1.0 / counted)
        results.append([arithmetic(f, "fmul", total, scale) for total in vectors])
    return results


MOST_SHORT = 32767 // LARGEST_CODE  # codes whose sum fits s16


def _mean_of_shorts(f: Function, tile: WindowTile, at: Cursor) -> list[Vectors]:
    """Add up codes in 16 bits, all vectors of the strip in one."""
    codes, lanes = tile.window.codes, f.isa.lanes
    assert codes is not None
    count, rows = tile.strip.vectors * lanes, dict(zip(tile.rows, at.pixels, strict=True))
    kind = f"<{count} x i16>"

    @cache
    def pixel(ky: int, across: int) -> str:
        address = f.offset(rows[ky], across * tile.part.pixel)
        loaded = f.op(f"load <{count} x i8>, ptr {address}, align 1")
        return f.op(f"zext <{count} x i8> {loaded} to {kind}")

    results = []
    for inside, under in zip(tile.run.columns, _under(tile), strict=True):
        pixels = [pixel(ky, across) for ky in tile.rows for across in under]
        total = reduce(lambda a, b: f.op(f"add {kind} {a}, {b}"), pixels)
        scale = splat_literal(f, codes.mean_ratio(tile.window.counted(tile.rows, inside)))
        vectors = []
        for first in range(0, count, lanes):
            part = extracted(f, total, count, range(first, first + lanes), "i16")
            whole = f.op(f"zext <{lanes} x i16> {part} to {integers(f)}")
            steps = less(f, whole, len(pixels) * codes.zero)
            vectors.append(arithmetic(f, "fmul", steps, scale))
        results.append(vectors)
    return results


def emit_row(
    f: Function, window: Window, functions: Sequence[str], rows: Rows, w: str, out: str, y: str
) -> None:
    """Call the function of row y's class. `functions` are the names of `row_function`s, `rows` the
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
