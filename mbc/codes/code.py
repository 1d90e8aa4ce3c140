"""The documentation of one error code."""

from __future__ import annotations

from mbc.records import dataclass


@dataclass(frozen=True)
class Code:
    """One stable error code."""

    title: str
    """Heading, not a sentence."""
    cause: str
    """Why it happens."""
    example: str
    """Command or text that causes it."""
    cure: str
    """What to do about it."""
