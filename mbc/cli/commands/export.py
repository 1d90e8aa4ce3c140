"""`mbc export`: a network in another format."""

from __future__ import annotations

import argparse
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_source, model_options, parameters
from mbc.cli.usage import Parser
from mbc.driver.export import onnx_model
from mbc.driver.output import write_product
from mbc.driver.request import Request
from mbc.driver.source import load

HELP = "write a network in another format"
STEPS = 3


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format", choices=("onnx",), default="onnx", help="onnx, which is the default"
    )
    group.add_argument(
        "--as-written",
        action="store_true",
        help="leave batch norms where they are (else they are folded into the weights)",
    )
    group.add_argument(
        "-o", dest="output", type=Path, metavar="FILE", help="file (default build/NET.onnx)"
    )


def run(args: argparse.Namespace) -> int:
    """Import, translate, write."""
    request = Request(
        args.file,
        parameters(args.params),
        batch=args.batch,
        network=args.network,
        model=model_options(args),
        weights=args.weights,
        weights_from=args.weights_from,
        seed=args.seed,
    )
    with console.progress(STEPS) as observer:
        source = load(request, observer)
        observer.step("writing ONNX")
        model = onnx_model(source.graph, as_written=args.as_written)
        path = args.output or Path("build") / f"{source.net}.onnx"
        write_product(path, model.data)
    console.note(f"weights: {source.weights}")
    console.result(f"{path}  {len(model.data):,} bytes")
    return 0
