"""The register tile of a product of integers."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.along import Sums, Tile, by_row
from mbc.backends.llvm.integer.codes import (
    floats,
    integers,
    load_codes,
    load_row,
    pieces,
    scaled,
)
from mbc.backends.llvm.integer.dots import LOADED
from mbc.backends.llvm.integer.narrow import VECTORS, Piece, store_pieces
from mbc.backends.llvm.integer.product import Places, Product
from mbc.backends.llvm.vectors import arithmetic, load

STRAIGHT = 16  # most multiplications along k without a loop


def emit_tile(
    f: Function, product: Product, height: int, width: int, last: int | None, at: Places
) -> None:
    """Emit the sums of `height` rows by `width` vectors, and store them; the last vector has `last`
    lanes, None for all."""
    step = f.isa.vector_bytes
    bias = [_load(f, integers(f), f.offset(at.weights, j * step)) for j in range(width)]
    weights = f.offset(at.weights, 2 * width * step)
    dot = product.dot
    if dot.emit:
        depth = product.steps * dot.steps
        panel = (at.weights, weights, tuple(bias))
        sums = dot.emit(f, Tile(at.a, product.a_pitch, *panel, height, depth))
        _emit_finished(f, product, range(height), sums, last, at)
        return
    rest = min(dot.row_steps, product.steps - 1)
    first = [list(bias) for _ in range(height)]
    a, weights, sums = _emit_steps(f, product, at.a, weights, first, product.steps - rest)
    if rest:  # else LLVM puts off multiplications, and spills what they need
        sums = _finished(f, sums)
    each = max(VECTORS // width, 1) if rest else height
    for start in range(0, height, each):
        rows = range(start, min(start + each, height))
        here = f.offset(a, start * product.a_pitch)
        some = _some(f, product, here, weights, [sums[row] for row in rows], rest)
        _emit_finished(f, product, rows, some, last, at)


def _emit_finished(
    f: Function, product: Product, rows: range, sums: Sums, last: int | None, at: Places
) -> None:
    """Store the finished sums of some rows, several vectors at a time."""
    step, width = f.isa.vector_bytes, len(sums[0])
    once = f.isa.name == "neon"  # others multiply by memory
    multipliers = _multipliers(f, at, width) if once else []
    whole, made = width // VECTORS * VECTORS, list[Piece]()
    for row, values in zip(rows, sums, strict=True):
        held = _residuals(f, product, at, row, width, last)
        own: list[Piece] = []
        for j, value in enumerate(values):
            lanes = last if j == width - 1 else None
            multiplier = multipliers[j] if once else load(f, at.weights, (width + j) * step)
            steps = arithmetic(f, "fmul", floats(f, value), multiplier)
            column = j * f.isa.lanes
            if product.residual is not None:
                steps = arithmetic(f, "fadd", steps, scaled(f, product.residual, held[j]))
            place = row * product.out_pitch + column * product.finish.element.bytes
            own.append(Piece(steps, place, lanes))
        store_pieces(f, product.finish, own[:whole], at.out)
        made += own[whole:]
        if len(made) + width - whole > VECTORS or row == rows[-1]:
            store_pieces(f, product.finish, made, at.out)
            made = []


def _multipliers(f: Function, at: Places, width: int) -> list[str]:
    return [load(f, at.weights, (width + j) * f.isa.vector_bytes) for j in range(width)]


def _residuals(
    f: Function, product: Product, at: Places, row: int, width: int, last: int | None
) -> list[str]:
    """Load what is added to a row, less its zero point."""
    if product.residual is None or at.residual is None:
        return []
    place, zero, step = row * product.residual_pitch, product.residual.zero, f.isa.lanes
    together = [n for _, n in pieces(width)] if f.isa.name == "neon" and last is None else []
    held: list[str] = []
    for vectors in together:
        held += load_row(f, at.residual, place + len(held) * step, vectors, zero)
    for j in range(len(held), width):
        lanes = last if j == width - 1 else None
        held.append(load_codes(f, at.residual, place + j * step, lanes, zero))
    return held


def _load(f: Function, type: str, address: str) -> str:
    return f.op(f"load {type}, ptr {address}, align 1")


def _emit_steps(
    f: Function, product: Product, a: str, weights: str, sums: Sums, count: int
) -> tuple[str, str, Sums]:
    """Emit so many multiplications along k; returns the addresses of the next one, and the sums."""
    dot, width = product.dot, len(sums[0])
    unroll, vectors = dot.unroll, integers(f)
    along, down = dot.steps * dot.bytes, width * dot.vector_bytes(f.isa)
    whole = count // unroll * unroll if count > STRAIGHT else 0

    def body(_: Count, values: list[str]) -> Sequence[str]:
        a, weights, *flat = values
        inner = _some(f, product, a, weights, by_row(flat, width), unroll)
        return [
            f.offset(a, unroll * along),
            f.offset(weights, unroll * down),
            *(value for row in inner for value in row),
        ]

    carried = [("ptr", a), ("ptr", weights), *((vectors, v) for row in sums for v in row)]
    a, weights, *flat = f.loop(0, whole, carried, body, step=unroll)
    left = count - whole
    sums = _some(f, product, a, weights, by_row(flat, width), left)
    return f.offset(a, left * along), f.offset(weights, left * down), sums


def _some(f: Function, product: Product, a: str, weights: str, sums: Sums, count: int) -> Sums:
    """Emit some multiplications along k without a loop."""
    dot, sums = product.dot, [list(row) for row in sums]
    along, size = dot.steps * dot.bytes, dot.vector_bytes(f.isa)
    at_once = dot.unroll if dot.by_lane else 1
    for start in range(0, count, at_once):
        several = min(at_once, count - start)
        rows = [f.offset(a, row * product.a_pitch + start * along) for row in range(len(sums))]
        loaded = (
            [_load(f, _words(dot.steps * dot.bytes), row) for row in rows] if dot.by_lane else []
        )
        for step in range(several):
            place = (start + step) * len(sums[0]) * size
            columns = [
                _load(f, dot.vector(f.isa), f.offset(weights, place + j * size))
                for j in range(len(sums[0]))
            ]
            for row, values in enumerate(sums):
                element = (
                    _lane(f, product, loaded[row], step)
                    if dot.by_lane
                    else _everywhere(f, product, rows[row])
                )
                values[:] = [
                    dot.multiply(f, value, element, column)
                    for value, column in zip(values, columns, strict=True)
                ]
            if (
                dot.by_lane and f.isa.name == "neon" and step + 1 == several
            ):  # else LLVM loads all at once
                sums = _finished(f, sums)
        if not dot.by_lane:
            f.barrier()
    return sums


def _finished(f: Function, sums: Sums) -> Sums:
    """Force sums to be computed before all code that follows; returns them."""
    flat = f.finished([v for values in sums for v in values], integers(f))
    return by_row(flat, len(sums[0]))


def _words(size: int) -> str:
    """LLVM's type of the loaded elements of A, those of a multiplication as one."""
    return f"<{LOADED // size} x i{8 * size}>"


def _lane(f: Function, product: Product, loaded: str, lane: int) -> str:
    """Return the elements of a multiplication in all lanes, from those that were loaded."""
    size = product.dot.steps * product.dot.bytes
    words, mask = _words(size), ", ".join([f"i32 {lane}"] * f.isa.lanes)
    spread = f.op(f"shufflevector {words} {loaded}, {words} poison, <{f.isa.lanes} x i32> <{mask}>")
    return _as_elements(f, product, spread)


def _everywhere(f: Function, product: Product, address: str) -> str:
    """Load the elements of a multiplication to all lanes."""
    word = f"i{8 * product.dot.steps * product.dot.bytes}"
    one, lanes = _load(f, word, address), f.isa.lanes
    first = f.op(f"insertelement <{lanes} x {word}> poison, {word} {one}, i32 0")
    mask = f"<{lanes} x i32> zeroinitializer"
    spread = f.op(f"shufflevector <{lanes} x {word}> {first}, <{lanes} x {word}> poison, {mask}")
    return _as_elements(f, product, spread)


def _as_elements(f: Function, product: Product, spread: str) -> str:
    dot = product.dot
    if dot.steps == 1:
        return spread
    words = f"<{f.isa.lanes} x i{8 * dot.steps * dot.bytes}>"
    return f.op(f"bitcast {words} {spread} to {dot.vector(f.isa)}")
