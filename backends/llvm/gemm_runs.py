"""Runs of A: where the k elements of a row lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Run(NamedTuple):
    """Consecutive elements of A."""

    offset: int
    """Byte offset from the pixel."""
    length: int
    """Number of elements."""
    source: int = 0
    """Index of the source of A that holds them."""

    def shifted(self, bytes: int) -> Run:
        """Return the run moved by a number of bytes."""
        return self._replace(offset=self.offset + bytes)


def run_lengths(runs: Sequence[Run]) -> tuple[int, ...]:
    """List the lengths of runs."""
    return tuple(run.length for run in runs)


def joined(runs: Sequence[Run], element_bytes: int) -> list[Run]:
    """Join runs where one begins at the end of the one before."""
    found: list[Run] = []
    for run in runs:
        if found and run == found[-1].shifted(element_bytes * found[-1].length)._replace(
            length=run.length
        ):
            found[-1] = found[-1]._replace(length=found[-1].length + run.length)
        else:
            found.append(run)
    return found


def split_runs(runs: Sequence[Run], steps: int, element_bytes: int) -> tuple[list[Run], list[Run]]:
    """Split runs into all elements but the last `steps`, and these."""
    before, after = list(runs), list[Run]()
    while steps and before:
        last = before.pop()
        taken = min(steps, last.length)
        kept = last.length - taken
        after.insert(0, Run(last.offset + element_bytes * kept, taken, last.source))
        if kept:
            before.append(last._replace(length=kept))
        steps -= taken
    return before, after


class Repeated(NamedTuple):
    """Runs of one length at equal distances."""

    first: Run
    """The first of them."""
    times: int = 1
    """How many there are."""
    distance: int = 0
    """Bytes from one to the next."""

    def follows(self, run: Run) -> bool:
        """Whether `run` is the next of them; any of that length and source, after a first one."""
        distance = self.distance if self.times > 1 else run.offset - self.first.offset
        return run == self.first.shifted(self.times * distance)

    def with_next(self, run: Run) -> Repeated:
        """Return them with `run`, which follows."""
        return Repeated(self.first, self.times + 1, (run.offset - self.first.offset) // self.times)


def repeated_runs(runs: Sequence[Run]) -> list[Repeated]:
    """Split runs into those at equal distances."""
    found = [Repeated(run) for run in runs[:1]]
    for run in runs[1:]:
        if found[-1].follows(run):
            found[-1] = found[-1].with_next(run)
        else:
            found.append(Repeated(run))
    return found
