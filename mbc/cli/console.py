"""Output for the user: results on stdout, everything else on stderr.

On a terminal tables and progress are drawn by rich; into a pipe or a file goes plain text.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from mbc.diag import MbcError, render

Row = Sequence[str]
Fit = Callable[[int], str]
"""From a width to the text of a cell, not longer where that can be."""

GAP = 2  # between columns
LINE = 160  # characters of a line in a pipe or file that a fitted column fills
LEAST_ROOM = 24


def wants_color(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose user has not asked for plain text (no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def show_error(problem: MbcError) -> None:
    """Print every diagnostic of an error on stderr."""
    color = wants_color(sys.stderr)
    for diagnostic in problem.diagnostics:
        print(render(diagnostic, color=color), file=sys.stderr)


def result(text: str) -> None:
    """Print a line or more of the command's product on stdout."""
    print(text.rstrip("\n"))


def note(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr)


def counted(number: int, noun: str) -> str:
    """1 thread, 2 threads."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def fitted(headers: Row, rows: Sequence[Row], column: int, cells: Sequence[Fit]) -> list[Row]:
    """Fill a column of a table with what fits the width that the others leave of a terminal, and of
    lines in pipes and files."""
    lines = [headers, *rows]
    others = (
        max(map(len, cells)) for i, cells in enumerate(zip(*lines, strict=True)) if i != column
    )
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else LINE
    room = max(width - sum(others) - GAP * (len(headers) - 1), LEAST_ROOM)
    return [
        (*row[:column], cell(room), *row[column + 1 :])
        for row, cell in zip(rows, cells, strict=True)
    ]


def table(headers: Row, rows: Sequence[Row], *, right: Sequence[int] = ()) -> None:
    """Print a table on stdout, with the columns `right` aligned to the right."""
    if sys.stdout.isatty():
        _rich_table(headers, rows, right)
    else:
        result("\n".join(plain_table(headers, rows, right)))


def plain_table(headers: Row, rows: Sequence[Row], right: Sequence[int]) -> Iterator[str]:
    """Aligned columns, two blanks between them."""
    lines = [headers, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
    for line in lines:
        cells = (
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield (" " * GAP).join(cells).rstrip()


def _rich_table(headers: Row, rows: Sequence[Row], right: Sequence[int]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for i, header in enumerate(headers):
        grid.add_column(header, justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(grid)


class PlainProgress:
    """Progress as lines on stderr."""

    def step(self, text: str) -> None:
        note(text)

    def note(self, text: str) -> None:
        note(text)


class NoProgress:
    """Notes without steps, for commands that are done at once."""

    def step(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        note(text)


class BarProgress:
    """Progress on a terminal: a spinner, the step and the time that it takes."""

    def __init__(self, update: Callable[[str], None], write: Callable[[str], None]) -> None:
        self._update, self._write = update, write

    def step(self, text: str) -> None:
        self._update(text)

    def note(self, text: str) -> None:
        self._write(text)


Progress = PlainProgress | NoProgress | BarProgress


@contextmanager
def progress(steps: int, *, estimate: bool = False) -> Iterator[Progress]:
    """Show the progress of work of about so many steps; with an estimate of the time that is left
    where steps take about as long as each other."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars
    from rich.progress import TimeRemainingColumn as Left

    left = (TextColumn("{task.completed:.0f}/{task.total:.0f}, left"), Left()) if estimate else ()
    elapsed, at = TimeElapsedColumn(), TextColumn("{task.fields[at]}")
    columns = (SpinnerColumn(), BarColumn(20), elapsed, *left, at)
    console = Console(stderr=True, highlight=False)
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=steps, at="")
        seen = iter(range(steps + 1000))

        def update(text: str) -> None:
            done = next(seen) + estimate  # whose steps are told when they are done
            total = max(steps, done + 1)
            bars.update(task, completed=done, total=total, at=text, refresh=True)

        yield BarProgress(update, lambda text: console.print(text, markup=False))
