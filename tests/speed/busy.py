"""`make bench-busy`: what two threads take while another process uses a CPU that one of them needs,
and what four take on one CPU.

The network takes turns with itself on one thread. A ratio is the median over the rounds of its time
by that of one thread; where one is above 1.10 the benchmark fails.

    python -m tests.speed.busy [--rounds N] [NAME ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mbc.driver.request import Request
from tests.example_networks import EXAMPLES, Example
from tests.speed.race import Variant, options, print_row, race

MOST = 1.10
HEADER = ("network", "ms", "2 threads", "by one", "4 threads", "by one")
WIDTH = 34
SPIN = "while True: pass"


@contextmanager
def spinning(cpu: int) -> Iterator[None]:
    """Another process on this CPU, which never sleeps."""
    words = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{cpu}])\n{SPIN}"]
    with subprocess.Popen(words) as other:
        try:
            yield
        finally:
            other.kill()


@contextmanager
def confined(cpu: int) -> Iterator[None]:
    """This thread, and those that it starts, on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [cpu])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def ratios(example: Example, rounds: int) -> tuple[float, list[float], list[float]]:
    """Least milliseconds of one thread; those of two threads beside a spinning process, and of four
    on one CPU, each with its ratio."""
    alone = Variant.of(Request(EXAMPLES / f"{example.name}.py", dict(example.parameters)))
    first, *_, last = sorted(os.sched_getaffinity(0))
    with spinning(last):
        busy = race({"one": alone, "two": alone.on(2)}, rounds)
    with confined(first):
        crowd = race({"one": alone, "four": alone.on(4)}, rounds)
    two = [busy["two"].ms_median, busy["two"].ratio(busy["one"])]
    four = [crowd["four"].ms_median, crowd["four"].ratio(crowd["one"])]
    return busy["one"].ms_min, two, four


def main(words: Sequence[str]) -> int:
    """Print the table; 1 if some ratio is too high."""
    examples, rounds = options("tests.speed.busy", words)
    if len(os.sched_getaffinity(0)) < 2:
        print("two CPUs are needed", file=sys.stderr)
        return 2
    print_row(HEADER, WIDTH)
    worst = 0.0
    for example in examples:
        least, two, four = ratios(example, rounds)
        print_row((str(example), *(f"{x:.3f}" for x in (least, *two, *four))), WIDTH)
        worst = max(worst, two[1], four[1])
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
