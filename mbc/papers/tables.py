"""The tables of a paper as data: what they print, and what of which page is counted for it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from mbc.records import dataclass


@dataclass(frozen=True)
class Column:
    """What a column gives of the network of a row."""

    name: str
    count: str
    """A name of `mbc.papers.counts.COUNTS`."""
    layer: str = ""
    """The layer that is counted, where rows name none."""
    unit: float = 1.0
    """What counts are divided by: 1e6 in a column of millions."""
    rounding: str = "nearest"
    """`nearest` or `down`: how the paper comes to the printed digits."""
    why: str = ""
    """Why cells of this column differ, where rows give no reason."""


@dataclass(frozen=True)
class Row:
    """A row as printed, and what its numbers are of."""

    of: str
    """What the paper calls it."""
    cells: tuple[str, ...]
    """What is printed, in the order of the columns; empty where nothing is."""
    page: str
    """Which page of `examples/` has the network."""
    settings: Mapping[str, str]
    """The page's parameters, as `-D` takes them."""
    layer: str = ""
    """The layer that is counted, or what stands for one (`counts.py`)."""
    why: Mapping[str, str] | None = None
    """Why the page gives another number, by the names of columns."""
    absent: str = ""
    """Why no page has the network; its cells are shown alone."""


@dataclass(frozen=True)
class Table:
    """A table of a paper."""

    name: str
    about: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Paper:
    """The tables of a paper that mbc can count."""

    title: str
    source: str
    tables: tuple[Table, ...]


def read_paper(name: str) -> Paper:
    """Read the tables of one of `mbc.papers.PAPERS`."""
    text = resources.files("mbc.papers.data").joinpath(f"{name}.toml").read_text("utf-8")
    found = tomllib.loads(text)
    tables = tuple(_table(entry, found["page"]) for entry in found["table"])
    return Paper(found["title"], found["source"], tables)


def _table(entry: Mapping[str, Any], page: str) -> Table:
    columns = tuple(Column(**column) for column in entry["columns"])
    rows = tuple(_row(row, page) for row in entry["rows"])
    return Table(entry["name"], entry["about"], columns, rows)


def _row(entry: Mapping[str, Any], page: str) -> Row:
    fields = {"page": page} | dict(entry)
    words = fields.pop("set", "").split()
    settings = dict(word.split("=") for word in words)
    return Row(**fields | {"cells": tuple(fields["cells"]), "settings": settings})
