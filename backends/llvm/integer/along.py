"""Sums of products whose vectors hold several k-steps of a column, for 64-bit Arm.

Pairs: SMULL and SMLAL2 add two products of bytes in 16 bits, which SADALP adds up in s32; the four
lanes of a column are added up once a tile. Products of weights up to 63 are added four at a time.
Blocks: USMMLA multiplies 8 k-steps of two rows by those of two columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.codes import extracted
from mbc.backends.llvm.integer.several import BYTES, LOADS, MOST, STORES, loaded
from mbc.records import dataclass

STEP = 8  # k-steps that rows and columns are padded to
CHUNKS = (32, 16, 8)  # k-steps of pairs whose weights lie together by column
BLOCK_CHUNK = 16  # k-steps of blocks that are loaded at a time
TURNS = range(2, 5)  # pieces of work in a turn of a loop
STRAIGHT = 64  # most k-steps without a loop
COLUMNS = 4  # of a vector of sums
ROWS_AT_ONCE = 2  # whose products are computed side by side
PAIR_SUMS = 16  # registers for sums of a tile of pairs

_SADDLP = "llvm.aarch64.neon.saddlp.v4i32.v8i16"
_ADDP = "llvm.aarch64.neon.addp.v4i32"
_USMMLA = "llvm.aarch64.neon.usmmla.v4i32.v16i8"
SHORTS, SUMS = "<8 x i16>", "<4 x i32>"


PAIRS_DECLARED = (
    f"declare {SUMS} @{_SADDLP}({SHORTS})",
    f"declare {SUMS} @{_ADDP}({SUMS}, {SUMS})",
    *LOADS,
    *STORES,
)
BLOCKS_DECLARED = (f"declare {SUMS} @{_USMMLA}({SUMS}, {BYTES}, {BYTES})", *LOADS, *STORES)


@dataclass(frozen=True)
class Tile:
    """A register tile."""

    a: str
    """Address of its first row of A."""
    pitch: int
    """Bytes from row to row of A."""
    panel: str
    """Address of its panel, which begins with the first sums."""
    weights: str
    """Address of its packed weights."""
    bias: tuple[str, ...]
    """First sums of a row, by vector."""
    height: int
    """Rows."""
    depth: int
    """k-steps, a multiple of `STEP`."""


@dataclass(frozen=True)
class Straight:
    """A step in registers, by which a peak is measured."""

    products: int
    """How many it adds up."""
    emit: Callable[[Function, str, Sequence[str]], str]
    """Emits it: multiplies the bits of sums by two vectors of bytes, and adds to the sums."""


Sums = list[list[str]]
"""By row and vector, or pair of columns."""


def packed_by_chunk(weights: np.ndarray) -> np.ndarray:
    """Order weights [k, column] by chunk, column and k within the chunk; k is a multiple of
    `STEP`."""
    parts, start = [], 0
    for chunk in CHUNKS:
        whole = (weights.shape[0] - start) // chunk
        own = weights[start : start + whole * chunk].reshape(whole, chunk, weights.shape[1])
        parts.append(own.swapaxes(1, 2).ravel())
        start += whole * chunk
    return np.concatenate(parts)


Emit = Callable[[Function, Tile, str, str, Sums, int], tuple[str, Sums]]
"""Emits so many k-steps from addresses of A and weights on, given sums; returns the next address of
weights and the sums."""


def _loop(f: Function, tile: Tile, sums: Sums, chunk: int, emit: Emit) -> Sums:
    """Emit all k-steps: several chunks a turn of a loop if they are many, and what is left."""
    turn = chunk * turns_of(tile.depth // chunk)
    whole = tile.depth // turn * turn if tile.depth > STRAIGHT else 0
    width = len(sums[0])

    def some(a: str, weights: str, sums: Sums, count: int) -> tuple[str, str, Sums]:
        while count:
            steps = next(n for n in CHUNKS if n <= min(count, chunk))
            weights, sums = emit(f, tile, a, weights, sums, steps)
            a, count = f.offset(a, steps), count - steps
        return a, weights, sums

    def body(_: Count, values: list[str]) -> Sequence[str]:
        a, weights, *flat = values
        a, weights, after = some(a, weights, by_row(flat, width), turn)
        return [a, weights, *(v for row in after for v in row)]

    carried = [("ptr", tile.a), ("ptr", tile.weights), *((SUMS, v) for row in sums for v in row)]
    a, weights, *flat = f.loop(0, whole, carried, body, step=turn)
    return some(a, weights, by_row(flat, width), tile.depth - whole)[2]


def turns_of(count: int) -> int:
    """Choose how many of `count` pieces make a turn of a loop: those that leave the fewest."""
    return min(TURNS, key=lambda n: (count % n, -n))


def by_row(flat: Sequence[str], width: int) -> Sums:
    """Split values into rows."""
    return [list(flat[start : start + width]) for start in range(0, len(flat), width)]


def _rows(f: Function, tile: Tile, a: str, steps: int) -> list[list[str]]:
    """Load k-steps of each row: 16 a vector, or 8."""
    each = min(steps, 16)
    return [
        [
            f.op(f"load <{each} x i8>, ptr {f.offset(a, row * tile.pitch + start)}, align 1")
            for start in range(0, steps, each)
        ]
        for row in range(tile.height)
    ]


# Pairs


def emit_pairs(f: Function, tile: Tile, products: int) -> Sums:
    """Emit sums by row and vector, adding up so many products of bytes in 16 bits."""
    columns = COLUMNS * len(tile.bias)
    zero = [["zeroinitializer"] * columns for _ in range(tile.height)]

    def some(
        f: Function, tile: Tile, a: str, weights: str, sums: Sums, steps: int
    ) -> tuple[str, Sums]:
        return _some_pairs(f, tile, a, weights, sums, steps, products)

    sums = _loop(f, tile, zero, CHUNKS[0], some)
    return [
        [
            f.op(f"add {SUMS} {bias}, {_added_up(f, row[COLUMNS * j : COLUMNS * (j + 1)])}")
            for j, bias in enumerate(tile.bias)
        ]
        for row in sums
    ]


def _added_up(f: Function, vectors: Sequence[str]) -> str:
    """Add up the lanes of each of four vectors."""
    a, b, c, d = vectors
    return _addp(f, _addp(f, a, b), _addp(f, c, d))


def _addp(f: Function, a: str, b: str) -> str:
    return f.op(f"call {SUMS} @{_ADDP}({SUMS} {a}, {SUMS} {b})")


def _some_pairs(
    f: Function, tile: Tile, a: str, weights: str, sums: Sums, steps: int, products: int
) -> tuple[str, Sums]:
    """Emit a chunk of k-steps, column by column. Weights are loaded when the sums of the column
    before are complete: LLVM would have more products at a time than there are registers."""
    rows, sums = _rows(f, tile, a, steps), [list(row) for row in sums]
    each = min(steps, 16)
    for column in range(len(sums[0])):
        place = column * steps
        own = [
            f.op(f"load <{each} x i8>, ptr {f.offset(weights, place + start)}, align 1")
            for start in range(0, steps, each)
        ]
        for first in range(0, tile.height, ROWS_AT_ONCE):
            some = range(first, min(first + ROWS_AT_ONCE, tile.height))
            parts = _parts(f, own, steps)
            totals = [
                _column(f, sums[row][column], _parts(f, rows[row], steps), parts, products)
                for row in some
            ]
            kind = f"<{each} x i8>"
            after = f.tied([*((SUMS, "w", t) for t in totals), *((kind, "w", w) for w in own)])
            for row, total in zip(some, after, strict=False):
                sums[row][column] = total
            own = after[len(some) :]
    return f.offset(weights, len(sums[0]) * steps), sums


def _parts(f: Function, vectors: Sequence[str], steps: int) -> list[str]:
    """Split vectors of bytes into those of 8."""
    return list(vectors) if steps == STEP else [p for v in vectors for p in _halves(f, v)]


def _column(
    f: Function, total: str, codes: Sequence[str], weights: Sequence[str], products: int
) -> str:
    """Add the products of some k-steps, 8 a vector, to a column's sums."""
    for start in range(0, len(codes), products):
        short = ""
        for x, w in list(zip(codes, weights, strict=True))[start : start + products]:
            wide = [f.op(f"sext <8 x i8> {part} to {SHORTS}") for part in (x, w)]
            product = f.op(f"mul {SHORTS} {wide[0]}, {wide[1]}")
            short = f.op(f"add {SHORTS} {short}, {product}") if short else product
        added = f.op(f"call {SUMS} @{_SADDLP}({SHORTS} {short})")
        total = f.op(f"add {SUMS} {total}, {added}")
    return total


def _halves(f: Function, vector: str) -> list[str]:
    return [extracted(f, vector, 16, range(start, start + STEP)) for start in (0, STEP)]


def step_of_pairs(products: int) -> Straight:
    """Return the step that adds up so many products of bytes in 16 bits."""

    def emit(f: Function, total: str, factors: Sequence[str]) -> str:
        own = _halves(f, f.op(f"bitcast {SUMS} {total} to {BYTES}"))
        weights = [half for factor in factors for half in _halves(f, factor)]
        return _column(f, total, own * (products // len(own)), weights[:products], products)

    return Straight(products * STEP, emit)


# Blocks


def _block_step(f: Function, total: str, factors: Sequence[str]) -> str:
    return _usmmla(f, total, f.op(f"bitcast {SUMS} {total} to {BYTES}"), factors[0])


STEP_OF_BLOCKS = Straight(2 * 2 * STEP, _block_step)


def emit_blocks(f: Function, tile: Tile) -> Sums:
    """Emit sums by row and vector."""
    pairs = [half for bias in tile.bias for half in (_of_both(f, bias, bias))]
    first = [list(pairs) for _ in range(0, tile.height, 2)]
    sums = _loop(f, tile, first, BLOCK_CHUNK, _some_blocks)
    found: Sums = []
    for blocks in sums:
        vectors = [_of_both(f, a, b) for a, b in zip(blocks[::2], blocks[1::2], strict=True)]
        found += [list(row) for row in zip(*vectors, strict=True)]
    return found[: tile.height]


def _of_both(f: Function, a: str, b: str) -> tuple[str, str]:
    """Return the low halves of two vectors of sums in one, and the high halves."""
    low, high = (
        f.op(f"shufflevector {SUMS} {a}, {SUMS} {b}, <4 x i32> <{mask}>")
        for mask in ("i32 0, i32 1, i32 4, i32 5", "i32 2, i32 3, i32 6, i32 7")
    )
    return low, high


def _some_blocks(
    f: Function, tile: Tile, a: str, weights: str, sums: Sums, steps: int
) -> tuple[str, Sums]:
    rows, sums = _rows(f, tile, a, steps), [list(row) for row in sums]
    pairs = [(row, min(row + 1, tile.height - 1)) for row in range(0, tile.height, 2)]
    for place in range(steps // STEP):
        size = 16 if steps > STEP else STEP
        codes = [_joined(f, rows[a][0], rows[b][0], place, size) for a, b in pairs]
        for start in range(0, len(sums[0]), MOST):
            some = slice(start, start + MOST)
            weights, columns = loaded(f, weights, len(sums[0][some]))
            for blocks, x in zip(sums, codes, strict=True):
                blocks[some] = [
                    _usmmla(f, total, x, w) for total, w in zip(blocks[some], columns, strict=True)
                ]
        flat = [v for blocks in sums for v in blocks]
        sums = by_row(f.finished(flat, SUMS), len(sums[0]))  # else LLVM loads all at once
    return weights, sums


def _usmmla(f: Function, total: str, codes: str, weights: str) -> str:
    return f.op(f"call {SUMS} @{_USMMLA}({SUMS} {total}, {BYTES} {codes}, {BYTES} {weights})")


def _joined(f: Function, first: str, second: str, place: int, size: int) -> str:
    """Join the codes of 8 k-steps of two rows."""
    start = place * STEP
    lanes = [*range(start, start + STEP), *range(size + start, size + start + STEP)]
    kind, mask = f"<{size} x i8>", ", ".join(f"i32 {lane}" for lane in lanes)
    return f.op(f"shufflevector {kind} {first}, {kind} {second}, <16 x i32> <{mask}>")
