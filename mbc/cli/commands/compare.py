"""`mbc compare`: where do two evaluations of a network first differ?"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from mbc.cli import console
from mbc.cli.inputs import add_input, read_inputs
from mbc.cli.options import add_bytes, add_pipeline, add_source, for_this_machine, request
from mbc.cli.photos import add_photo_options, is_normalising, preprocessing, refuse_unheard
from mbc.cli.usage import Parser, whole_number
from mbc.driver.compare import (
    COARSE,
    ONNXRUNTIME,
    ORACLE,
    OUTPUT,
    STEPS,
    Comparison,
    Pair,
    Row,
    open_pair,
)
from mbc.frontends.weights.listings import extents
from mbc.runtime import reference
from mbc.runtime.preprocessing import Preprocessing

PROGRESS = 12


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser)
    add_bytes(parser)
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
        metavar="E",
        help=f"largest relative error that is rounding (default {reference.TOLERANCE:g}; beside "
        f"codes of onnxruntime {COARSE:.2g})",
    )
    group.add_argument(
        "--steps",
        type=whole_number(0),
        metavar="N",
        help=f"how many steps codes may be off (default 0; from onnxruntime {STEPS})",
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
    how = preprocessing(args)
    refuse_unheard(args, args.inputs)
    wanted = replace(request(args), preprocess=how if is_normalising(args) else None)
    with console.progress(PROGRESS) as observer:
        pair = open_pair(wanted, args.other, observer)
        comparison = pair.compare(_inputs(pair, args.inputs, how))
    tolerance = COARSE if pair.rounded else reference.TOLERANCE
    steps = STEPS if pair.rounded else 0
    return _show(
        comparison,
        tolerance if args.tolerance is None else args.tolerance,
        steps if args.steps is None else args.steps,
    )


def _inputs(pair: Pair, paths: list[Path], how: Preprocessing) -> dict[str, np.ndarray]:
    if not paths:
        return reference.seeded_inputs(pair.inputs, reference.SEED)
    return read_inputs(pair.inputs, paths, how)


def _show(comparison: Comparison, tolerance: float, steps: int) -> int:
    first = comparison.first(tolerance, steps)
    rows = [_cells(row, row is first) for row in comparison.rows]
    console.table(("layer", "op", "shape", "error", ""), rows, right=(3,))
    if comparison.apart:
        layers = console.counted(comparison.apart, "layer")
        console.note(f"{layers} left out: only one of the two has such a name")
    coded = [row for row in comparison.rows if row.steps is not None]
    for row in coded:
        if row.op == OUTPUT:
            console.result(f"codes of {row.name}: {row.steps}")
    if first is None:
        codes = f"every code is at most {console.counted(steps, 'step')} off, " if coded else ""
        console.result(f"{codes}every error is at most {tolerance:g}")
        return 0
    where = "" if first.location is None else f", {first.location}"
    found = str(first.found) if _same_shape(first) else f"the other is {extents(first.other)}"
    if first.steps is not None:
        limit, found = console.counted(steps, "step"), str(first.steps)
    else:
        limit = f"{tolerance:g}"
    console.result(f"first above {limit}: {first.name} ({first.op}{where}), {found}")
    return 1


def _cells(row: Row, first: bool) -> tuple[str, ...]:
    error = f"{row.found.error:.2g}" if _same_shape(row) else "shape"
    if row.steps is not None:
        error = console.counted(row.steps.most, "step")
    return row.name, row.op, extents(row.shape), error, "<- first" if first else ""


def _same_shape(row: Row) -> bool:
    return row.shape == row.other
