"""Alignment of memory: of buffers in an arena, of packed weights, and of what callers provide."""

from __future__ import annotations

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""


def round_up(size: int, multiple: int = ALIGNMENT) -> int:
    """Round a size up to a multiple."""
    return -(-size // multiple) * multiple
