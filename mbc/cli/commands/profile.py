"""`mbc profile`: where the time of a network goes, kernel by kernel, on this machine."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import (
    add_timed_run,
    inspection,
    request,
    team,
)
from mbc.cli.usage import Parser
from mbc.driver.output import write_bytes
from mbc.driver.pipeline import compile_graph
from mbc.driver.profile import profile
from mbc.ops.cost import short_form
from mbc.report.profile import LayerTime, Limits, Profile
from mbc.report.roofline_plot import draw_roofline

STEPS = 6

HEADERS = (
    "layer",
    "of",
    "op",
    "ms",
    "%",
    "GFLOP/s",
    "of peak",
    "KB",
    "GB/s",
    "FLOP/B",
    "bound",
    "of it",
)
SHARED_HEADERS, AFTER = ("uneven, ms", "pool, ms"), 5
WORDS = ("layer", "of", "op", "bound")


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    group = add_timed_run(parser)
    group.add_argument("--json", action="store_true", help="print the profile as JSON")
    group.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the roofline too")


def run(args: argparse.Namespace) -> int:
    """Compile, time, print, draw."""
    with console.progress(STEPS) as observer:
        compiled = compile_graph(request(args), inspection(args), observer, observer.note)
        found = profile(compiled, args.rounds, team(args), observer)
    if args.json:
        console.result(json.dumps(found.to_json(), indent=2))
    else:
        _show(found)
    if args.plot is not None:
        write_bytes(args.plot, draw_roofline(found, found.network))
    return 0


def _show(found: Profile) -> None:
    shared = found.limits.threads > 1
    rows: list[console.Row] = [
        (
            layer.name,
            "",
            layer.op,
            f"{layer.ms:.4f}",
            f"{100 * layer.ms / found.ms_kernels:.1f}",
            *(f"{ms:.4f}" for ms in (layer.imbalance_ms, layer.pool_ms) if shared),
            f"{layer.gflops:.1f}",
            _of_peak(layer, found.limits),
            f"{layer.bytes / 1e3:,.0f}",
            f"{layer.gbs:.1f}",
            f"{layer.intensity:.1f}",
            layer.bound,
            f"{layer.roof_fraction:.0%}",
        )
        for layer in found.layers
    ]
    headers = (*HEADERS[:AFTER], *SHARED_HEADERS, *HEADERS[AFTER:]) if shared else HEADERS
    origins = [partial(short_form, layer.origins) for layer in found.layers]
    rows = console.fitted(headers, rows, headers.index("of"), origins)
    console.table(headers, rows, right=[i for i, name in enumerate(headers) if name not in WORDS])
    threads = console.counted(found.limits.threads, "thread")
    console.result(
        f"\n{found.network}: min {found.ms_min:.3f} ms, median {found.ms_median:.3f} ms "
        f"({found.rounds} rounds, {threads}); the kernels' medians add up to "
        f"{found.ms_kernels:.3f} ms{_losses(found) if shared else ''}\n"
        f"{found.gflops:.1f} GFLOP/s, {found.peak_fraction:.0%} of {_peaks(found)}; "
        f"memory is read at {found.limits.memory_gbs:.1f} GB/s"
    )


def _of_peak(layer: LayerTime, limits: Limits) -> str:
    """Format a share, and where layers have different peaks of what it is."""
    told = f" {layer.peak}" if len(limits.peaks) > 1 and layer.peak else ""
    return f"{layer.peak_fraction:.0%}{told}"


def _peaks(found: Profile) -> str:
    limits = found.limits
    parts = [
        f"{share:.0%} by {kind}, at most {limits.gflops(kind):.1f}"
        for kind, share in found.shares.items()
    ]
    if len(parts) > 1:
        told = f"{found.peak_gflops:.1f} GFLOP/s; of the multiply-adds {', '.join(parts)}"
        return f"what its kernels can reach ({told})"
    return f"the {limits.kind} peak ({limits.gflops(None):.1f} GFLOP/s)"


def _losses(found: Profile) -> str:
    uneven, pool = found.imbalance_ms, found.pool_ms
    return f", of which threads with less to do lose {uneven:.3f} ms and the pool {pool:.3f} ms"
