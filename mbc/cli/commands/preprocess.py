"""`mbc preprocess`: a photo becomes the tensor that a network reads."""

from __future__ import annotations

import argparse
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_parameters, model_options, parameters
from mbc.cli.photos import add_photo_options, preprocessing, refuse_numbers
from mbc.cli.usage import Parser, UsageError
from mbc.driver.output import write_array
from mbc.driver.request import Request
from mbc.driver.shapes import choose_input, inputs_of, preprocessing_of
from mbc.ir.elements import F32, U8
from mbc.runtime.abi import IoSpec
from mbc.runtime.inputs import read_photo
from mbc.runtime.normalisation import AS_THEY_ARE
from mbc.runtime.preprocessing import Preprocessing


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument("image", metavar="IMAGE", type=Path, help="the photo")
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="FILE.npy", required=True, help="the tensor"
    )
    shape = parser.add_mutually_exclusive_group(required=True)
    shape.add_argument(
        "--for",
        dest="file",
        type=Path,
        metavar="FILE",
        help="the network (.py, which is run, or .mbc), or the folder that mbc compile made",
    )
    shape.add_argument(
        "--size",
        type=_size,
        metavar="H[xW[xC]]",
        help="height, width and channels (1: grey, 3: colours; default square and 3)",
    )
    parser.add_argument("--input", metavar="NAME", help="of which input, if there are several")
    add_parameters(parser)
    add_photo_options(parser)


def _size(text: str) -> tuple[int, int, int, int]:
    words = text.split("x")
    extents = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 6]
    if len(extents) != len(words) or not 1 <= len(extents) <= 3 or min(extents) < 1:
        raise argparse.ArgumentTypeError(f"takes 224, 128x160 or 32x32x1, found '{text}'")
    height, width, channels = (*extents, *(extents[0], 3)[len(extents) - 1 :])
    return 1, height, width, channels


def run(args: argparse.Namespace) -> int:
    """Find the shape, read the photo, write the tensor."""
    if args.output.suffix != ".npy":
        raise UsageError(f"-o names a .npy file, not {args.output}", ["as in -o x.npy"])
    spec = _spec(args)
    if spec.element is U8:
        refuse_numbers(args, "the network takes bytes, and normalises them itself")
    how = preprocessing(args, None if args.file is None else preprocessing_of(_request(args)))
    write_array(args.output, read_photo(args.image, spec, how))
    kind = spec.element.numpy
    console.note(f"wrote {args.output}: {kind} {list(spec.shape)}, {_done(spec, how)}")
    return 0


def _done(spec: IoSpec, how: Preprocessing) -> str:
    """Say what was done to a photo."""
    if spec.element is F32:
        return str(how)
    return f"{how.normalising(AS_THEY_ARE)}; the network normalises it"


def _request(args: argparse.Namespace) -> Request:
    return Request(
        args.file,
        parameters(args.params),
        batch=args.batch,
        network=args.network,
        model=model_options(args),
    )


def _spec(args: argparse.Namespace) -> IoSpec:
    if args.file is not None:
        return choose_input(inputs_of(_request(args)), args.input)
    for option, given in (
        ("-D", args.params),
        ("--batch", args.batch),
        ("--network", args.network),
        ("--input", args.input),
        *((option, True) for option in model_options(args).given()),
    ):
        if given:
            raise UsageError(f"{option} needs a network: --for FILE", [])
    return IoSpec("input", args.size)
