"""The options of preprocessing: from a photo to a tensor."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

from mbc.cli.usage import Parser
from mbc.diag import error
from mbc.runtime.preprocessing import MAX_SIDE, PRESETS, Preprocessing, parse

NUMBERS = "mean", "std"
"""Options for the numbers that are made of a photo, besides --preprocess."""
RAW = ".npy", ".raw"
"""Ends of the names of files that hold tensors."""


def add_photo_options(parser: Parser) -> None:
    """Add the options that scale, crop and normalise."""
    group = parser.add_argument_group("photos", "cut, scaled, and each channel normalised")
    group.add_argument(
        "--preprocess",
        type=named_preprocessing,
        metavar="HOW",
        help="plain: -1…1 (default, as the executables do), tf: TF-Slim's evaluation, torch: "
        "torchvision's, unit: 0…1, raw: 0…255; or with parts, as in 'torch filter=bicubic'",
    )
    group.add_argument(
        "--mean", type=numbers, metavar="M[,M,M]", help="of values 0…1; one, or one a channel"
    )
    group.add_argument("--std", type=deviations, metavar="S[,S,S]", help="likewise")
    group.add_argument(
        "--resize",
        type=_resize,
        metavar="N|stretch",
        help="scale the short side to N pixels before the crop (256 for a resolution of 224), or "
        "the whole photo to the network's size",
    )


def named_preprocessing(text: str) -> Preprocessing:
    """Parse the argument of --preprocess."""
    try:
        return parse(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def numbers(text: str) -> tuple[float, ...]:
    """Parse the argument of --mean: one finite number, or three."""
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if len(found) not in (1, 3) or not all(map(math.isfinite, found)):
        raise argparse.ArgumentTypeError(f"takes a number, or three with commas, found '{text}'")
    return found


def deviations(text: str) -> tuple[float, ...]:
    """Parse the argument of --std: one number above zero, or three."""
    found = numbers(text)
    if min(found) <= 0:
        raise argparse.ArgumentTypeError(f"takes numbers above zero, found '{text}'")
    return found


def _resize(text: str) -> int | str:
    if text == "stretch":
        return text
    if text.isascii() and text.isdigit() and len(text) < 9 and 0 < int(text) <= MAX_SIDE:
        return int(text)
    raise argparse.ArgumentTypeError(f"takes a number of pixels or 'stretch', found '{text}'")


def preprocessing(args: argparse.Namespace, default: Preprocessing | None = None) -> Preprocessing:
    """Return the preprocessing that the options add up to."""
    how: Preprocessing = args.preprocess or default or PRESETS["plain"]
    how = how.with_numbers(args.mean, args.std)
    if args.resize is None:
        return how
    if args.resize == "stretch":
        return replace(how, resize="stretch", amount=None)
    return replace(how, resize="short", amount=float(args.resize))


def is_normalising(args: argparse.Namespace) -> bool:
    """Whether options say into which numbers bytes are made."""
    return any(option is not None for option in (args.preprocess, args.mean, args.std))


def refuse_numbers(args: argparse.Namespace, why: str) -> None:
    """E0106 for options that set the numbers of a photo, where others do that."""
    for name in NUMBERS:
        if getattr(args, name) is not None:
            raise error("E0106", f"--{name} does nothing: {why}")


def refuse_without_photo(
    args: argparse.Namespace, paths: list[Path], *, normalising: bool = False
) -> None:
    """E0106 where options for photos are given and every input is a raw tensor; those that say what
    becomes of bytes are heard all the same if the network is `normalising` these."""
    options = ("resize",) if normalising else ("preprocess", *NUMBERS, "resize")
    given = [name for name in options if getattr(args, name)]
    if given and all(path.suffix in RAW for path in paths):
        raise error(
            "E0106",
            f"--{given[0]} does nothing: no input is a photo",
            helps=["a .npy file holds the tensor itself"],
        )


def refuse_unheard(args: argparse.Namespace, paths: list[Path]) -> None:
    """E0106 for options for photos that neither a photo nor what the network makes of bytes
    hears."""
    if args.normalize is not None:
        refuse_numbers(args, "--normalize says what becomes of bytes")
    heard = args.input_dtype is not None and args.normalize is None
    refuse_without_photo(args, paths, normalising=heard)
