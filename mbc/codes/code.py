"""What the documentation of one error code says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """One stable error code: a title, why it happens, an example that brings it about, the cure."""

    title: str
    cause: str
    example: str
    cure: str
