"""argparse, with mistakes told by the one renderer of errors."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, NoReturn

from mbc.diag import Diagnostic, MbcError, nearest


class UsageError(MbcError):
    """A command line that makes no sense: exit status 2."""

    def __init__(self, message: str, helps: Iterable[str]) -> None:
        super().__init__(Diagnostic("E0101", message, helps=tuple(helps)))


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse prints and exits; takes no abbreviated options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise UsageError(message, [f"{self.prog} --help lists the options"])

    def refuse(self, extra: Sequence[str]) -> NoReturn:
        """Raise for arguments that nobody took, naming the option they resemble."""
        word = extra[0].partition("=")[0]
        kind = "option" if word.startswith("-") else "argument"
        options = [text for action in self._actions for text in action.option_strings]
        helps = nearest(word, options) if kind == "option" else ()
        raise UsageError(
            f"{self.prog} takes no {kind} '{word}'", [*helps, f"{self.prog} --help lists them"]
        )


def whole_number(least: int) -> Callable[[str], int]:
    """Return an argument type: an integer of at least `least`."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"takes an integer from {least} on, found '{text}'")
        return number

    return convert


def given_options(
    configure: Callable[[Parser], None], args: argparse.Namespace, except_for: Container[str]
) -> list[str]:
    """List the options and arguments of a command that are not as they are by default."""
    parser = Parser()
    configure(parser)
    return [
        action.option_strings[0] if action.option_strings else str(action.metavar)
        for action in parser._actions
        if action.dest != "help"
        and action.dest not in except_for
        and getattr(args, action.dest) != parser.get_default(action.dest)
    ]
