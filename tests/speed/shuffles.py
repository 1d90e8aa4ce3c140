"""`make bench-shuffles`: what shuffles, splits and concatenations cost, which should be nothing.

ShuffleNetV1 with 3 groups takes turns with the same network whose shuffles are left out, and
ShuffleNetV2 with a network of equal multiply-adds that moves no channels. Then the instructions of
the arm64 executables are counted under qemu. These are exact: the status is 1 where the shuffles of
ShuffleNetV1 take more than 2 % more of them.

    python -m tests.speed.shuffles [--rounds N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mbc.driver.request import Request
from tests.counts.counter import Counter
from tests.counts.networks import Network, measure
from tests.example_networks import EXAMPLES
from tests.speed.race import Variant, print_row, race

MOST_TIME, MOST_INSTRUCTIONS = 1.03, 1.02
HEADER = ("network", "ms", "plain ms", "ratio", "M instr", "plain M", "ratio")
WIDTH = 18
SHUFFLE = "    y = nn.channel_shuffle(y, groups)\n"


@dataclass(frozen=True)
class Pair:
    """A network that moves channels, and the plain one that does not."""

    name: str
    file: Path
    plain: Path
    options: tuple[str, ...] = ()
    limited: bool = True

    @property
    def params(self) -> dict[str, str]:
        """The options -D."""
        return dict(word.split("=") for word in self.options[1::2])


def pairs(folder: Path) -> tuple[Pair, Pair]:
    """Both pairs; the plain ShuffleNetV1 is written into a folder."""
    first, plain = EXAMPLES / "shufflenet_v1.py", folder / "plain_shufflenet_v1.py"
    source = first.read_text("utf-8")
    if source.count(SHUFFLE) != 1:
        raise ValueError(f"{first} has no line {SHUFFLE.strip()!r} that could be left out")
    plain.write_text(source.replace(SHUFFLE, ""), "utf-8")
    second = Path(__file__).with_name("plain_shufflenet_v2.py")
    return (
        Pair("shufflenet_v1-g3", first, plain, ("-D", "groups=3")),
        Pair("shufflenet_v2", EXAMPLES / "shufflenet_v2.py", second, limited=False),
    )


def variants(pair: Pair) -> dict[str, Variant]:
    """Both networks for this machine; ValueError unless they compute as much."""
    files = {"moving": pair.file, "plain": pair.plain}
    found = {name: Variant.of(Request(file, pair.params)) for name, file in files.items()}
    if found["moving"].macs != found["plain"].macs:
        raise ValueError(f"{pair.name}: {found['moving'].macs} and {found['plain'].macs} macs")
    return found


def instructions(pair: Pair, counter: Counter, folder: Path) -> tuple[int, int]:
    """Of one inference on arm64, by both."""
    networks = (
        Network(file.stem, str(file), float("inf"), options=pair.options)
        for file in (pair.file, pair.plain)
    )
    moving, plain = (measure(network, counter, folder).total.instructions for network in networks)
    return moving, plain


def _ratio(ratio: float, most: float) -> str:
    return f"{ratio:.3f}{'!' * (ratio > most)}"


def _row(pair: Pair, counter: Counter, folder: Path, rounds: int) -> tuple[tuple[str, ...], bool]:
    """As printed, and whether the instructions are within the limit."""
    times = race(variants(pair), rounds)
    moving, plain = instructions(pair, counter, folder)
    most = MOST_INSTRUCTIONS if pair.limited else float("inf")
    cells = (
        pair.name,
        *(f"{times[name].ms_min:.3f}" for name in ("moving", "plain")),
        _ratio(times["moving"].ratio(times["plain"]), MOST_TIME),
        *(f"{count / 1e6:.2f}" for count in (moving, plain)),
        _ratio(moving / plain, most),
    )
    return cells, moving / plain <= most


def main(words: Sequence[str]) -> int:
    """Print the table; 1 if the shuffles of ShuffleNetV1 take too many instructions."""
    parser = argparse.ArgumentParser(prog="python -m tests.speed.shuffles")
    parser.add_argument("--rounds", type=int, default=200, metavar="N", help="default 200")
    args = parser.parse_args(words)
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counter = Counter.build(folder)
        print_row(HEADER, WIDTH)
        for pair in pairs(folder):
            cells, within = _row(pair, counter, folder, args.rounds)
            print_row(cells, WIDTH)
            good = good and within
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
