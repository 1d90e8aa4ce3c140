"""`make bench-fuse`: whether the cost model chooses well.

Each example is compiled with --fuse=always, never and auto, and the three take turns. `auto` should
never be more than 2 % slower than the better of the others. Two ratios tell: the median over the
rounds of its time by theirs, and its least time by theirs. The work of neighbours upsets now one,
now the other; where both are too high, they are marked.

    python -m tests.speed.fusion [--rounds N] [NAME ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mbc.driver.request import Request
from mbc.driver.rounds import Times
from mbc.passes.pipelines import FUSE_MODES
from tests.example_networks import EXAMPLES, Example
from tests.speed.race import Variant, options, print_row, race

MOST = 1.02
HEADER = (
    "network",
    *(f"{mode} ms" for mode in FUSE_MODES),
    "by always",
    "by never",
    "by better",
    "of least",
)
WIDTH = 34


def variants(example: Example) -> dict[str, Variant]:
    """The example in each mode."""
    file = EXAMPLES / f"{example.name}.py"
    params = dict(example.parameters)
    return {mode: Variant.of(Request(file, params, fuse=mode)) for mode in FUSE_MODES}


def ratios(times: dict[str, Times]) -> tuple[float, float, float, float]:
    """Medians of auto by always, by never, and by the better of them, which has the least time; and
    the least time of auto by that."""
    auto, always, never = times["auto"], times["always"], times["never"]
    better = min((always, never), key=lambda other: other.ms_min)
    least = auto.ms_min / better.ms_min
    return auto.ratio(always), auto.ratio(never), auto.ratio(better), least


def row(name: str, times: dict[str, Times]) -> tuple[str, ...]:
    """As printed: milliseconds are the least."""
    found = ratios(times)
    mark = "!" if min(found[2:]) > MOST else ""
    milliseconds = (f"{times[mode].ms_min:.3f}" for mode in FUSE_MODES)
    return (name, *milliseconds, *(f"{ratio:.3f}" for ratio in found[:3]), f"{found[3]:.3f}{mark}")


def main(words: Sequence[str]) -> int:
    """Print the table."""
    examples, rounds = options("tests.speed.fusion", words)
    print_row(HEADER, WIDTH)
    for example in examples:
        print_row(row(str(example), race(variants(example), rounds)), WIDTH)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
