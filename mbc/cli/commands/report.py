"""`mbc report`: what a network costs, layer by layer."""

from __future__ import annotations

import argparse
import json

from mbc.cli import console
from mbc.cli.options import add_pipeline, add_source, add_target, inspection, request
from mbc.cli.usage import Parser
from mbc.driver.pipeline import compile_graph
from mbc.driver.report import make_report
from mbc.report.layers import Report, shares

HELP = "list multiply-adds, parameters and bytes of a network, layer by layer"

HEADERS = ("layer", "op", "shape", "M MACs", "%", "params", "KB", "FLOP/B")
NUMBERS = (3, 4, 5, 6, 7)
ROOF_HEADERS = ("least ms", "bound")


def configure(parser: Parser) -> None:
    """Everything that a compilation takes, but for its output."""
    add_source(parser)
    add_target(parser)
    add_pipeline(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Compile as far as asked, and print."""
    observer = console.NoProgress()
    compiled = compile_graph(request(args), inspection(args), observer, observer.note)
    report = make_report(compiled, observer)
    if args.json:
        console.result(json.dumps(report.to_json(), indent=2))
    else:
        _show(report)
    return 0


def _show(report: Report) -> None:
    macs = [layer.macs for layer in report.layers]
    rows: list[tuple[str, ...]] = [
        (
            layer.name,
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
    console.table(HEADERS + (ROOF_HEADERS if roof else ()), rows, right=(*NUMBERS, 8))
    settings = " ".join(f"{k}={str(v).lower()}" for k, v in report.parameters.items())
    console.result(f"\n{report.network} ({settings}) for {report.target}")
    console.result(
        f"{report.macs:,} multiply-adds, {report.params:,} parameters; "
        f"arena {report.arena_bytes:,} bytes, weights {report.weights_bytes:,} bytes; "
        f"{report.bytes_moved_by_data_movement:,} bytes copied"
    )
    if roof is not None:
        console.result(
            f"on {roof.board}, one core, at least {roof.ms:.1f} ms: {roof.gflops:.1f} GFLOP/s "
            f"and {roof.memory_gbs:g} GB/s"
        )
