"""Errors at the user's line, and what they say was given."""

from __future__ import annotations

from mbc.diag import MbcError, error
from mbc.frontends.dsl.location import here


def describe(given: object) -> str:
    """What a user gave instead of what was wanted."""
    if isinstance(given, list | tuple):
        return f"a {type(given).__name__} of {len(given)}"
    shown = bool | int | float | str | None
    return repr(given) if isinstance(given, shown) else type(given).__name__


def misuse(message: str, *helps: str) -> MbcError:
    """An argument that a layer cannot take, at the user's line."""
    return error("E0218", message, at=here(), helps=helps)
