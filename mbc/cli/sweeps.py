"""The rows of a sweep as a table, CSV, JSON or a picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from mbc.cli import console
from mbc.driver.output import write_product
from mbc.report.canvas import CANVASES
from mbc.report.sweep.front import fronts, goals_of
from mbc.report.sweep.picture import draw_sweep, size_of
from mbc.report.sweep.rows import COLUMNS, Row, known, shown, swept


def show(network: str, rows: Sequence[Row], *, as_json: bool, as_csv: bool) -> None:
    """Print the rows in one of the forms."""
    if as_json:
        found = {"network": network, "rows": _objects(rows)}
        console.result(json.dumps(found, indent=2))
    elif as_csv:
        console.result(_csv(rows))
    else:
        _table(rows)


def _objects(rows: Sequence[Row]) -> list[dict[str, object]]:
    best = fronts(rows)
    return [row.to_json(on_front=any(row is other for other in best)) for row in rows]


def _csv(rows: Sequence[Row]) -> str:
    """One column for each parameter, then those of JSON."""
    names = list(dict.fromkeys(name for row in rows for name, _ in row.point.parameters))
    columns = [column.key for column in COLUMNS.values()]
    more = ("measured_median_ms", "measured_on", "front", "error")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["target", *names, *columns, *more])
    for row, found in zip(rows, _objects(rows), strict=True):
        parameters = dict(row.point.parameters)
        figures = ["" if found[key] is None else found[key] for key in (*columns, *more)]
        writer.writerow([row.point.target, *(parameters.get(name, "") for name in names), *figures])
    return stream.getvalue()


def _table(rows: Sequence[Row]) -> None:
    names, columns, best = swept(rows), known(rows), fronts(rows)
    headers = ["target", *names, *(COLUMNS[name].title for name in columns), "front"]
    lines = [
        [
            row.point.target,
            *(dict(row.point.parameters).get(name, "") for name in names),
            *(shown(row, name) for name in columns),
            "*" if any(row is other for other in best) else _failed(row),
        ]
        for row in rows
    ]
    console.table(headers, lines, right=range(1, len(headers) - 1))
    for row in rows:
        if row.failure is not None:
            console.result(f"{row.point}: {row.failure}")
    if best:
        console.result(f"\n* no other point of its target is better in {_goals(rows)}")


def _failed(row: Row) -> str:
    return row.failure.code if row.failure is not None else ""


def _goals(rows: Sequence[Row]) -> str:
    """Return the goals of each target's front in words."""
    told = dict[str, None]()
    for target in dict.fromkeys(row.point.target for row in rows):
        goals = goals_of([row for row in rows if row.point.target == target])
        words = [f"{'more' if goal.most else 'less'} {goal.column}" for goal in goals]
        told[", ".join(words)] = None
    return "; or ".join(told)


def write_picture(path: Path, network: str, rows: Sequence[Row]) -> None:
    """Draw the rows into a file."""
    canvas = CANVASES[path.suffix.lower()](*size_of(rows))
    draw_sweep(canvas, rows, network)
    write_product(path, canvas.content())
