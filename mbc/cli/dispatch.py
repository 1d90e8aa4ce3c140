"""The table of commands, and the parser made from it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import Protocol

from mbc import __version__
from mbc.cli import console
from mbc.cli.commands import (
    bench,
    compare,
    compile,
    explain,
    export,
    import_,
    new,
    ops,
    opt,
    passes,
    preprocess,
    profile,
    report,
    run,
    setup,
    targets,
    verify,
    weights,
)
from mbc.cli.usage import Parser, UsageError
from mbc.diag import nearest


class Command(Protocol):
    """The interface of a command's module."""

    @property
    def HELP(self) -> str:  # noqa: N802  a constant of the module
        """One line for the list of commands."""

    def configure(self, parser: Parser) -> None:
        """Declare the command's options."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command; returns the exit status."""


COMMANDS: Mapping[str, Command] = {
    "compile": compile,
    "run": run,
    "preprocess": preprocess,
    "bench": bench,
    "profile": profile,
    "import": import_,
    "export": export,
    "opt": opt,
    "report": report,
    "verify": verify,
    "compare": compare,
    "weights": weights,
    "targets": targets,
    "passes": passes,
    "ops": ops,
    "new": new,
    "setup": setup,
    "explain": explain,
}


def run_command(argv: Sequence[str]) -> int:
    """Parse a command line and run its command."""
    parser, parsers = make_parsers()
    if not argv:
        console.note(parser.format_help())
        return 2
    if not argv[0].startswith("-") and argv[0] not in COMMANDS:
        hints = [*nearest(argv[0], COMMANDS), f"commands are {', '.join(COMMANDS)}"]
        raise UsageError(f"there is no command '{argv[0]}'", hints)
    args, extra = parser.parse_known_args(argv)
    if extra:
        (parsers[args.command] if args.command else parser).refuse(extra)
    args.command_line = shlex.join(("mbc", *argv))
    return COMMANDS[args.command].run(args)


def make_parsers() -> tuple[Parser, dict[str, Parser]]:
    """Make the parser of the program and those of its commands."""
    parser = Parser(prog="mbc", description="A compiler for mobile CNNs.")
    parser.add_argument("--version", action="version", version=f"mbc {__version__}")
    group = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parsers = {}
    for name, command in COMMANDS.items():
        parsers[name] = group.add_parser(name, help=command.HELP, description=_sentence(command))
        command.configure(parsers[name])
    return parser, parsers


def _sentence(command: Command) -> str:
    return f"{command.HELP[0].upper()}{command.HELP[1:]}."
