"""Sums of the lanes that hold parts of one column, at the end of a register tile.

Lanes are added up by pairs of neighbours, then by pairs of these sums, and so on, whatever other
row shares the instructions: an element's bits do not depend on the rows around it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.gemm_units import Panel, chunk_steps
from mbc.backends.llvm.vectors import arithmetic, shuffled

BLOCK = 4  # lanes of 128 bits, among which instructions move elements at least cost


def rows_at_once(panel: Panel) -> int:
    """Return how many rows are added up by the same instructions."""
    return min(chunk_steps(panel), BLOCK)


def reduced(f: Function, panel: Panel, rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the sums of rows with the columns of each unit in its first lanes."""
    columns = list[list[str]]()
    for unit, values in zip(panel, zip(*rows, strict=True), strict=True):
        size = min(unit.steps, BLOCK)
        groups = [values[start : start + size] for start in range(0, len(values), size)]
        columns.append([sum for group in groups for sum in _reduced(f, unit.steps, group)])
    return [list(row) for row in zip(*columns, strict=True)]


def _reduced(f: Function, steps: int, values: Sequence[str]) -> list[str]:
    """Add up the lanes of a unit, of as many rows as a block can hold columns of, or fewer."""
    if steps == 1:
        return [*values]
    sums, distance = [*values], 1
    while distance < min(steps, BLOCK):
        second = [*sums[1::2], sums[-1]]
        sums = [_pairs(f, a, b) for a, b in zip(sums[::2], second, strict=False)]
        distance *= 2
    (value,) = sums
    while distance < steps:
        others = [lane ^ distance for lane in range(f.isa.lanes)]
        value = arithmetic(f, "fadd", value, shuffled(f, value, others))
        distance *= 2
    return [_row(f, steps, value, row) for row in range(len(values))]


def _pairs(f: Function, a: str, b: str) -> str:
    """Return the sums of neighbouring lanes: in each block, first those of a."""
    lanes = f.isa.lanes
    even = [
        source + block + lane
        for block in range(0, lanes, BLOCK)
        for source in (0, lanes)
        for lane in (0, 2)
    ]
    odd = [lane + 1 for lane in even]
    return arithmetic(f, "fadd", shuffled(f, a, even, b), shuffled(f, a, odd, b))


def _row(f: Function, steps: int, value: str, row: int) -> str:
    """Return the columns of one of the rows that were added up together."""
    each = max(BLOCK // steps, 1)
    apart = max(steps // BLOCK, 1) * BLOCK
    firsts = [start + row * each for start in range(0, f.isa.lanes, apart)]
    places = [first + lane for first in firsts for lane in range(each)]
    spread = places * (f.isa.lanes // len(places))
    return value if places[: len(spread)] == [*range(f.isa.lanes)] else shuffled(f, value, spread)
