"""`mbc targets`: what can be compiled for."""

from __future__ import annotations

import argparse

from mbc.cli import console
from mbc.cli.usage import Parser
from mbc.diag import MbcError
from mbc.driver.platforms import libc_state, resolve
from mbc.targets.catalogue import ENTRIES, NATIVE

HELP = "list the targets"


def configure(parser: Parser) -> None:
    """Takes the compiler, for whose libc is it that is cold or warm."""
    parser.add_argument("--cc", metavar="CC", help="a compiler instead of zig (also MBC_CC)")


def run(args: argparse.Namespace) -> int:
    """A row each; a machine that cannot be a target is no error here."""
    headers = ("target", "aliases", "triple", "cpu", "isa", "libc")
    rows = [_row(NATIVE, (), args.cc)]
    rows += [_row(entry.name, entry.aliases, args.cc) for entry in ENTRIES]
    console.table(headers, rows)
    return 0


def _row(name: str, aliases: tuple[str, ...], cc: str | None) -> tuple[str, ...]:
    try:
        target = resolve(name)
    except MbcError as problem:
        return (name, ", ".join(aliases), problem.diagnostics[0].message, "", "", "")
    warmth = libc_state(target, cc)
    return (name, ", ".join(aliases), target.triple, target.cpu, target.isa, warmth)
