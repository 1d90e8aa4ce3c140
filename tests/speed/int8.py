"""`make bench-int8`: networks on codes by the same in float, on this machine.

Each example is quantised by random samples, and takes turns with itself in float. A ratio is the
median over the rounds of the time on codes by that in float, milliseconds are the least; --target
and --mattr choose the instructions of both.

    python -m tests.speed.int8 [--rounds N] [--target NAME] [--mattr FEATURES] [--bits 8|7]
                               [NAME ...]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mbc.driver.quantise import Wanted, write_measured
from mbc.driver.request import Request
from mbc.driver.rounds import Times
from mbc.int8.quantisation import WEIGHT_BITS
from tests.example_networks import EXAMPLES, LEADING, Example
from tests.speed.race import Variant, named, parser_of, print_row, race

HEADER = ("network", "float ms", "codes ms", "ratio", "float file", "codes file", "arena by")
WIDTH = 34
SAMPLES = 2


def variants(example: Example, like: Request, bits: int) -> dict[str, Variant]:
    """The example in float and on codes."""
    file, params = EXAMPLES / f"{example.name}.py", dict(example.parameters)
    real = replace(like, file=file, params=params)
    with tempfile.TemporaryDirectory() as folder:
        ranges = Path(folder) / "net.q"
        wanted = Wanted(random=True, samples=SAMPLES, weight_bits=bits)
        write_measured(real, wanted, "plain", ranges)
        codes = Variant.of(replace(real, quantize=ranges))
    return {"float": Variant.of(real), "codes": codes}


def row(name: str, found: dict[str, Variant], times: dict[str, Times]) -> tuple[str, ...]:
    """As printed."""
    real, codes = (found[kind].lowered for kind in ("float", "codes"))
    return (
        name,
        f"{times['float'].ms_min:.3f}",
        f"{times['codes'].ms_min:.3f}",
        f"{times['codes'].ratio(times['float']):.3f}",
        *(f"{len(each.weights):,}" for each in (real, codes)),
        f"{codes.spec.arena_bytes / real.spec.arena_bytes:.3f}",
    )


def main(words: Sequence[str]) -> int:
    """Print the table."""
    parser = parser_of("tests.speed.int8")
    parser.add_argument("--bits", type=int, default=8, choices=WEIGHT_BITS, help="of weights")
    parser.add_argument("--target", help="default: this machine")
    parser.add_argument("--mattr", help="features to add or remove")
    args = parser.parse_args(words)
    like = Request(Path(), target=args.target, mattr=args.mattr)
    print_row(HEADER, WIDTH)
    for example in named(parser, args.names, LEADING):
        found = variants(example, like, args.bits)
        print_row(row(str(example), found, race(found, args.rounds)), WIDTH)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
