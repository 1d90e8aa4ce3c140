"""`mbc bench`: time a network on this machine, beside the machine's own peak and other engines; or
on a device of TVM's RPC."""

from __future__ import annotations

import argparse
import json

from mbc.accuracy import worst
from mbc.cli import console
from mbc.cli.options import add_timed_run, inspection, request, team, thread_options
from mbc.cli.remote import add_remote_options, remote
from mbc.cli.usage import Parser
from mbc.diag import nearest
from mbc.driver.bench import BenchResult, Contest, bench
from mbc.driver.configuration import refuse_options, resolve_request
from mbc.driver.pipeline import compile_configured
from mbc.driver.remote import RemoteResult, bench_remote, check_remote_target
from mbc.driver.request import TVM
from mbc.driver.rivals import check_codes
from mbc.driver.rounds import Times
from mbc.engines.catalogue import ENGINES, version

STEPS = 6

HEADERS = ("", "min ms", "median ms", "GFLOP/s", "of peak", "times slower")
NUMBERS = (1, 2, 3, 4, 5)


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    group = add_timed_run(parser)
    group.add_argument(
        "--vs",
        type=engine_names,
        default=(),
        metavar="ENGINES",
        help=f"time these in turns with it, on the same weights and input: {', '.join(ENGINES)}",
    )
    group.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_remote_options(parser)


def engine_names(text: str) -> tuple[str, ...]:
    """Parse the argument of --vs."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for name in names:
        if name not in ENGINES:
            hint = nearest(name, ENGINES) or (f"it takes {', '.join(ENGINES)}",)
            raise argparse.ArgumentTypeError(f"knows no '{name}'; {hint[0]}")
    return names


def run(args: argparse.Namespace) -> int:
    """Compile, time, print."""
    device, configuration = remote(args), resolve_request(request(args))
    refuse_options(configuration.producer, thread_options(args))
    if device is not None:
        check_remote_target(configuration.target)
    if args.quantize is not None:
        check_codes(args.vs)  # before anything is compiled
    contest = Contest(args.rounds, team(args), args.vs, configuration.request)
    result: BenchResult | RemoteResult
    with console.progress(STEPS + len(args.vs)) as observer:
        compiled = compile_configured(configuration, inspection(args), observer, observer.note)
        if device is None:
            result = bench(compiled, contest, observer)
        else:
            result = bench_remote(compiled, contest, device, observer)
    if args.json:
        console.result(json.dumps(result.to_json(), indent=2))
    elif isinstance(result, RemoteResult):
        _show_remote(compiled.source.net, result)
    else:
        under = " under TVM" if result.backend == TVM else ""
        _show(f"{compiled.source.net}{under}", result)
    return 0


def _show_remote(net: str, result: RemoteResult) -> None:
    times, target = result.times, result.target
    console.result(
        f"{net}: min {times.ms_min:.2f} ms, median {times.ms_median:.2f} ms "
        f"{_rounds(times, result.threads)}\n"
        f"{result.gflops:.1f} GFLOP/s on {result.loan.key} at {result.loan.address}, by TVM, for "
        f"{target.name} ({target.cpu}); relative error {worst(result.errors)[1].error:.1g}"
    )


def _rounds(times: Times, threads: int) -> str:
    return f"({len(times.seconds)} rounds, {console.counted(threads, 'thread')})"


def _show(net: str, result: BenchResult) -> None:
    ours, threads = result.ours, console.counted(result.threads, "thread")
    rounds = _rounds(ours, result.threads)
    if result.engines:
        console.result(f"{net} {rounds}")
        console.table(HEADERS, _rows(result), right=NUMBERS)
        console.result(f"{result.peak} peak of one core: {result.peak_gflops:.1f} GFLOP/s")
        return
    kind = result.peak
    cores = f"this core's {kind} peak" if result.threads == 1 else f"the {kind} peak of {threads}"
    console.result(
        f"{net}: min {ours.ms_min:.2f} ms, median {ours.ms_median:.2f} ms {rounds}\n"
        f"{result.gflops(ours):.1f} GFLOP/s, {result.peak_fraction(ours):.0%} of {cores} "
        f"({result.threads * result.peak_gflops:.1f} GFLOP/s)"
    )


def _rows(result: BenchResult) -> list[tuple[str, ...]]:
    """mbc, then the engines, the fastest first."""
    ratios = result.ratios
    rows = [("mbc", *_figures(result, result.ours), "")]
    rows += [
        (f"{name} {version(name)}", *_figures(result, result.engines[name]), f"{ratio:.2f}")
        for name, ratio in sorted(ratios.items(), key=lambda item: item[1])
    ]
    return rows


def _figures(result: BenchResult, times: Times) -> tuple[str, ...]:
    return (
        f"{times.ms_min:.2f}",
        f"{times.ms_median:.2f}",
        f"{result.gflops(times):.1f}",
        f"{result.peak_fraction(times):.0%}",
    )
