"""`mbc setup`: build the C library of a target ahead of the first link."""

from __future__ import annotations

import argparse

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.driver.platforms import libc_state, resolve, set_up


def configure(parser: Parser) -> None:
    """Declare the command's options."""
    parser.add_argument("targets", nargs="+", metavar="TARGET", help="as mbc targets lists them")
    parser.add_argument("--cc", metavar="CC", help="a compiler instead of zig (also MBC_CC)")


def run(args: argparse.Namespace) -> int:
    """Warm each target in turn."""
    targets = [resolve(name) for name in args.targets]
    with console.progress(len(targets)) as observer:
        for target in targets:
            set_up(target, args.cc, observer)
    for target in targets:
        console.result(f"{target.name}: {libc_state(target, args.cc)}")
    return 0
