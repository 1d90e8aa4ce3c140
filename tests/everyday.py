"""Long tables of which everyday runs try a part, and `make fuzz` all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def part_of(
    table: Iterable[tuple[Any, ...]],
    everyday: Callable[..., bool],
    name: Callable[..., str] | None = None,
) -> list[Any]:
    """The rows of a table as parameters, by name; those for which `everyday` says no are left to
    `--fuzz`."""
    return [
        pytest.param(
            *row,
            marks=[pytest.mark.thorough] * (not everyday(*row)),
            id=name(*row) if name else None,
        )
        for row in table
    ]
