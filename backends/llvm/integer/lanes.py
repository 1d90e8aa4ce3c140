"""Sums of dot products by lane, for 64-bit Arm: SDOT multiplies a lane of A, four of the 16 k-steps
of a row that are loaded at a time, by those of four columns.

Weights are loaded four registers at a time, in the order of the panel. Each row's first sums are
loaded too: copies of them would take an instruction a register."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm_panels import RowBlocks
from mbc.backends.llvm.integer.along import SUMS, Sums, Tile, by_row, turns_of
from mbc.backends.llvm.integer.several import BYTES, MOST, SIZE, load_several

STEPS = 4  # k-steps of a lane
LANES = 4  # of what is loaded of a row at a time
STRAIGHT = 4  # most loads of a row without a loop
HELD = 25  # registers of sums and rows of A: weights take four that follow each other
MOST_FLAT = 8  # rows or vectors of a tile that has few of the other
FINISH = 4  # instructions from a vector of sums to codes
TURN = 6  # those of the loop over tiles

Multiply = Callable[[Function, str, str, str], str]
"""From sums, k-steps of a row in all lanes, and weights to sums."""


def emit_lanes(f: Function, tile: Tile, multiply: Multiply) -> Sums:
    """Emit sums by row and vector."""
    sums = [_first(f, tile) for _ in range(tile.height)]
    width, loads = len(tile.bias), tile.depth // (STEPS * LANES)
    turn = turns_of(loads)
    whole = loads // turn * turn if loads > STRAIGHT else 0

    def body(_: Count, values: list[str]) -> Sequence[str]:
        a, weights, *flat = values
        weights, inner = _some(f, tile, a, weights, by_row(flat, width), turn * LANES, multiply)
        return [f.offset(a, turn * SIZE), weights, *(v for row in inner for v in row)]

    carried = [("ptr", tile.a), ("ptr", tile.weights), *((SUMS, v) for row in sums for v in row)]
    a, weights, *flat = f.loop(0, whole, carried, body, step=turn)
    rest = tile.depth // STEPS - whole * LANES
    return _some(f, tile, a, weights, by_row(flat, width), rest, multiply)[1]


def _first(f: Function, tile: Tile) -> list[str]:
    """Load the first sums of a row."""
    f.barrier()  # else they are copied
    places = [f.offset(tile.panel, number * SIZE) for number in range(len(tile.bias))]
    return [f.op(f"load {SUMS}, ptr {place}, align 1") for place in places]


def _some(
    f: Function, tile: Tile, a: str, weights: str, sums: Sums, count: int, multiply: Multiply
) -> tuple[str, Sums]:
    """Emit so many k-steps of lanes without a loop; returns the next address of weights too."""
    sums, width = [list(row) for row in sums], len(sums[0])
    for start in range(0, count, LANES):
        places = [f.offset(a, row * tile.pitch + start * STEPS) for row in range(tile.height)]
        rows = [f.op(f"load {SUMS}, ptr {place}, align 1") for place in places]
        each = min(LANES, count - start) * width
        for first in range(0, each, MOST):
            several = min(MOST, each - first)
            for number, own in enumerate(load_several(f, weights, several), first):
                lane, column = divmod(number, width)
                for row, values in zip(rows, sums, strict=True):
                    values[column] = multiply(f, values[column], _lane(f, row, lane), own)
            flat = [(SUMS, "w", v) for row in sums for v in row]
            following = f.offset(weights, several * SIZE)
            weights, *after = f.tied([("ptr", "r", following), *flat])
            sums = by_row(after, width)
    return weights, sums


def _lane(f: Function, row: str, lane: int) -> str:
    mask = ", ".join([f"i32 {lane}"] * LANES)
    spread = f.op(f"shufflevector {SUMS} {row}, {SUMS} poison, <{LANES} x i32> <{mask}>")
    return f.op(f"bitcast {SUMS} {spread} to {BYTES}")


# Panels


def height_of(width: int) -> int:
    """Return the most rows of a tile so many vectors wide that spills no register."""
    return min(HELD // (width + 1), MOST_FLAT)


def panel_widths(rows: int, vectors: int, steps: int) -> tuple[int, ...]:
    """Split the vectors of a group into panels, as equal as can be, by the instructions that all
    tiles take."""
    counts = range(-(-vectors // MOST_FLAT), vectors + 1)
    splits = [RowBlocks.of(vectors, count) for count in counts]
    best = min(splits, key=lambda split: _cost(rows, split, steps))
    return best.tall_count * (best.tall,) + (best.count - best.tall_count) * (best.tall - 1,)


def _cost(rows: int, panels: RowBlocks, steps: int) -> int:
    blocks = RowBlocks.balanced(rows, height_of(panels.tall))
    return sum(
        times * panels_alike * _tile_cost(width, height, steps)
        for height, times in _alike(blocks)
        for width, panels_alike in _alike(panels)
    )


def _alike(split: RowBlocks) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the two sizes of a split with how often they occur."""
    return (split.tall, split.tall_count), (split.tall - 1, split.count - split.tall_count)


def _tile_cost(width: int, height: int, steps: int) -> int:
    """Count the instructions of a tile: dot products, loads of A and of weights, first sums and
    multipliers, what each sum goes through, and stores."""
    quads, rest = divmod(width, MOST)
    loads = -(-steps // LANES) * height + -(-steps * width // MOST) + (height + 1) * -(-width // 2)
    stores = height * (quads + 2 * -(-rest // 2))
    return steps * height * width + loads + FINISH * height * width + stores + TURN
