"""`mbc report --paper`: a paper's tables beside our counts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mbc.cli import console
from mbc.driver.papers import compare_paper
from mbc.papers.compare import Cell, Compared
from mbc.papers.tables import Paper, read_paper


def run_paper(name: str, *, as_json: bool) -> int:
    """Print every table with its cells compared; returns the exit status."""
    paper = read_paper(name)
    found = list(compare_paper(paper))
    if as_json:
        console.result(json.dumps(_json(paper, found), indent=2, ensure_ascii=False))
        return 0
    console.result(f"{paper.title} ({paper.source})")
    for compared in found:
        _show(compared)
    cells = [cell for compared in found for row in compared.cells for cell in row if cell.ours]
    agreeing = sum(cell.agrees for cell in cells)
    console.result(f"\n{agreeing} of {len(cells)} cells agree in the printed digits")
    return 0


def _json(paper: Paper, found: Sequence[Compared]) -> dict[str, object]:
    tables = [
        {
            "name": compared.table.name,
            "about": compared.table.about,
            "rows": [
                {
                    "of": row.of,
                    "page": "" if row.absent else f"{row.page}.py",
                    "parameters": dict(row.settings),
                    "cells": {
                        column.name: cell.to_json()
                        for column, cell in zip(compared.table.columns, cells, strict=True)
                    },
                }
                for row, cells in zip(compared.table.rows, compared.cells, strict=True)
            ],
        }
        for compared in found
    ]
    return {"paper": paper.title, "source": paper.source, "tables": tables}


def _show(compared: Compared) -> None:
    """Print a table: each column is followed by ours, and the reasons come below."""
    table, reasons = compared.table, dict[str, int]()
    headers = ["", *(name for column in table.columns for name in (column.name, "ours"))]
    rows = [
        [row.of, *(text for cell in cells for text in (cell.printed, _ours(cell, reasons)))]
        for row, cells in zip(table.rows, compared.cells, strict=True)
    ]
    console.result(f"\n{table.name}: {table.about}")
    console.table(headers, rows, right=range(1, len(headers), 2))
    for reason, number in reasons.items():
        console.result(f"({number}) {reason}")


def _ours(cell: Cell, reasons: dict[str, int]) -> str:
    """Return our count and whether it agrees, with the number of the reason if there is one."""
    if cell.why:
        reasons.setdefault(cell.why, len(reasons) + 1)
    number = f" ({reasons[cell.why]})" if cell.why else ""
    if not cell.ours:
        return number.strip() and f"-{number}"
    return f"{cell.ours} {'✓' if cell.agrees else '✗'}{number}"
