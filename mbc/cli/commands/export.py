"""`mbc export`: a network in another format."""

from __future__ import annotations

import argparse
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_bytes, add_source, add_target, model_options, parameters
from mbc.cli.usage import Parser
from mbc.diag import error
from mbc.driver.byte_inputs import load_for_callers
from mbc.driver.export import onnx_after, onnx_model
from mbc.driver.output import write_product
from mbc.driver.pipeline import on_codes, quantisation_of
from mbc.driver.request import Request
from mbc.driver.source import Source
from mbc.ir.graph import Graph

STEPS = 4


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser)
    add_bytes(parser)
    add_target(parser, title="target of --after")
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
        "--after",
        metavar="PASS",
        help="write the network as it is after this pass of -O2 (mbc passes lists them), with what "
        "is fused or remapped as functions of the domain ai.mbc",
    )
    group.add_argument(
        "-o", dest="output", type=Path, metavar="FILE", help="file (default build/NET.onnx)"
    )


def _graph(request: Request, source: Source, args: argparse.Namespace) -> Graph:
    """Return the network, on codes if it is quantised."""
    quantisation = quantisation_of(request, source)
    if quantisation is not None and args.as_written:
        raise error("E0106", "--as-written is for networks in float: codes have no batch norms")
    return on_codes(source.graph, quantisation)


def run(args: argparse.Namespace) -> int:
    """Import, translate, write."""
    if args.after is None:
        for name in ("target", "mcpu", "mattr"):
            if getattr(args, name) is not None:
                raise error("E0106", f"--{name} does nothing without --after")
    elif args.as_written:
        raise error("E0106", "--as-written and --after exclude each other")
    request = Request(
        args.file,
        parameters(args.params),
        batch=args.batch,
        network=args.network,
        model=model_options(args),
        weights=args.weights,
        weights_from=args.weights_from,
        seed=args.seed,
        quantize=args.quantize,
        input_dtype=args.input_dtype,
        normalize=args.normalize,
        target=args.target,
        mcpu=args.mcpu,
        mattr=args.mattr,
    )
    with console.progress(STEPS) as observer:
        if args.after is None:
            source = load_for_callers(request, observer)
            model = onnx_model(_graph(request, source, args), as_written=args.as_written)
        else:
            source, model = onnx_after(request, args.after, observer)
        observer.step("writing ONNX")
        path = args.output or Path("build") / f"{source.net}.onnx"
        write_product(path, model.data)
    console.note(f"weights: {source.weights}")
    console.result(f"{path}  {len(model.data):,} bytes")
    return 0
