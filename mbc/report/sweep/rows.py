"""The rows of a sweep, and the columns of what is known of each point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mbc.records import dataclass
from mbc.report.sweep.axes import Point

Kind = Literal["count", "bytes", "ms", "share"]


@dataclass(frozen=True)
class Column:
    """A figure of a point."""

    title: str
    """Its heading, with the unit in which it is shown."""
    key: str
    """Its name in JSON and CSV."""
    kind: Kind
    """What units conditions may give it in."""
    divisor: float
    """What the figure is divided by to be shown."""
    digits: int
    """Digits after the point."""


COLUMNS: Mapping[str, Column] = {
    "macs": Column("M MACs", "macs", "count", 1e6, 1),
    "params": Column("M params", "params", "count", 1e6, 3),
    "file": Column("file KB", "file_bytes", "bytes", 1e3, 0),
    "arena": Column("arena KB", "arena_bytes", "bytes", 1e3, 0),
    "predicted": Column("predicted ms", "predicted_ms", "ms", 1, 3),
    "measured": Column("measured ms", "measured_ms", "ms", 1, 3),
    "accuracy": Column("accuracy %", "accuracy", "share", 0.01, 2),
}
"""By their names in `--where`."""


@dataclass(frozen=True)
class Failure:
    """Why a point lacks figures."""

    code: str
    message: str
    refused: bool
    """Whether the network itself refuses these parameters, which is an answer too."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True)
class Row:
    """A point with its figures."""

    point: Point
    figures: Mapping[str, float]
    """By the names of `COLUMNS`; what is not known is not there."""
    median_ms: float | None = None
    """The median of the measured rounds; the figure is their minimum."""
    measured_on: str = ""
    """Where: `here`, or the board."""
    failure: Failure | None = None

    def to_json(self, *, on_front: bool) -> dict[str, Any]:
        """Return the object of `--json` (docs/cli.md)."""
        figures = {
            column.key: _whole(self.figures.get(name), column) for name, column in COLUMNS.items()
        }
        return {
            "target": self.point.target,
            "parameters": dict(self.point.parameters),
            **figures,
            "measured_median_ms": self.median_ms,
            "measured_on": self.measured_on,
            "front": on_front,
            "error": str(self.failure) if self.failure else "",
        }


def shown(row: Row, name: str) -> str:
    """Return a figure as it is printed, without its unit; nothing where it is not known."""
    figure, column = row.figures.get(name), COLUMNS[name]
    return "" if figure is None else f"{figure / column.divisor:,.{column.digits}f}"


def _whole(figure: float | None, column: Column) -> float | None:
    if figure is not None and column.kind in ("count", "bytes"):
        return int(figure)
    return figure


def swept(rows: Sequence[Row]) -> list[str]:
    """List the parameters that are not the same in all rows."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.point.parameters:
            values.setdefault(name, set()).add(value)
    return [name for name, found in values.items() if len(found) > 1]


def known(rows: Sequence[Row]) -> list[str]:
    """List the columns that some row has a figure in."""
    return [name for name in COLUMNS if any(name in row.figures for row in rows)]
