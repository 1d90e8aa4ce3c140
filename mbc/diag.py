"""Diagnostics: one renderer and one exception for the DSL, the IR text and the command line.

A user's mistake is an `MbcError` with one or more `Diagnostic`s, each with a stable code (see
docs/errors.md). Any other exception that reaches the top is a bug in mbc.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable
from pathlib import Path

from mbc.records import dataclass


@dataclass(frozen=True, order=True)
class Location:
    """A span of one line of a user's file; lines and columns count from 1, 0 means unknown."""

    file: str
    line: int
    column: int = 0
    """First column of the span."""
    end_column: int = 0
    """Column after the span."""

    def __str__(self) -> str:
        column = f":{self.column}" if self.column else ""
        return f"{self.file}:{self.line}{column}"


@dataclass(frozen=True)
class Diagnostic:
    """One error."""

    code: str
    """Stable code, such as "E0203"."""
    message: str
    """What is wrong."""
    location: Location | None = None
    """Where it is wrong, in a file of the user."""
    label: str = ""
    """Text beside the carets; below the message if there is no location."""
    helps: tuple[str, ...] = ()
    """Hints, one a line."""
    source: str | None = None
    """Text of the line, if the file is not on disk."""


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
    """Make an `MbcError` with a single diagnostic, to be raised."""
    return MbcError(Diagnostic(code, message, at, label, tuple(helps), source))


def unreadable(path: Path, problem: OSError) -> MbcError:
    """Return E0701 with a message of the operating system."""
    return error("E0701", f"cannot read {path}: {problem.strerror or problem}")


def nearest(word: str, known: Iterable[str], *, named: bool = False) -> tuple[str, ...]:
    """Return a help line with the known word that this one misspells, or nothing.

    `known` are words of one kind. With `named` the line quotes the word, for messages on several.
    """
    best = closest(word, known)
    if best is None:
        return ()
    return (f"'{word}': did you mean '{best}'?" if named else f"did you mean '{best}'?",)


def closest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that this one misspells by at most two slips, if there is one.

    Digits distinguish names, so they must agree ("rpi1" is not a misspelt "rpi5"), as must the
    first letter of each part ("prelu" is not a misspelt "relu") and all letters of parts of one or
    two.
    """
    close = [(slips, other) for other in known if (slips := count_slips(word, other)) is not None]
    return min(close, key=lambda pair: pair[0])[1] if close else None


MAX_SLIPS = 2


def count_slips(word: str, other: str) -> int | None:
    """Count letters left out, added, changed or swapped, ignoring case and separators.

    Returns None if the words differ too much to be misspellings of each other.
    """
    ours, theirs = DIGITS.split(word.lower()), DIGITS.split(other.lower())
    if ours[1::2] != theirs[1::2]:
        return None
    slips = [_slips_of_run(a, b) for a, b in zip(ours[::2], theirs[::2], strict=True)]
    counted = [slip for slip in slips if slip is not None]
    return sum(counted) if len(counted) == len(slips) and sum(counted) <= MAX_SLIPS else None


DIGITS = re.compile(r"([0-9]+)")
SEPARATORS = re.compile(r"[\W_]+")


def _slips_of_run(a: str, b: str) -> int | None:
    """Count the slips of the text between digits; separators of its parts may be missing."""
    ours, theirs = (list(filter(None, SEPARATORS.split(run))) for run in (a, b))
    if len(ours) != len(theirs):
        joined = _distance("".join(ours), "".join(theirs))
        return joined if joined <= 1 and ours and theirs else None
    distances = [_distance(x, y) for x, y in zip(ours, theirs, strict=True)]
    fits = all(map(_is_slip, ours, theirs, distances))
    return sum(distances) if fits else None


def _is_slip(a: str, b: str, distance: int) -> bool:
    begins_alike = a[0] == b[0] or a[:2] == b[1::-1]
    return distance <= _allowed(a, b) and begins_alike


def _allowed(a: str, b: str) -> int:
    """Return the slips allowed by length, more if only the order differs; a changed letter makes a
    different word of one of three letters."""
    letters, same = max(len(a), len(b)), sorted(a) == sorted(b)
    if letters < 4:
        return int(letters == 3 and (len(a) != len(b) or same))
    return 2 if letters >= 6 or same else 1


def _distance(a: str, b: str) -> int:
    """Compute the Damerau-Levenshtein distance by optimal alignment: swapped neighbours count 1."""
    before, last = list[int](), list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


MAX_LINE = 160  # characters of a user's line that are shown

RED, BLUE, BOLD, RESET = "\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"


def render(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """Format a diagnostic: message, location, source line with carets, hints."""
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
    """Escape control characters, and indent the lines after the first.

    Text from files could otherwise control the terminal, or look like another error.
    """
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
    """Return the first column with a caret, and the one after the last; from 1."""
    start = max(where.column, 1) if where.column else len(source) - len(source.lstrip()) + 1
    end = where.end_column or len(source) + 1
    return start, max(min(end, len(source) + 1), start + 1)


def _clipped(source: str, start: int, end: int) -> tuple[str, int, int]:
    """Cut a very long line to the part around the carets; also returns their new columns."""
    if len(source) <= MAX_LINE:
        return source, start, end
    first = max(min(start - 1 - MAX_LINE // 4, len(source) - MAX_LINE), 0)
    part = source[first : first + MAX_LINE]
    head, tail = "…" * (first > 0), "…" * (first + MAX_LINE < len(source))
    moved = len(head) - first
    end = min(end, first + MAX_LINE + 1)
    return f"{head}{part}{tail}", start + moved, max(end, start + 1) + moved
