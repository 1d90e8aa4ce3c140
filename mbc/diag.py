"""Diagnostics: one renderer and one exception for the DSL, the IR text and the command line.

A user's mistake is an `MbcError` that carries one or more `Diagnostic`s, each with a stable code
(see docs/errors.md). Anything else that escapes is a bug in mbc itself.
"""

from __future__ import annotations

import difflib
import linecache
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Location:
    """A span of one line of a user's file; line and columns count from 1, 0 means unknown."""

    file: str
    line: int
    column: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        column = f":{self.column}" if self.column else ""
        return f"{self.file}:{self.line}{column}"


@dataclass(frozen=True)
class Diagnostic:
    """One error: `code` is stable, `label` stands under the caret, `helps` are hints."""

    code: str
    message: str
    location: Location | None = None
    label: str = ""
    helps: tuple[str, ...] = ()
    source: str | None = None  # text of the line, where the file is not on disk


class MbcError(Exception):
    """A mistake of the user, explained by one or more diagnostics."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in diagnostics))
        self.diagnostics = diagnostics


def error(
    code: str,
    message: str,
    *,
    at: Location | None = None,
    label: str = "",
    helps: Iterable[str] = (),
    source: str | None = None,
) -> MbcError:
    """An `MbcError` with a single diagnostic, to be raised."""
    return MbcError(Diagnostic(code, message, at, label, tuple(helps), source))


def nearest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """A help line that names the closest known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return (f"did you mean '{close[0]}'?",) if close else ()


RED, BLUE, BOLD, RESET = "\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"


def render(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """The diagnostic as text: message, place, source line with carets, hints."""
    text = "\n".join(_lines(diagnostic))
    if not color:
        return text
    head, _, rest = text.partition("\n")
    kind, _, message = head.partition(": ")
    return f"{RED}{kind}{RESET}: {BOLD}{message}{RESET}" + (f"\n{rest}" if rest else "")


def _lines(diagnostic: Diagnostic) -> Iterable[str]:
    yield f"error[{diagnostic.code}]: {diagnostic.message}"
    where = diagnostic.location
    margin = len(str(where.line)) if where else 1
    if where:
        yield f"{' ' * margin}--> {where}"
        yield from _excerpt(diagnostic, where, margin)
    elif diagnostic.label:
        yield f"{' ' * margin} = {diagnostic.label}"
    for hint in diagnostic.helps:
        yield f"{' ' * margin} = help: {hint}"


def _excerpt(diagnostic: Diagnostic, where: Location, margin: int) -> Iterable[str]:
    source = diagnostic.source
    if source is None:
        source = linecache.getline(where.file, where.line)
    source = source.rstrip("\n").replace("\t", " ")
    if not source:
        if diagnostic.label:
            yield f"{' ' * margin} = {diagnostic.label}"
        return
    yield f"{' ' * margin} |"
    yield f"{where.line} | {source}"
    start = max(where.column, 1)
    if not where.column:
        start = len(source) - len(source.lstrip()) + 1
    width = max((where.end_column or len(source) + 1) - start, 1)
    width = min(width, max(len(source) + 1 - start, 1))
    yield f"{' ' * margin} | {' ' * (start - 1)}{'^' * width} {diagnostic.label}".rstrip()
