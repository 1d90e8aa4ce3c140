"""`make pages`: every page at full size, on every kind of machine, against the oracle.

A table in float has one row a page: the largest relative error of its outputs, by `mbc verify`.
What is above 1e-4 is marked, and fails. One on 8-bit codes, of the networks of the papers too, says
how many outputs and values that kernels store there are, all of them right, to the bit if they are
on codes; if some are not, it says how many, and fails. A machine that cannot be had is a dash.

    python -m tests.pages.run [--float | --int8] [--on WAY,...] [PAGE ...]

A page is chosen by any part of its name, such as `efficientnet_lite-variant0`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.example_networks import PAGES, Page
from tests.pages import codes
from tests.pages.ways import TOLERANCE, WAYS, worst_error

WIDTH = 46
MARK = "!"


def cell(error: float) -> str:
    """As printed; NaN is too much as well."""
    return f"{error:.1e}" + ("" if error <= TOLERANCE else MARK)


def in_float(page: Page, way: str, folder: Path) -> str:
    """Compile and verify in a folder."""
    return cell(worst_error(page, way, folder / "out", small=False))


def on_codes(page: Page, way: str, folder: Path) -> str:
    """Quantise, link a program where it must be one, and compare."""
    chosen = codes.WAYS[way]
    return str(codes.checked(page, chosen, folder, small=False)) if chosen.here else "-"


@dataclass(frozen=True)
class Table:
    """Pages by ways."""

    title: str
    ways: tuple[str, ...]
    pages: tuple[Page, ...]
    measure: Callable[[Page, str, Path], str]

    def print(self) -> bool:
        """Print it row by row; whether nothing in it is marked."""
        print(self.title.ljust(WIDTH), *(way.rjust(9) for way in self.ways))
        right = True
        for page in self.pages:
            cells = [self._cell(page, way) for way in self.ways]
            right &= not any(text.endswith(MARK) for text in cells)
            print(str(page).ljust(WIDTH), *(text.rjust(9) for text in cells), flush=True)
        return right

    def _cell(self, page: Page, way: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return self.measure(page, way, Path(folder))

    def part(self, ways: Sequence[str], names: Sequence[str]) -> Table:
        """Leave the rows and columns that are asked for."""
        pages = tuple(p for p in self.pages if not names or any(n in str(p) for n in names))
        return Table(self.title, tuple(w for w in self.ways if w in ways), pages, self.measure)


FLOAT = Table("in float", tuple(WAYS), PAGES, in_float)
INT8 = Table("on codes", tuple(codes.WAYS), codes.NETWORKS, on_codes)


def tables(words: Sequence[str]) -> list[Table]:
    """What is asked for: tables that have a row and a column."""
    parser = argparse.ArgumentParser("tests.pages.run")
    known = tuple(dict.fromkeys((*FLOAT.ways, *INT8.ways)))
    parser.add_argument("--on", default=",".join(known), metavar="WAY,...", help="(default: all)")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--float", dest="tables", action="store_const", const=[FLOAT])
    kinds.add_argument("--int8", dest="tables", action="store_const", const=[INT8])
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="(default: all)")
    parser.set_defaults(tables=[FLOAT, INT8])
    args = parser.parse_args(words)
    ways = args.on.split(",")
    if unknown := set(ways) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    parts = [table.part(ways, args.pages) for table in args.tables]
    chosen = [table for table in parts if table.ways and table.pages]
    if not chosen:
        pages = dict.fromkeys(str(page) for table in args.tables for page in table.pages)
        columns = dict.fromkeys(way for table in args.tables for way in table.ways)
        parser.error(f"nothing to do: there are {', '.join(pages)}, on {', '.join(columns)}")
    return chosen


def main(words: Sequence[str]) -> int:
    """Print the tables; 1 if anything in them is marked."""
    found = [table.print() for table in tables(words)]
    return int(not all(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
