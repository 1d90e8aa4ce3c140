"""Names of values and constants: how text spells them, and new ones that no value has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
VALUE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]*")


def quoted(text: str) -> str:
    """Return a string literal."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def symbol(name: str) -> str:
    """Return `@name`, quoted where it is not made of letters, digits, underscores and dots."""
    return f"@{name}" if DOTTED.fullmatch(name) else f"@{quoted(name)}"


def value_symbol(name: str) -> str:
    """Return `%name`, quoted as a symbol is; it may begin with a digit."""
    return f"%{name}" if VALUE.fullmatch(name) else f"%{quoted(name)}"


class Names:
    """The names that values of a graph have or had; each new one is found in constant time."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, names: Iterable[str]) -> None:
        """Let no fresh name be one of these."""
        self._taken.update(names)

    def fresh(self, wanted: str = "") -> str:
        """Return a new name, and take it: the wanted one, or that with the first free number from 2
        on (`relu2`; `relu6_2` after a digit). Without a wish it is the first free number."""
        name = wanted or self._numbered("", 0)
        if name in self._taken:
            name = self._numbered(f"{wanted}_" if wanted[-1:].isdigit() else wanted, 2)
        self._taken.add(name)
        return name

    def _numbered(self, stem: str, first: int) -> str:
        number = self._next.get(stem, first)
        while f"{stem}{number}" in self._taken:
            number += 1
        self._next[stem] = number + 1
        return f"{stem}{number}"

    def copy(self) -> Names:
        """Return names of their own with the same ones taken."""
        copy = Names()
        copy._taken, copy._next = set(self._taken), dict(self._next)
        return copy
