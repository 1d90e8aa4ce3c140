"""`make pages`: every page at full size, on every kind of machine, against the oracle.

One row a page: the largest relative error of its outputs, by `mbc verify`. What is above 1e-4 is
marked, and fails.

    python -m tests.pages.run [--on WAY,...] [PAGE ...]

A page is chosen by any part of its name, such as `efficientnet_lite-variant0`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.example_networks import PAGES, Page
from tests.pages.ways import TOLERANCE, WAYS, worst_error

WIDTH = 46


def cell(error: float) -> str:
    """As printed; NaN is too much as well."""
    return f"{error:.1e}" + ("" if error <= TOLERANCE else "!")


def measure(page: Page, way: str) -> str:
    """Compile and verify in a folder that is removed again."""
    with tempfile.TemporaryDirectory() as folder:
        return cell(worst_error(page, way, Path(folder) / "out", small=False))


def options(words: Sequence[str]) -> tuple[list[Page], list[str]]:
    """The pages and the ways that are asked for."""
    parser = argparse.ArgumentParser("tests.pages.run")
    parser.add_argument("--on", default=",".join(WAYS), metavar="WAY,...", help="(default: all)")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="(default: all)")
    args = parser.parse_args(words)
    ways = args.on.split(",")
    if unknown := set(ways) - set(WAYS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    chosen = [p for p in PAGES if not args.pages or any(part in str(p) for part in args.pages)]
    if not chosen:
        parser.error(f"no such page; there are {', '.join(map(str, PAGES))}")
    return chosen, ways


def main(words: Sequence[str]) -> int:
    """Print the table; 1 if anything in it is marked."""
    pages, ways = options(words)
    failed = False
    print("page".ljust(WIDTH), *(way.rjust(9) for way in ways))
    for page in pages:
        cells = [measure(page, way) for way in ways]
        failed |= any(text.endswith("!") for text in cells)
        print(str(page).ljust(WIDTH), *(text.rjust(9) for text in cells), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
