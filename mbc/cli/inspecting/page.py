"""Lines with styles: plain text into a pipe, in colour and through a pager on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mbc.cli import console
from mbc.records import dataclass

BOLD, DIM, NEW, GONE, CHANGED = "bold", "dim", "green", "red", "yellow"
PAGER = "-RFXS"
"""Options of less: show colours, do not wait where one screen holds all, and let the arrows move
along long lines."""


@dataclass(frozen=True)
class Line:
    """A line of output."""

    text: str
    style: str = ""
    """As rich spells it; "" for none. Nothing is said by colour alone."""


Lines = Iterable[Line]
Profile = Mapping[str, Any]
"""Measured times, as `mbc.inspect.measured` reads them."""


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> Lines:
    """Yield a table, its header bold."""
    header, *body = console.plain_table(headers, rows, right)
    yield Line(header, BOLD)
    yield from map(Line, body)


def indented(lines: Lines) -> Iterator[Line]:
    """Indent lines."""
    return (Line(f"  {line.text}".rstrip(), line.style) for line in lines)


def milliseconds(ms: float) -> str:
    """Format a time by its size."""
    if ms >= 10:
        return f"{ms:,.2f}"
    return f"{ms:.4f}" if ms >= 0.01 else f"{ms:.6f}"


def show(lines: Lines) -> None:
    """Print lines on stdout."""
    if not sys.stdout.isatty():
        console.result("\n".join(line.text for line in lines))
        return
    from rich.console import Console
    from rich.text import Text

    os.environ.setdefault("LESS", PAGER)
    terminal = Console(highlight=False, no_color=not console.wants_color(sys.stdout))
    with terminal.pager(styles=console.wants_color(sys.stdout)):
        for line in lines:
            terminal.print(Text(line.text, line.style), soft_wrap=True)
