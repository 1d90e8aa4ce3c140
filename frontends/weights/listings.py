"""Names and shapes in messages about weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mbc.frontends.weights.names import SHOWN


def count(names: Sequence[str]) -> str:
    """Count in words: '1 weight', '3 weights'."""
    return f"{len(names)} weight{'s' if len(names) != 1 else ''}"


def listing(names: Sequence[str]) -> str:
    """List the first few names, and the number of further ones."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def extents(shape: Iterable[int]) -> str:
    """Format a shape or an index in the notation of types."""
    return f"[{','.join(map(str, shape))}]"
