"""The printed cells of a paper beside our counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from mbc.ir.graph import Graph
from mbc.papers.counts import count
from mbc.papers.tables import Column, Paper, Row, Table
from mbc.records import dataclass

ROUNDINGS = {"nearest": ROUND_HALF_UP, "down": ROUND_DOWN}


@dataclass(frozen=True)
class Cell:
    """A printed cell and what we count."""

    printed: str
    ours: str
    """In full; empty where nothing is printed or no page has the network."""
    agrees: bool
    """Whether ours in the printed digits is what is printed; so are cells without ours."""
    why: str
    """The reason that is known for a difference."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that `mbc report --paper --json` prints for a cell."""
        names = ("printed", "ours", "agrees", "why")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Compared:
    """A table with its cells compared, row by row."""

    table: Table
    cells: tuple[tuple[Cell, ...], ...]


Trace = Callable[[str, Mapping[str, str]], Graph]
"""Gives the network of a page with parameters."""


def compare(paper: Paper, trace: Trace) -> Iterator[Compared]:
    """Count every cell of a paper's tables."""
    for table in paper.tables:
        rows = [_row(table.columns, row, trace) for row in table.rows]
        yield Compared(table, tuple(rows))


def _row(columns: tuple[Column, ...], row: Row, trace: Trace) -> tuple[Cell, ...]:
    if row.absent:
        return tuple(Cell(printed, "", True, row.absent) for printed in row.cells)
    graph = trace(row.page, row.settings)
    return tuple(
        _cell(column, row, printed, graph) if printed else Cell("", "", True, "")
        for column, printed in zip(columns, row.cells, strict=True)
    )


def _cell(column: Column, row: Row, printed: str, graph: Graph) -> Cell:
    found = count(column.count, graph, row.layer or column.layer)
    if isinstance(found, str):
        agrees, ours = found == printed, found
    else:
        exact = Decimal(found) / Decimal(column.unit)
        agrees, ours = _as_printed(exact, printed, column.rounding) == printed, _in_full(exact)
    why = (row.why or {}).get(column.name, column.why)
    return Cell(printed, ours, agrees, "" if agrees else why)


def _as_printed(exact: Decimal, printed: str, rounding: str) -> str:
    """Return a number in the digits of a printed one."""
    step = Decimal(1).scaleb(-len(printed.partition(".")[2]))
    return str(exact.quantize(step, ROUNDINGS[rounding]))


def _in_full(exact: Decimal) -> str:
    """Return a number with at most three digits after the point."""
    return f"{exact:,.3f}".rstrip("0").rstrip(".")
