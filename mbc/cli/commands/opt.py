"""`mbc opt`: IR text in, passes, IR text out."""

from __future__ import annotations

import argparse
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import (
    add_instruments,
    add_model,
    add_quantize,
    add_target,
    inspection,
    model_options,
)
from mbc.cli.usage import Parser
from mbc.driver.formats import LISTED
from mbc.driver.optimise import optimise, save, text_of


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "file", metavar="FILE", type=Path, help=f"IR text (.mbc) or model ({LISTED})"
    )
    add_model(parser)
    parser.add_argument(
        "-p",
        "--passes",
        default="",
        metavar="SPEC",
        help="passes in order, a,b{option=value}; none prints the text as it is",
    )
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="FILE",
        help="write there, with constants.safetensors beside it (default: stdout)",
    )
    add_quantize(parser)
    add_target(parser, default="what the text's header says")
    add_instruments(parser)


def run(args: argparse.Namespace) -> int:
    """Print or write the graph after the passes."""
    target = (args.target, args.mcpu, args.mattr)
    model = model_options(args)
    inspected, ranges = inspection(args), args.quantize
    graph = optimise(args.file, args.passes, target, inspected, console.note, model, ranges)
    if args.output is None:
        console.result(text_of(graph))
    else:
        save(graph, args.output)
    return 0
