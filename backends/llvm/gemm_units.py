"""Units of panels: the columns that one vector register sums up.

Most registers hold as many columns as they have lanes, and take one k-step in each multiply-add.
Columns that fill no register may share one with several k-steps: lane n*steps+i of it sums up
column n of every k-step that is i modulo `steps`, so that no lane is wasted; the lanes of a column
are added up at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mbc.records import dataclass


class Unit(NamedTuple):
    """The columns of one vector register."""

    outputs: int
    """Number of columns."""
    steps: int = 1
    """k-steps that a multiply-add takes; each column has as many lanes."""

    def multiplies(self, lengths: Iterable[int]) -> int:
        """Return the multiply-adds of a row, given the lengths of its runs."""
        return sum(-(-length // self.steps) for length in lengths)


Panel = tuple[Unit, ...]


def is_split(panel: Panel) -> bool:
    """Return whether some unit takes several k-steps at a time."""
    return chunk_steps(panel) > 1


def chunk_steps(panel: Panel) -> int:
    """Return the k-steps after which all units have multiplied whole vectors: a chunk."""
    return max([unit.steps for unit in panel], default=1)


def columns_of(panel: Panel) -> int:
    """Return the number of columns of a panel."""
    return sum([unit.outputs for unit in panel])


def by_steps(panel: Panel) -> list[tuple[int, list[int]]]:
    """List the numbers of k-steps that units take, the least first, and the units' places."""
    kinds = sorted({unit.steps for unit in panel})
    return [(steps, [i for i, u in enumerate(panel) if u.steps == steps]) for steps in kinds]


@dataclass(frozen=True)
class Step:
    """What the units that take equally many k-steps do with some of these."""

    unit_steps: int
    """k-steps that each unit takes."""
    places: tuple[int, ...]
    """The units' places in the panel."""
    start: int
    """The first k-step."""
    count: int
    """How many there are: fewer than `unit_steps` at the end of a run."""


def chunk_parts(panel: Panel, count: int) -> Iterator[Step]:
    """List what is done in `count` k-steps of a run, a chunk at a time, in the order of packed
    weights: units that take fewer k-steps come first."""
    size, kinds = chunk_steps(panel), by_steps(panel)
    for chunk in range(0, count, size):
        end = min(chunk + size, count)
        for steps, places in kinds:
            for start in range(chunk, end, steps):
                yield Step(steps, tuple(places), start, min(steps, end - start))


def panel_vectors(panel: Panel, lengths: Sequence[int], more: int) -> int:
    """Return the packed vectors of a panel for runs of these lengths: weights, and `more` vectors
    for each unit."""
    return sum(more + unit.multiplies(lengths) for unit in panel)
