"""Pareto fronts: the points that no other point beats.

A point beats another if it is nowhere worse and somewhere better. What a network is good for is its
accuracy; where that is not known, its multiply-adds stand for it. Points compete with those of the
same target.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbc.records import dataclass
from mbc.report.sweep.rows import Row, known

COSTS = ("measured", "predicted", "arena", "file", "params", "macs")
"""Of which a point should have little."""


@dataclass(frozen=True)
class Goal:
    """A column, and whether much of it is wanted."""

    column: str
    most: bool = False

    def score(self, row: Row) -> float:
        """Return a number that is higher for better rows."""
        figure = row.figures[self.column]
        return figure if self.most else -figure


def worth(rows: Sequence[Row]) -> Goal:
    """Return what a network is good for."""
    accurate = any("accuracy" in row.figures for row in rows)
    return Goal("accuracy" if accurate else "macs", most=True)


def goals_of(rows: Sequence[Row]) -> list[Goal]:
    """Return what the front of a table weighs: worth, time, arena and file."""
    timed = [row for row in rows if row.figures]
    measured = bool(timed) and all("measured" in row.figures for row in timed)
    costs = ("measured" if measured else "predicted", "arena", "file")
    return [worth(rows), *(Goal(name) for name in costs if name in known(rows))]


def fronts(rows: Sequence[Row]) -> list[Row]:
    """Return the front of each target's rows, in the order of the rows."""
    found: list[Row] = []
    for target in dict.fromkeys(row.point.target for row in rows):
        own = [row for row in rows if row.point.target == target]
        found += front(own, goals_of(own))
    return [row for row in rows if any(row is other for other in found)]


def front(rows: Sequence[Row], goals: Sequence[Goal]) -> list[Row]:
    """Return the rows that no other one beats, in their order; rows that lack figures are none."""
    complete = [row for row in rows if all(goal.column in row.figures for goal in goals)]
    scores = [tuple(goal.score(row) for goal in goals) for row in complete]
    return [
        row
        for row, score in zip(complete, scores, strict=True)
        if not any(_beats(other, score) for other in scores)
    ]


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
