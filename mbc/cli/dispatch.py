"""The table of commands, and the parser made from it. The module of a command is imported when it
is run."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Protocol, cast

from mbc import __version__
from mbc.cli import console
from mbc.cli.usage import Parser, UsageError
from mbc.diag import nearest
from mbc.files import uninterrupted


class Command(Protocol):
    """The interface of a command's module."""

    def configure(self, parser: Parser) -> None:
        """Declare the command's options."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command; returns the exit status."""


COMMANDS: Mapping[str, str] = {
    "compile": "compile a network for a target",
    "run": "compile a network for this machine and run it on an input",
    "quantize": "measure the ranges by which a network computes on 8-bit codes",
    "preprocess": "turn a photo into the tensor that a network's executable reads",
    "bench": "time a network in this process, beside the FMA peak and other engines, or on a TVM "
    "device",
    "profile": "time each kernel of a network in its place, beside what this machine could do",
    "import": "write a model of another format as IR text",
    "export": "write a network in another format",
    "opt": "run passes on IR text",
    "report": "list multiply-adds, parameters and bytes of a network, layer by layer",
    "inspect": "show what each pass made of a network, and where its time and memory go",
    "sweep": "compare a network over values of its parameters and targets: sizes, times, accuracy",
    "verify": "check an output folder: its files, its code, and what it computes",
    "compare": "compare two evaluations of a network layer by layer",
    "weights": "show what a weight file holds, or map it to a network",
    "targets": "list the targets, or what is known of one",
    "passes": "list the passes, and the stages of each level",
    "ops": "list the ops of the IR",
    "new": "copy an example network, to begin with",
    "setup": "build the C library of a target now, so that its first executable links at once",
    "explain": "explain an error code",
}
"""One line for each command."""


def run_command(argv: Sequence[str]) -> int:
    """Parse a command line and run its command."""
    parser, parsers = make_parsers()
    if not argv:
        console.note(parser.format_help())
        return 2
    name = next((word for word in argv if not word.startswith("-")), None)
    command = None if name is None else find_command(name)
    if name is not None and command is not None:
        command.configure(parsers[name])
    args, extra = parser.parse_known_args(argv)
    if extra or command is None:
        (parsers[args.command] if args.command else parser).refuse(extra)
    args.command_line = shlex.join(("mbc", *argv))
    return command.run(args)


def find_command(name: str) -> Command:
    """Import the module of a command, and none of the others': most of a short command's time
    would go there. Raises UsageError for another name."""
    if name not in COMMANDS:
        hints = [*nearest(name, COMMANDS), f"commands are {', '.join(COMMANDS)}"]
        raise UsageError(f"there is no command '{name}'", hints)
    module = f"{name}_" if iskeyword(name) else name
    with uninterrupted():  # Python may lose an interruption amid an import
        return cast("Command", import_module(f"mbc.cli.commands.{module}"))


def make_parsers() -> tuple[Parser, dict[str, Parser]]:
    """Make the parser of the program and those of its commands, which have no options yet."""
    parser = Parser(prog="mbc", description="A compiler for mobile CNNs.")
    parser.add_argument("--version", action="version", version=f"mbc {__version__}")
    group = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parsers = {
        name: group.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        for name, line in COMMANDS.items()
    }
    return parser, parsers
