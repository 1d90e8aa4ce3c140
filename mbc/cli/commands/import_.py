"""`mbc import`: a model of another format as IR text."""

from __future__ import annotations

import argparse
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_model, model_options
from mbc.cli.usage import Parser
from mbc.diag import error
from mbc.driver.formats import FORMATS, LISTED
from mbc.driver.optimise import save, save_stated
from mbc.driver.request import Request
from mbc.driver.source import load

STEPS = 2


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument("file", metavar="FILE", type=Path, help=f"model ({LISTED})")
    add_model(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="FILE.mbc",
        help="IR text, with constants.safetensors beside it (default build/NET.mbc)",
    )
    group.add_argument(
        "--check",
        action="store_true",
        help="write nothing: say whether mbc can import the model, and what it does not support",
    )


def run(args: argparse.Namespace) -> int:
    """Import, and write the text and its constants."""
    if args.file.suffix not in FORMATS:
        raise error("E0102", f"{args.file} is no model ({LISTED})")
    if args.check and args.output is not None:
        raise error("E0106", "--check writes nothing, so -o has no effect")
    request = Request(args.file, model=model_options(args))
    with console.progress(STEPS) as observer:
        source = load(request, observer)
        path = args.output or Path("build") / f"{source.net}.mbc"
        scales = None
        if not args.check:
            observer.step("writing IR text")
            save(source.graph, path)
            scales = save_stated(source, path)
    totals = source.totals
    sizes = f"{totals.macs / 1e6:,.1f} M multiply-adds, {totals.params:,} parameters"
    nodes = console.counted(len(source.graph.topo()), "node")
    if scales is not None:
        console.note(f"its scales are in {scales}: mbc compile {path} --quantize {scales}")
    console.result(f"{args.file if args.check else path}  {nodes}, {sizes}")
    return 0
