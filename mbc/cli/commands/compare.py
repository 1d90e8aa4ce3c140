"""`mbc compare`: where do two evaluations of a network first differ?"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from mbc.cli import console
from mbc.cli.inputs import add_input, read_inputs
from mbc.cli.options import add_pipeline, add_source, for_this_machine, request
from mbc.cli.photos import add_photo_options, preprocessing, refuse_without_photo
from mbc.cli.usage import Parser
from mbc.driver.compare import ONNXRUNTIME, ORACLE, Comparison, Pair, Row, open_pair
from mbc.frontends.weights.listings import extents
from mbc.runtime import reference
from mbc.runtime.preprocessing import Preprocessing

STEPS = 12


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser, quantised=False)  # layers that are outputs have no ranges
    parser.set_defaults(quantize=None)
    for_this_machine(parser)
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--with",
        dest="other",
        metavar="WHAT",
        required=True,
        help=f"{ORACLE}: plain numpy; {ONNXRUNTIME}: that engine, of an ONNX model; or another "
        "network, model or IR text, whose layers have the same names",
    )
    add_input(group, " (default: numbers drawn from a seed)")
    group.add_argument(
        "--tolerance",
        type=_tolerance,
        default=reference.TOLERANCE,
        metavar="E",
        help=f"largest relative error that is rounding (default {reference.TOLERANCE:g})",
    )
    add_photo_options(parser)
    add_pipeline(parser, may_stop=False)


def _tolerance(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"takes a number from 0, found '{text}'")
    return found


def run(args: argparse.Namespace) -> int:
    """Evaluate both, and print a row a layer; 1 if one is off by more than the tolerance."""
    refuse_without_photo(args, args.inputs)
    with console.progress(STEPS) as observer:
        pair = open_pair(request(args), args.other, observer)
        comparison = pair.compare(_inputs(pair, args.inputs, preprocessing(args)))
    return _show(comparison, args.tolerance)


def _inputs(pair: Pair, paths: list[Path], how: Preprocessing) -> dict[str, np.ndarray]:
    if not paths:
        return reference.seeded_inputs(pair.inputs, reference.SEED)
    return read_inputs(pair.inputs, paths, how)


def _show(comparison: Comparison, tolerance: float) -> int:
    first = comparison.first(tolerance)
    rows = [_cells(row, row is first) for row in comparison.rows]
    console.table(("layer", "op", "shape", "error", ""), rows, right=(3,))
    if comparison.apart:
        layers = console.counted(comparison.apart, "layer")
        console.note(f"{layers} left out: only one of the two has such a name")
    if first is None:
        console.result(f"every error is at most {tolerance:g}")
        return 0
    where = "" if first.location is None else f", {first.location}"
    found = str(first.found) if _same_shape(first) else f"the other is {extents(first.other)}"
    console.result(f"first above {tolerance:g}: {first.name} ({first.op}{where}), {found}")
    return 1


def _cells(row: Row, first: bool) -> tuple[str, ...]:
    error = f"{row.found.error:.2g}" if _same_shape(row) else "shape"
    return row.name, row.op, extents(row.shape), error, "<- first" if first else ""


def _same_shape(row: Row) -> bool:
    return row.shape == row.other
