"""Timing in turns: contestants that are timed in the same rounds see the same clock and the same
other processes, and do not run beside each other."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import get_native_id
from time import perf_counter, sleep

from mbc.records import dataclass

Run = Callable[[], object]

TASKS = Path("/proc/self/task")
"""The threads of this process; elsewhere than on Linux there is no such folder, and no wait."""

NAP = 0.001
"""Seconds until a thread that has just finished sleeps."""

PATIENCE = 0.5
"""Seconds until threads that never sleep are left to spin."""


@dataclass(frozen=True)
class Times:
    """Seconds of each round."""

    seconds: tuple[float, ...]

    @property
    def ms_min(self) -> float:
        """The fastest round, in milliseconds."""
        return min(self.seconds) * 1e3

    @property
    def ms_median(self) -> float:
        """The median round, in milliseconds."""
        return median(self.seconds) * 1e3

    def gflops(self, macs: int) -> float:
        """GFLOP/s of the fastest round, two operations a multiply-add."""
        return 2 * macs / min(self.seconds) / 1e9

    def ratio(self, ours: Times) -> float:
        """Median over the rounds of this time by ours."""
        return median(a / b for a, b in zip(self.seconds, ours.seconds, strict=True))


def take_turns(
    contestants: Mapping[str, Run], rounds: int, between: Run, restless: Callable[[str], None]
) -> dict[str, Times]:
    """Time every contestant once a round, each round beginning with the next one, `between` before
    each round.

    Several contestants push each other out of the caches; in use each would run alone. So before
    its timed run each runs once untimed, after the threads of the one before it have gone to sleep;
    `restless` is told who has some that do not.
    """
    names, seconds = list(contestants), {name: list[float]() for name in contestants}
    before = names[-1]  # who was the last to warm up
    for number in range(rounds):
        between()
        for name in names[number % len(names) :] + names[: number % len(names)]:
            if len(names) > 1:
                if not quiet():
                    restless(before)
                contestants[name]()
            start = perf_counter()
            contestants[name]()
            seconds[name].append(perf_counter() - start)
            before = name
    return {name: Times(tuple(found)) for name, found in seconds.items()}


def quiet(patience: float = PATIENCE) -> bool:
    """Wait until no other thread of this process runs; False where that does not come."""
    deadline = perf_counter() + patience
    while perf_counter() < deadline:
        sleep(NAP)
        if not any(
            _runs(task) for task in TASKS.glob("[0-9]*") if int(task.name) != get_native_id()
        ):
            return True
    return False


def _runs(task: Path) -> bool:
    """Whether a thread runs, by its state (proc_pid_stat(5)): its CPU time would lag behind."""
    try:
        return (task / "stat").read_text().rpartition(") ")[2].startswith("R")
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def stdout_on_stderr() -> Iterator[None]:
    """Redirect what C libraries print to stderr in the block: stdout is the command's product."""
    sys.stdout.flush()
    flush = ctypes.CDLL(None).fflush
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        flush(None)
        os.dup2(kept, 1)
        os.close(kept)
