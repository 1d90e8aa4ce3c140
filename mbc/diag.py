"""Diagnostics: one renderer and one exception for the DSL, the IR text and the command line.

A user's mistake is an `MbcError` that carries one or more `Diagnostic`s, each with a stable code
(see docs/errors.md). Anything else that escapes is a bug in mbc itself.
"""

from __future__ import annotations

import difflib
import linecache
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile


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
    words = list(known)
    close = difflib.get_close_matches(word, words, n=max(len(words), 1))
    if not close:
        return ()
    best = max(close, key=lambda other: _likeness(word, other))
    return (f"did you mean '{best}'?",)


def _likeness(word: str, other: str) -> tuple[float, int, int]:
    """For words of one ratio: letters in another order are nearer than other letters, and people
    begin words right."""
    letters = sum((Counter(word) & Counter(other)).values())
    start = takewhile(lambda pair: pair[0] == pair[1], zip(word, other, strict=False))
    return difflib.SequenceMatcher(None, other, word).ratio(), letters, len(list(start))


MAX_LINE = 160  # characters of a user's line that are shown

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
    yield f"error[{diagnostic.code}]: {_printable(diagnostic.message)}"
    where = diagnostic.location
    margin = len(str(where.line)) if where else 1
    if where:
        yield f"{' ' * margin}--> {_printable(str(where))}"
        yield from _excerpt(diagnostic, where, margin)
    elif diagnostic.label:
        yield f"{' ' * margin} = {_printable(diagnostic.label)}"
    for hint in diagnostic.helps:
        yield f"{' ' * margin} = help: {_printable(hint)}"


def _printable(text: str) -> str:
    """Names in files may hold what commands a terminal, or what looks like another error: control
    characters are spelt, and a line after the first is indented."""
    spelt = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return re.sub(r"\n(?! )", "\n  ", spelt)


def _excerpt(diagnostic: Diagnostic, where: Location, margin: int) -> Iterable[str]:
    source = diagnostic.source
    if source is None:
        linecache.checkcache(where.file)
        source = linecache.getline(where.file, where.line)
    source = "".join(c if c.isprintable() else " " for c in source.rstrip("\r\n"))
    label = _printable(diagnostic.label)
    if not source:
        if label:
            yield f"{' ' * margin} = {label}"
        return
    start, end = _span(where, source)
    source, start, end = _clipped(source, start, end)
    yield f"{' ' * margin} |"
    yield f"{where.line} | {source}"
    yield f"{' ' * margin} | {' ' * (start - 1)}{'^' * (end - start)} {label}".rstrip()


def _span(where: Location, source: str) -> tuple[int, int]:
    """First column under which a caret stands, and the one after the last; from 1."""
    start = max(where.column, 1) if where.column else len(source) - len(source.lstrip()) + 1
    end = where.end_column or len(source) + 1
    return start, max(min(end, len(source) + 1), start + 1)


def _clipped(source: str, start: int, end: int) -> tuple[str, int, int]:
    """A part of a very long line about the carets, and where they stand in it."""
    if len(source) <= MAX_LINE:
        return source, start, end
    first = max(min(start - 1 - MAX_LINE // 4, len(source) - MAX_LINE), 0)
    part = source[first : first + MAX_LINE]
    head, tail = "…" * (first > 0), "…" * (first + MAX_LINE < len(source))
    moved = len(head) - first
    end = min(end, first + MAX_LINE + 1)
    return f"{head}{part}{tail}", start + moved, max(end, start + 1) + moved
