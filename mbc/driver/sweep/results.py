"""The file of a sweep's results: a line of JSON for each thing that was found, as it is found.

After an interruption everything found is there, and `--resume` asks for the rest. Lines of one
point add up to its row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from mbc.diag import MbcError, error, unreadable
from mbc.driver.output import cannot_write
from mbc.records import dataclass
from mbc.report.sweep.axes import Point
from mbc.report.sweep.rows import Failure, Row

FORMAT = 1


@dataclass(frozen=True)
class Header:
    """The first line: what the figures depend on."""

    settings: Mapping[str, Any]
    mhz: float | None
    """Clock of this machine, by which times are predicted for it."""

    def line(self) -> str:
        """Return it as text."""
        return json.dumps({"mbc_sweep": FORMAT, "settings": self.settings, "mhz": self.mhz})


class Results:
    """The rows of a sweep, kept in a file. Rows that are put are written at once."""

    def __init__(self, path: Path, points: Iterable[Point]) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self.rows = {point: Row(point, {}) for point in points}

    def begin(self, header: Header) -> None:
        """Make the file anew."""
        self._open("w")
        self._write(header.line())

    def resume(self, settings: Mapping[str, Any]) -> Header:
        """Read what was found before, and go on. Raises E0116 for a file of another sweep, E0701.

        Failures are forgotten, so that what failed is tried again, unless the network refused."""
        text = self._text()
        first, *lines = text.split("\n")
        header = _header(self._path, first)
        _compare(self._path, header.settings, settings)
        for line in lines:
            self._take(line)
        self.rows = {point: _tried_again(row) for point, row in self.rows.items()}
        self._open("a")
        if not text.endswith("\n"):
            self._write("")  # after a line that was torn
        return header

    def put(self, point: Point, **found: Any) -> None:
        """Note figures, the median, the place or the failure of a point."""
        self._merge(point, found)
        failure: Failure | None = found.pop("failure", None)
        told = {name: getattr(failure, name) for name in FAILURE} if failure else None
        where = {"target": point.target, "parameters": dict(point.parameters)}
        self._write(json.dumps(where | found | ({"failure": told} if told else {})))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _merge(self, point: Point, found: Mapping[str, Any]) -> None:
        row = self.rows[point]
        changes = {**found, "figures": {**row.figures, **found.get("figures", {})}}
        self.rows[point] = replace(row, **changes)

    def _take(self, line: str) -> None:
        """Take a line of the file; some may be torn, and other points may be in it."""
        try:
            found = json.loads(line)
            point = Point(found.pop("target"), tuple(found.pop("parameters").items()))
            if told := found.get("failure"):
                found["failure"] = Failure(**told)
            if point in self.rows:
                self._merge(point, found)
        except (ValueError, KeyError, AttributeError, TypeError):
            return

    def _text(self) -> str:
        try:
            return self._path.read_text("utf-8")
        except UnicodeDecodeError:
            raise _other(self._path) from None
        except OSError as problem:
            raise unreadable(self._path, problem) from None

    def _open(self, mode: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open(mode, encoding="utf-8")
        except OSError as problem:
            raise cannot_write(self._path, problem) from None

    def _write(self, line: str) -> None:
        assert self._file is not None
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as problem:
            raise cannot_write(self._path, problem) from None


FAILURE = ("code", "message", "refused")


def _tried_again(row: Row) -> Row:
    return row if row.failure is None or row.failure.refused else replace(row, failure=None)


def _header(path: Path, line: str) -> Header:
    try:
        found = json.loads(line)
        if found["mbc_sweep"] != FORMAT:
            raise ValueError(line)
        return Header(found["settings"], found["mhz"])
    except (ValueError, KeyError, TypeError):
        raise _other(path) from None


def _other(path: Path) -> MbcError:
    return error("E0116", f"{path} is no file of results of mbc sweep")


def _compare(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name in [*before, *now]:
        if before.get(name) != now.get(name):
            was, is_now = (found.get(name, "not given") for found in (before, now))
            helps = [f"{name} was {was}, and is {is_now}", "without --resume the sweep begins anew"]
            raise error("E0116", f"{path} has the results of another sweep", helps=helps)
