"""Tables that fit the terminal."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from mbc.cli import console

HEADERS, ROWS = ("layer", "of", "ms"), [("first", "", "1.0"), ("second", "", "12.5")]


def widths(cells: list[console.Row]) -> list[int]:
    return [len(row[1]) for row in cells]


def fitted() -> list[console.Row]:
    return console.fitted(HEADERS, ROWS, 1, [lambda room: "x" * room, lambda room: "short"])


def test_a_column_takes_what_the_others_leave_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    size = os.terminal_size((100, 24))
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: size)
    assert widths(fitted()) == [100 - len("second") - len("12.5") - 2 * console.GAP, 5]
    assert [(row[0], row[2]) for row in fitted()] == [("first", "1.0"), ("second", "12.5")]
    assert max(map(len, console.plain_table(HEADERS, fitted(), (2,)))) == 100


def test_lines_in_pipes_have_a_width_too() -> None:
    assert max(map(len, console.plain_table(HEADERS, fitted(), (2,)))) == console.LINE


def test_a_narrow_terminal_leaves_some_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    assert widths(fitted())[0] == console.LEAST_ROOM
