"""`mbc inspect`: what each pass made of a network, and where its time and memory go."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mbc.cli import console
from mbc.cli.inspecting import views
from mbc.cli.inspecting.first import first_screen
from mbc.cli.inspecting.page import Lines, show
from mbc.cli.options import add_bytes, add_pipeline, add_source, add_target, inspection, request
from mbc.cli.usage import Parser, whole_number
from mbc.diag import error
from mbc.driver.configuration import resolve_request
from mbc.driver.inspect import inspect
from mbc.driver.output import write_bytes
from mbc.inspect.measured import read_losses, read_profile
from mbc.inspect.model import Inspected
from mbc.inspect.page import make_page


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    add_source(parser)
    add_bytes(parser)
    add_target(parser)
    _add_views(parser)
    group = parser.add_argument_group("times and texts")
    group.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="measured times to show beside predicted ones: what mbc profile --json printed, or an "
        "executable wrote",
    )
    group.add_argument(
        "--mhz",
        type=whole_number(1),
        metavar="N",
        help="clock for predicted times (default: the board's, this machine's, or 1000)",
    )
    group.add_argument(
        "--losses",
        type=Path,
        metavar="FILE",
        help="what layers lose on 8-bit codes, to show beside them: what mbc quantize --json "
        "printed",
    )
    group.add_argument(
        "--no-source",
        dest="source",
        action="store_false",
        help="leave the text of the network's file out of the JSON and the page",
    )
    add_pipeline(parser)


def _add_views(parser: Parser) -> None:
    group = parser.add_argument_group("views", "one of these; else an overview")
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--pass", dest="stage", metavar="PASS", help="the IR after a pass, with what it changed"
    )
    one.add_argument(
        "--diff", nargs=2, metavar=("A", "B"), help="what changed from one stage to another"
    )
    one.add_argument(
        "--node", metavar="NAME", help="a value through all passes, to its kernel, place and time"
    )
    one.add_argument("--why", metavar="NAME", help="all remarks on a value, and what they mean")
    one.add_argument("--around", metavar="NAME", help="what a value is made from, and what from it")
    one.add_argument("--json", action="store_true", help="all that is known, as JSON")
    group.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page that shows all in a browser, offline; the text of the network's file is "
        "part of it",
    )
    group.add_argument(
        "--depth", type=whole_number(1), metavar="N", help="steps of --around (default 2)"
    )


def run(args: argparse.Namespace) -> int:
    """Compile, and write and print what is asked for."""
    _refuse_idle(args)
    inspected = _inspected(args)
    profile = read_profile(args.profile, inspected) if args.profile else None
    if args.json or args.html:
        data = inspected.to_json(source=args.source) | ({"profile": profile} if profile else {})
        if args.losses:
            data["losses"] = read_losses(args.losses, inspected)
        if args.html:
            write_bytes(args.html, make_page(data).encode())
        if args.json:
            console.result(json.dumps(data, allow_nan=False))
    if not args.json and (_is_view(args) or not args.html):
        show([*_lines(args, inspected, profile)])
    return 0


def _is_view(args: argparse.Namespace) -> bool:
    return bool(args.stage or args.diff or args.node or args.why or args.around)


def _refuse_idle(args: argparse.Namespace) -> None:
    """Raise E0106 for options that change nothing of what is shown."""
    whole = args.json or args.html
    for option, given, works, partner in (
        ("--depth", args.depth is not None, args.around, "--around"),
        ("--no-source", not args.source, whole, "--json and --html"),
        ("--losses", args.losses is not None, whole, "--json and --html"),
        (
            "--profile",
            args.profile is not None,
            whole or args.node or not _is_view(args),
            "the overview, --node, --json and --html",
        ),
    ):
        if given and not works:
            raise error("E0106", f"{option} goes with {partner}")


def _lines(args: argparse.Namespace, inspected: Inspected, profile: dict[str, Any] | None) -> Lines:
    if args.stage:
        return views.of_pass(inspected, args.stage)
    if args.diff:
        return views.of_two(inspected, *args.diff)
    if args.node:
        return views.of_value(inspected, args.node, profile)
    if args.why:
        return views.of_remarks(inspected, args.why)
    if args.around:
        return views.of_neighbourhood(inspected, args.around, args.depth or 2)
    return first_screen(inspected, profile)


def _inspected(args: argparse.Namespace) -> Inspected:
    configuration = resolve_request(request(args))
    if configuration.target.gpu is not None:
        raise error("E0106", f"mbc inspect is about CPUs, and {args.target} means a GPU")
    observer = console.NoProgress()
    return inspect(
        configuration, observer, inspection=inspection(args), write=observer.note, mhz=args.mhz
    )
