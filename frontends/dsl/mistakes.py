"""Errors at the user's line, and descriptions of the arguments given."""

from __future__ import annotations

from mbc.diag import MbcError, error
from mbc.frontends.dsl.location import here


def describe(given: object) -> str:
    """Describe an argument of the wrong kind, for an error message."""
    if isinstance(given, list | tuple):
        return f"a {type(given).__name__} of {len(given)}"
    shown = bool | int | float | str | None
    return repr(given) if isinstance(given, shown) else type(given).__name__


def misuse(message: str, *helps: str) -> MbcError:
    """Return E0218 at the user's line: an argument that a layer cannot take."""
    return error("E0218", message, at=here(), helps=helps)


def refuse_list(what: str, given: tuple[object, ...], instead: str) -> None:
    """Raise E0218 if one list is given in place of separate arguments."""
    if len(given) == 1 and isinstance(given[0], tuple | list):
        raise misuse(f"{what} one by one, found {describe(given[0])}", instead)
