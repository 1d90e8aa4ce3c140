"""`mbc bench`: time a network on this machine, beside the machine's own peak."""

from __future__ import annotations

import argparse
import json

from mbc.cli import console
from mbc.cli.options import add_pipeline, add_source, for_this_machine, inspection, request
from mbc.cli.usage import Parser, whole_number
from mbc.driver.bench import bench
from mbc.driver.pipeline import compile_graph

HELP = "time a network in this process, and the FMA peak of the core with it"
STEPS = 6


def configure(parser: Parser) -> None:
    """How often, and how to print it."""
    add_source(parser)
    for_this_machine(parser)
    add_pipeline(parser, may_stop=False)
    group = parser.add_argument_group("timing")
    group.add_argument(
        "--threads", type=int, choices=(1,), default=1, help="one, in this version of mbc"
    )
    group.add_argument(
        "--rounds",
        type=whole_number(1),
        default=100,
        metavar="N",
        help="runs to time after a few to warm up (default 100)",
    )
    group.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Compile, time, print."""
    with console.progress(STEPS) as observer:
        compiled = compile_graph(request(args), inspection(args), observer, observer.note)
        result = bench(compiled, args.rounds, observer)
    if args.json:
        console.result(json.dumps(result.to_json(), indent=2))
        return 0
    console.result(
        f"{compiled.source.net}: min {result.ms_min:.2f} ms, median {result.ms_median:.2f} ms "
        f"({result.rounds} rounds, 1 thread)\n"
        f"{result.gflops:.1f} GFLOP/s, {result.peak_fraction:.0%} of this core's FMA peak "
        f"({result.peak_gflops:.1f} GFLOP/s)"
    )
    return 0
