"""Splits of a GEMM's rows into blocks and of its columns into panels, by predicted cost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations_with_replacement

from mbc.backends.llvm.gemm_units import Panel, Unit, by_steps, columns_of, is_split
from mbc.backends.llvm.isa import Isa, Splits
from mbc.records import dataclass

CHAINS = 8  # independent fma chains that hide the latency of two units of four cycles
MAX_WIDTH = 8
MAX_SEARCH = 1024  # most vectors that are split by dynamic programming
EQUAL_COST = 1.01  # relative cost that panels of one width may have, to save code
MANY_ROWS = 1 << 20  # so many that blocks are as tall as they can be
SPLIT_COST = 0.98  # relative cost that units of several k-steps must not exceed: they are more code
MAX_TAIL = 2  # most units of the last columns, unless they are all columns
MAX_ALIKE = 4  # most units of all columns, where these all take several k-steps
PARTIAL = 2.0  # multiply-adds in the time that k-steps are loaded that fill no vector


@dataclass(frozen=True)
class RowBlocks:
    """A split of rows into blocks whose heights differ by one row at most."""

    rows: int
    """Rows of all blocks."""
    tall: int
    """Rows of a tall block; other blocks have one row less."""
    tall_count: int
    """Number of tall blocks, which come first."""
    count: int
    """Number of blocks."""

    @staticmethod
    def balanced(rows: int, height: int) -> RowBlocks:
        """Split into as few blocks of at most `height` rows as possible, as equal as possible."""
        return RowBlocks.of(rows, -(-rows // height))

    @staticmethod
    def of(rows: int, count: int) -> RowBlocks:
        """Split into `count` blocks, as equal as possible."""
        tall = -(-rows // count)
        return RowBlocks(rows, tall, rows - count * (tall - 1), count)


@cache
def panel_widths(isa: Isa, vectors: int, rows: int) -> tuple[int, ...]:
    """Split `vectors` vectors into panels at the least predicted cost; returns their widths."""
    if vectors > MAX_SEARCH:
        cheapest = min(range(1, MAX_WIDTH + 1), key=lambda w: tile_cost(isa, w, rows))
        equal = -(-(vectors - MAX_SEARCH) // cheapest)
        rest = panel_widths(isa, vectors - equal * cheapest, rows)
        return tuple(sorted((*[cheapest] * equal, *rest), reverse=True))
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for total in range(1, vectors + 1):
        best.append(
            min(
                (best[total - w][0] + w * tile_cost(isa, w, rows), (*best[total - w][1], w))
                for w in range(1, min(total, MAX_WIDTH) + 1)
            )
        )
    return tuple(sorted(best[vectors][1], reverse=True))


def equal_widths(isa: Isa, vectors: int, rows: int) -> tuple[int, ...]:
    """Split `vectors` vectors into panels of one width if the cost is within `EQUAL_COST`, which
    saves code; else as `panel_widths`."""
    widths = [w for w in range(1, MAX_WIDTH + 1) if vectors % w == 0]
    equal = min(widths, key=lambda w: tile_cost(isa, w, rows))
    best = panel_widths(isa, vectors, rows)
    least = sum(w * tile_cost(isa, w, rows) for w in best)
    cost = vectors * tile_cost(isa, equal, rows)
    return best if cost > EQUAL_COST * least else (equal,) * (vectors // equal)


def tile_cost(isa: Isa, width: int, rows: int) -> float:
    """Predict the cycles per fma of a register tile, 1.0 at peak: bound by fma units, loads, or the
    latency of too few accumulators. By-lane cores are small: their loads add to the fmas."""
    height = RowBlocks.balanced(rows, isa.tile_height(width)).tall
    fmas = height * width
    if isa.broadcast == "memory":
        loads = (width + height) / fmas
        return max(1.0, loads, CHAINS / fmas) + 0.05 * loads
    loads = (-(-width // isa.multi_load) + height / isa.lanes) / fmas
    return max(1.0, CHAINS / fmas) + loads


def tile_rows(isa: Isa, panel: Panel) -> int:
    """Return the most rows of a register tile of a panel that spills no register: the sums, the
    weights of one step of units of a kind, and the elements of A."""
    places = [places for _, places in by_steps(panel)]
    if len(places) == 1 and panel[0].steps == 1:
        return isa.tile_height(len(panel))
    weights = max(map(len, places))
    if isa.broadcast == "memory":
        taken = weights + (1 if isa.fused else 2)
        return max((isa.registers - taken) // len(panel), 1)
    return max((isa.registers - weights) // (len(panel) + 1), 1)


Lengths = tuple[int, ...]
"""Lengths of the runs of A."""


def panel_cost(isa: Isa, panel: Panel, lengths: Lengths) -> float:
    """Predict the cycles of a panel for a row, in multiply-adds at peak. Units that take several
    k-steps load elements of A of their own."""
    splits = isa.splits or Splits((), 0.0)
    height, kinds = tile_rows(isa, panel), by_steps(panel)
    steps = {kind: Unit(1, kind).multiplies(lengths) for kind, _ in kinds}
    vectors = sum(steps[kind] * len(places) for kind, places in kinds)
    if isa.broadcast == "memory":
        loads = splits.element * sum(steps.values()) / vectors + 1 / height
        each = max(1.0, loads, CHAINS / (height * len(panel))) + splits.drag * loads
    else:
        weights = sum(steps[kind] * -(-len(places) // isa.multi_load) for kind, places in kinds)
        loads = (sum(lengths) / isa.lanes + weights / height) / vectors
        each = max(1.0, CHAINS / (height * len(panel))) + loads
    split = sum(unit.steps > 1 for unit in panel)
    partial = sum(length % kind > 0 for kind, _ in kinds for length in lengths)
    return each * vectors + splits.reduction * split + PARTIAL * partial


@cache
def last_panel(
    isa: Isa, columns: int, tail: Panel, lengths: Lengths, rows: int
) -> tuple[float, int]:
    """Return the least cost of a row of `columns` columns, and how many whole units stand before
    the `tail` in the last panel."""
    whole, depth = (columns - columns_of(tail)) // isa.lanes, sum(lengths)
    costs = []
    for before in range(min(whole, 1), min(whole, MAX_WIDTH - len(tail)) + 1):
        widths = panel_widths(isa, whole - before, rows)
        others = depth * sum(w * tile_cost(isa, w, rows) for w in widths)
        panel = (Unit(isa.lanes),) * before + tail
        costs.append((others + panel_cost(isa, panel, lengths), before))
    return min(costs)


def best_widths(
    isa: Isa, columns: int, tail: Panel, lengths: Lengths, rows: int
) -> tuple[int, ...]:
    """Split the units of `columns` columns, of which `tail` are the last, into panels at the least
    predicted cost; returns their widths."""
    if not is_split(tail):
        return panel_widths(isa, isa.vectors(columns), rows)
    before = last_panel(isa, columns, tail, lengths, rows)[1]
    others = panel_widths(isa, (columns - columns_of(tail)) // isa.lanes - before, rows)
    return (*others, before + len(tail))


def panels_of(isa: Isa, columns: int, tail: Panel, widths: tuple[int, ...]) -> tuple[Panel, ...]:
    """Return the panels of these widths."""
    whole = (columns - columns_of(tail)) // isa.lanes
    rest = iter((*[Unit(isa.lanes)] * whole, *tail))
    return tuple(tuple(next(rest) for _ in range(width)) for width in widths)


def tails(lanes: int, several: tuple[int, ...], columns: int) -> Iterator[Panel]:
    """List the ways in which units that take several k-steps can hold the last columns, or all."""
    rest = columns % lanes
    for count in range(1, MAX_TAIL + 1):
        for kinds in combinations_with_replacement(several, count):
            sizes = [lanes // steps for steps in kinds]
            if sum(sizes[:-1]) < rest <= sum(sizes):
                sizes[-1] = rest - sum(sizes[:-1])
                yield tuple(map(Unit, sizes, kinds))
    for steps in several:
        size = lanes // steps
        if columns > lanes and -(-columns // size) <= MAX_ALIKE:
            last = (columns - 1) % size + 1
            yield (*[Unit(size, steps)] * ((columns - 1) // size), Unit(last, steps))


@cache
def best_tail(isa: Isa, columns: int, lengths: Lengths) -> Panel:
    """Return the units of the last columns that fill no vector, at the least predicted cost. They
    do not depend on the number of rows: neither may the order in which an element is summed up."""
    rest = columns % isa.lanes
    narrow = (Unit(rest),) if rest else ()
    if not narrow or not isa.splits:
        return narrow
    widths = panel_widths(isa, columns // isa.lanes + 1, MANY_ROWS)
    cost = sum(lengths) * sum(w * tile_cost(isa, w, MANY_ROWS) for w in widths)
    split = tails(isa.lanes, isa.splits.steps, columns)
    costs = [(last_panel(isa, columns, tail, lengths, MANY_ROWS)[0], tail) for tail in split]
    return min([(SPLIT_COST * cost, narrow), *costs])[1]
