"""Names that nothing else has."""

from __future__ import annotations

from collections import Counter


def unique(name: str, taken: Counter[str], mark: str = ".") -> str:
    """Return a name, with a mark and a number behind it if it is taken, and take it. `taken` counts
    how often each was asked for, so that thousands of equal ones take no longer than others."""
    found = name
    while taken[found]:
        taken[name] += 1
        found = f"{name}{mark}{taken[name]}"
    taken[found] += 1
    return found
