"""`make bench-variants`: what a second thread, and less memory, do to the time of the examples.

Each example takes turns with itself on two threads, and compiled with --optimize=memory. A
ratio is the median over the rounds, milliseconds are the least; arenas are of one thread. "of peak"
is how many times faster two threads are by how many times more they multiply and add at most, which
is measured in the same rounds.

    python -m tests.speed.variants [--rounds N] [NAME ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from mbc.backends.llvm.profile import ProfiledNet
from mbc.driver.request import Request
from mbc.driver.rounds import Run, Times
from mbc.runtime.pool import Team
from tests.example_networks import EXAMPLES, Example
from tests.speed.race import Variant, options, print_row, race

THREADS = 2
PEAKS = ("peak of one", "peak of all")
HEADER = ("network", "ms", "2 threads", "times", "of peak", "memory", "by speed", "arena", "less")
WIDTH = 34


def variants(example: Example) -> dict[str, Variant]:
    """The example for speed, on one thread and on two, and for little memory."""
    file, params = EXAMPLES / f"{example.name}.py", dict(example.parameters)
    speed = Variant.of(Request(file, params))
    memory = Variant.of(Request(file, params, optimize="memory"))
    return {"speed": speed, "threads": speed.on(THREADS), "memory": memory}


def peaks() -> dict[str, Run]:
    """The FMA peak of one thread and of several, each of which does the same."""
    small = Request(EXAMPLES / "mobilenet_v1.py", {"alpha": "0.25", "resolution": "32"})
    lowered = Variant.of(small).lowered
    nets = (ProfiledNet(lowered), ProfiledNet(lowered, Team(THREADS).gather()))
    return {
        name: partial(net.peak_gflops, net.peaks[0]) for name, net in zip(PEAKS, nets, strict=True)
    }


def row(name: str, found: dict[str, Variant], times: dict[str, Times]) -> tuple[str, ...]:
    """As printed: how many times faster two threads are, and how much slower less memory."""
    speed, threads, memory = times["speed"], times["threads"], times["memory"]
    arenas = (found[goal].lowered.spec.arena_bytes for goal in ("speed", "memory"))
    return (
        name,
        f"{speed.ms_min:.3f}",
        f"{threads.ms_min:.3f}",
        f"{speed.ratio(threads):.2f}",
        f"{speed.ratio(threads) / THREADS / times[PEAKS[0]].ratio(times[PEAKS[1]]):.3f}",
        f"{memory.ms_min:.3f}",
        f"{memory.ratio(speed):.3f}",
        *(f"{bytes:,}" for bytes in arenas),
    )


def main(words: Sequence[str]) -> int:
    """Print the table."""
    examples, rounds = options("tests.speed.variants", words)
    print_row(HEADER, WIDTH)
    limits = peaks()
    for example in examples:
        found = variants(example)
        print_row(row(str(example), found, race(found, rounds, limits)), WIDTH)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
