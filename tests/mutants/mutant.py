"""One seeded mistake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A mistake in words; the file where it is made, by a text that must stand there once and
    another in its place; and what must fail for it, a test file or `file::test`."""

    mistake: str
    file: str
    old: str
    new: str
    tests: str
    at_import: bool = False
    """Whether the tests may notice it when they are imported."""

    def problem(self, tree: Path) -> str:
        """Why the mistake can no longer be made in a tree; "" if it can."""
        count = (tree / self.file).read_text().count(self.old)
        return "" if count == 1 else f"its text stands {count} times in {self.file}"

    def applied(self, tree: Path) -> str:
        """The text of the file with the mistake in it."""
        return (tree / self.file).read_text().replace(self.old, self.new)
