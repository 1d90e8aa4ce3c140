"""`mbc report`: what a network costs, layer by layer."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_bytes, add_pipeline, add_source, add_target, inspection, request
from mbc.cli.papers import run_paper
from mbc.cli.usage import Parser, UsageError, given_options
from mbc.diag import error
from mbc.driver.configuration import resolve_request
from mbc.driver.output import write_bytes
from mbc.driver.pipeline import compile_configured
from mbc.driver.producers.producer import Compiled
from mbc.driver.report import make_memory_report, make_report
from mbc.ops.cost import short_form
from mbc.papers import PAPERS
from mbc.report.arena_plot import draw_arena
from mbc.report.costs import Report, shares
from mbc.report.memory import Memory

HEADERS = ("layer", "of", "op", "shape", "M MACs", "%", "params", "KB", "FLOP/B")
NUMBERS = (4, 5, 6, 7, 8)
ROOF_HEADERS = ("least ms", "bound")
MEMORY_HEADERS = ("value", "bytes", "first", "last", "offset", "peak")


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser, optional=True)
    add_bytes(parser)
    add_target(parser)
    add_pipeline(parser)
    parser.add_argument(
        "--paper",
        choices=PAPERS,
        metavar="NAME",
        help=f"instead of a FILE: the tables of a paper beside our counts ({', '.join(PAPERS)})",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--memory", action="store_true", help="list what lies in the arena, from when to when"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="draw the arena too (goes with --memory)"
    )


def run(args: argparse.Namespace) -> int:
    """Compile as far as asked, and print."""
    if args.paper is not None:
        if more := given_options(configure, args, ("paper", "json")):
            raise error("E0106", f"--paper goes with --json alone, not with {more[0]}")
        return run_paper(args.paper, as_json=args.json)
    if args.file is None:
        raise UsageError("FILE is missing", ["--paper needs none"])
    if args.plot is not None and not args.memory:
        raise error("E0106", "--plot draws the arena, so it goes with --memory")
    configuration = resolve_request(request(args))
    if configuration.target.gpu is not None:
        raise error("E0106", f"mbc report is about CPUs, and {args.target} means a GPU")
    observer = console.NoProgress()
    compiled = compile_configured(configuration, inspection(args), observer, observer.note)
    if args.memory:
        return _run_memory(args, compiled)
    report = make_report(compiled, observer)
    if args.json:
        console.result(json.dumps(report.to_json(), indent=2))
    else:
        _show(report)
    return 0


def _run_memory(args: argparse.Namespace, compiled: Compiled) -> int:
    memory = make_memory_report(compiled, console.NoProgress())
    source = compiled.source
    if args.json:
        head = {"network": source.network, "parameters": source.parameters}
        head |= {"target": compiled.target.name}
        console.result(json.dumps(head | memory.to_json(), indent=2))
    else:
        _show_memory(memory, f"{source.network} for {compiled.target.name}")
    if args.plot is not None:
        write_bytes(args.plot, draw_arena(memory, f"{source.network} for {compiled.target.name}"))
    return 0


def _show_memory(memory: Memory, title: str) -> None:
    rows = [
        (
            holding.name,
            f"{holding.bytes:,}",
            str(holding.first),
            str(min(holding.last, len(memory.steps) - 1)),
            f"{holding.offset:,}",
            "*" if holding.at_peak else "",
        )
        for holding in sorted(memory.holdings, key=lambda holding: holding.first)
    ]
    console.table(MEMORY_HEADERS, rows, right=(1, 2, 3, 4))
    console.result(f"\n{title}: arena {memory.arena_bytes:,} bytes on one thread")
    if memory.steps:
        peak = memory.steps[memory.peak]
        console.result(
            f"* alive at step {memory.peak}, {peak.op} {peak.layer}, which needs most: "
            f"{memory.bound_bytes:,} bytes, and no plan less"
        )
    console.result(
        f"several threads share {memory.shared_bytes:,} bytes and need "
        f"{memory.scratch_bytes:,} each"
    )


def _of_integers(report: Report) -> str:
    """Say how many multiply-adds are of codes, if any are."""
    if not report.integer_macs:
        return ""
    return f" ({report.integer_macs:,} on 8-bit codes)"


def _show(report: Report) -> None:
    macs = [layer.macs for layer in report.layers]
    rows: list[tuple[str, ...]] = [
        (
            layer.name,
            "",
            layer.op,
            "x".join(map(str, layer.shape)),
            f"{layer.macs / 1e6:.2f}",
            f"{100 * share:.1f}",
            f"{layer.params:,}",
            f"{layer.bytes / 1e3:,.0f}",
            f"{layer.intensity:.1f}",
        )
        for layer, share in zip(report.layers, shares(macs), strict=True)
    ]
    roof = report.roofline
    if roof is not None:
        roofs = ((f"{layer.ms:.3f}", layer.bound) for layer in roof.layers)
        rows = [(*row, *more) for row, more in zip(rows, roofs, strict=True)]
    headers = HEADERS + (ROOF_HEADERS if roof else ())
    origins = [partial(short_form, layer.origins) for layer in report.layers]
    fitted = console.fitted(headers, rows, headers.index("of"), origins)
    console.table(headers, fitted, right=(*NUMBERS, 9))
    settings = " ".join(f"{k}={str(v).lower()}" for k, v in report.parameters.items())
    console.result(f"\n{report.network} ({settings}) for {report.target}")
    console.result(
        f"{report.macs:,} multiply-adds{_of_integers(report)}, {report.params:,} parameters; "
        f"arena {report.arena_bytes:,} bytes, weights {report.weights_bytes:,} bytes; "
        f"{report.bytes_moved_by_data_movement:,} bytes copied"
    )
    if roof is not None:
        console.result(
            f"on {roof.board}, one core, at least {roof.ms:.1f} ms: {roof.gflops:.1f} GFLOP/s "
            f"and {roof.memory_gbs:g} GB/s"
        )
