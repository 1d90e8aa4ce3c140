"""`mbc quantize`: measure the ranges by which a network computes on 8-bit codes."""

from __future__ import annotations

import argparse
import json
from math import isinf
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_source, for_this_machine, request
from mbc.cli.photos import add_photo_options, preprocessing
from mbc.cli.usage import Parser, UsageError, whole_number
from mbc.diag import error
from mbc.driver.output import write_bytes
from mbc.driver.quantise import TICKS, Outcome, Wanted, measure
from mbc.driver.samples import MOST_SAMPLES, RANDOM_SAMPLES
from mbc.int8.file import METHODS
from mbc.int8.quantisation import WEIGHT_BITS

STEPS = 3 + 4 * TICKS
FILES = (".npz", ".npy")


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser, quantised=False)
    for_this_machine(parser)
    parser.set_defaults(level=None, optimize=None, fuse=None, strassen=True, passes=None)
    parser.set_defaults(stop_after=None, quantize=None)
    group = parser.add_argument_group("samples", "--inputs FILE.npz reads arrays, by input")
    group.add_argument(
        "--images", type=Path, metavar="DIR", help="photos; subfolders are their classes"
    )
    group.add_argument(
        "--random",
        action="store_true",
        help=f"numbers that mean nothing, to try things out (default {RANDOM_SAMPLES} samples)",
    )
    group.add_argument(
        "--samples",
        type=whole_number(1),
        metavar="N",
        help=f"how many are taken, evenly spread (default: all, at most {MOST_SAMPLES})",
    )
    group = parser.add_argument_group("quantisation")
    group.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        metavar="HOW",
        help=f"{' or '.join(METHODS)}: ranges hold all values, or have the least squared error "
        f"(default {METHODS[0]})",
    )
    group.add_argument(
        "--bias-correction",
        action="store_true",
        help="shift the mean of each channel back by what rounding weights has moved it",
    )
    group.add_argument(
        "--keep-float",
        action="append",
        default=[],
        metavar="NAME",
        help="compute this layer in float; may be repeated",
    )
    group.add_argument(
        "--weight-bits",
        type=int,
        choices=WEIGHT_BITS,
        default=WEIGHT_BITS[0],
        metavar="N",
        help="8, or 7: faster on CPUs with AVX2 and no VNNI, and a little less accurate",
    )
    group.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="FILE", help="the ranges: net.q"
    )
    group.add_argument("--json", action="store_true", help="print what each layer loses as JSON")
    add_photo_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, write the file, print what it costs."""
    words = [word for words in args.model_inputs for word in words.split(",")]
    files = [Path(word) for word in words if word.endswith(FILES)]
    args.model_inputs = [word for word in words if not word.endswith(FILES)]
    if len(files) > 1:
        raise UsageError(f"--inputs takes one file of arrays, found {len(files)}", [])
    _refuse_photo_options(args)
    wanted = Wanted(
        images=args.images,
        inputs=files[0] if files else None,
        random=args.random,
        samples=args.samples,
        method=args.method,
        bias_correction=args.bias_correction,
        keep_float=tuple(args.keep_float),
        weight_bits=args.weight_bits,
        preprocessing=preprocessing(args),
    )
    with console.progress(STEPS) as observer:
        outcome = measure(request(args), wanted, observer)
    write_bytes(args.output, outcome.text.encode("utf-8"))
    if args.json:
        console.result(json.dumps(outcome.account.to_json(), indent=2))
    else:
        _show(outcome)
    return 0


def _refuse_photo_options(args: argparse.Namespace) -> None:
    given = [name for name in ("preprocess", "mean", "std", "resize") if getattr(args, name)]
    if given and args.images is None:
        raise error("E0106", f"--{given[0]} does nothing: there are no photos, as of --images")


def _show(outcome: Outcome) -> None:
    found, samples = outcome.account, outcome.measured.origin.samples
    rows = [
        (layer.name, layer.op, decibels(layer.alone), decibels(layer.total))
        for layer in found.layers
    ]
    console.table(("layer", "op", "dB alone", "dB in all"), rows, right=(2, 3))
    for name, value in found.outputs.items():
        console.result(f"{name}: {decibels(value)} dB of signal to noise")
    if found.agreement is not None:
        of = console.counted(samples, "sample")
        console.result(f"the same winner as in float: {found.agreement:.1%} of {of}")
    if found.accuracy is not None:
        real, ours = found.accuracy
        console.result(f"right: {real:.1%} in float, {ours:.1%} on codes")
    if advised := found.advised:
        options = " ".join(f"--keep-float {layer.name}" for layer in advised)
        console.result(f"layers that lose most: {options}")


def decibels(value: float) -> str:
    """Format a ratio."""
    return "exact" if isinf(value) and value > 0 else f"{value:.1f}"
