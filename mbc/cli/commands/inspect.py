"""`mbc inspect`: what each pass made of a network, and where its time and memory go."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mbc.cli import console
from mbc.cli.options import add_bytes, add_pipeline, add_source, add_target, inspection, request
from mbc.cli.usage import Parser, whole_number
from mbc.diag import error
from mbc.driver.configuration import resolve_request
from mbc.driver.inspect import inspect
from mbc.driver.output import write_bytes
from mbc.inspect.measured import read_profile
from mbc.inspect.model import Inspected
from mbc.inspect.page import make_page


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser)
    add_bytes(parser)
    add_target(parser)
    parser.add_argument(
        "--mhz",
        type=whole_number(1),
        metavar="N",
        help="clock for predicted times (default: the board's, or 1000)",
    )
    parser.add_argument("--json", action="store_true", help="print all that is known as JSON")
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page that shows it in a browser, offline; the text of the network's file is "
        "part of it",
    )
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="measured times to show beside predicted ones: what mbc profile --json printed, or an "
        "executable wrote",
    )
    parser.add_argument(
        "--no-source",
        dest="source",
        action="store_false",
        help="leave the text of the network's file out",
    )
    add_pipeline(parser)


def run(args: argparse.Namespace) -> int:
    """Compile, and write and print what is asked for."""
    inspected = _inspected(args)
    data = inspected.to_json(source=args.source)
    if args.profile is not None:
        data["profile"] = read_profile(args.profile, inspected)
    if args.html is not None:
        write_bytes(args.html, make_page(data).encode())
    if args.json or args.html is None:
        console.result(json.dumps(data, allow_nan=False))
    return 0


def _inspected(args: argparse.Namespace) -> Inspected:
    configuration = resolve_request(request(args))
    if configuration.target.gpu is not None:
        raise error("E0106", f"mbc inspect is about CPUs, and {args.target} means a GPU")
    observer = console.NoProgress()
    return inspect(
        configuration, observer, inspection=inspection(args), write=observer.note, mhz=args.mhz
    )
