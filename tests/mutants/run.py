"""`make mutants`: seeded mistakes in the view algebra, the passes, the memory planner and what
kernels may touch, each of which the tests must notice. With `--rows`, the same of tables without
one of their rows.

Each mistake is made in a private copy of the source tree, where the tests that are named for it
then have to fail; without a mistake they have to pass. Exit status 1 if one goes unnoticed.

    python -m tests.mutants.run [--jobs N] [--rows] [WORD ...]

With words, only mistakes whose file or description has one of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.mutants.judge import ROOT, Verdict, caught, copied, passes
from tests.mutants.mutant import Mutant
from tests.mutants.seeded import MUTANTS
from tests.mutants.tables import tables

Row = tuple[str, str, Verdict]
Task = Mutant | str
"""A mistake, or tests that must pass without one."""


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--rows", action="store_true", help="rows that are missing in tables")
    parser.add_argument("words", nargs="*", help="only mistakes with one of these words")
    options = parser.parse_args(arguments)
    mutants = rows_of_tables() if options.rows else MUTANTS
    chosen = [mutant for mutant in mutants if is_meant(mutant, options.words)]
    with tempfile.TemporaryDirectory(prefix="mbc-mutants-") as folder:
        found = dict(judged(Path(folder), chosen, options.jobs))
    return tell(found)


def rows_of_tables() -> Iterator[Mutant]:
    """Yield each table without each of its rows."""
    return chain.from_iterable(table.mutants(ROOT) for table in tables())


def is_meant(mutant: Mutant, words: Sequence[str]) -> bool:
    """Whether a mistake is one of those asked for."""
    text = f"{mutant.file} {mutant.mistake}"
    return not words or any(word in text for word in words)


def judged(folder: Path, mutants: Sequence[Mutant], jobs: int) -> Iterator[tuple[Task, Verdict]]:
    """Verdicts on the tests and then on the mistakes, in that order."""
    trees: SimpleQueue[Path] = SimpleQueue()
    for number in range(jobs):
        trees.put(copied(folder / str(number)))
    tasks: list[Task] = [*dict.fromkeys(mutant.tests for mutant in mutants), *mutants]
    console = Console(stderr=True)
    with ThreadPoolExecutor(jobs) as pool:
        verdicts = pool.map(partial(_in_some_tree, trees), tasks)
        shown = track(verdicts, "seeding mistakes", len(tasks), console=console, transient=True)
        yield from zip(tasks, shown, strict=True)


def _in_some_tree(trees: SimpleQueue[Path], task: Task) -> Verdict:
    tree = trees.get()
    try:
        return passes(tree, task) if isinstance(task, str) else caught(tree, task)
    finally:
        trees.put(tree)


def tell(found: dict[Task, Verdict]) -> int:
    """Print a table of the mistakes; the exit status."""
    table = Table("mistake", "file", "noticed by", title="seeded mistakes")
    for task, verdict in found.items():
        if isinstance(task, Mutant):
            style = None if verdict.good else "bold red"
            table.add_row(task.mistake, task.file, verdict.by, style=style)
        elif not verdict.good:
            table.add_row("none: these tests must pass", task, verdict.by, style="bold red")
    console = Console()
    console.print(table)
    count = sum(isinstance(task, Mutant) for task in found)
    bad = sum(not verdict.good for verdict in found.values())
    told = f"{bad} of these are not as they should be" if bad else "each noticed"
    console.print(f"{count} seeded mistakes, {told}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
