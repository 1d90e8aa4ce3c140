"""Locations in the user's file: spans of calls, found in the stack or in a traceback."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import CodeType, TracebackType

from mbc.diag import Location

PACKAGE, GENERATOR = "mbc.frontends.dsl", "mbc.records"


def here() -> Location:
    """Return the location of the innermost call from outside this package: the user's line."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(PACKAGE):
        frame = frame.f_back
    return _span(frame.f_code, frame.f_lasti, frame.f_lineno)


def in_traceback(traceback: TracebackType | None, file: str) -> Location | None:
    """Return the innermost line of a traceback that lies in `file` or in a file of its folder.

    Returns None if there is none, or if mbc itself raised the exception.
    """
    steps = [step for step in _steps(traceback) if not _is_generated(step)]
    if not steps or _is_mbc(steps[-1]):
        return None
    folder = Path(file).resolve().parent
    for step in reversed(steps):
        code = step.tb_frame.f_code
        if Path(code.co_filename).resolve().parent == folder and not _is_mbc(step):
            return _span(code, step.tb_lasti, step.tb_lineno)
    return None


def definition(code: CodeType) -> Location:
    """Find the `def` line of a function, below its decorators."""
    first = code.co_firstlineno
    for line in range(first, first + 20):
        text = linecache.getline(code.co_filename, line)
        column = text.find(f"def {code.co_name}")
        if column >= 0:
            return Location(code.co_filename, line, column + 1)
    return Location(code.co_filename, first)


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback:
        yield traceback
        traceback = traceback.tb_next


def _is_generated(step: TracebackType) -> bool:
    """Whether the code is a method that dataclasses generate: it has no file, or is of ours."""
    frame = step.tb_frame
    return frame.f_code.co_filename == "<string>" or frame.f_globals["__name__"] == GENERATOR


def _is_mbc(step: TracebackType) -> bool:
    name = step.tb_frame.f_globals.get("__name__", "")
    return name.startswith("mbc.") and not name.startswith("mbc.examples.")


def _span(code: CodeType, instruction: int, line: int) -> Location:
    unknown = (None, None, None, None)  # under -X no_debug_ranges
    positions = islice(code.co_positions(), max(instruction, 0) // 2, None)
    first, last, start, end = next(positions, unknown)
    if first is None or start is None:
        return Location(code.co_filename, line)
    text = linecache.getline(code.co_filename, first)
    end_column = _column(text, end) if last == first and end is not None else 0
    return Location(code.co_filename, first, _column(text, start), end_column)


def _column(text: str, utf8_offset: int) -> int:
    """Convert a byte offset from 0 to a column: characters from 1."""
    return len(text.encode()[:utf8_offset].decode(errors="ignore")) + 1
