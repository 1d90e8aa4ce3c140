"""What changed between two texts of a graph."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from mbc.records import dataclass

NAMED = re.compile(r"\s*(?:const )?((?:[%@](?:\"[^\"]*\"|[\w.]+)(?:, )?)+) [=:] ")

END = re.compile(r"\s*(?:} : |arena )")


@dataclass(frozen=True)
class Line:
    """A line of a comparison."""

    sign: str
    """Two characters: "+ " new, "- " gone, "~-" and "~+" before and after a change, "  " as it was,
    "@ " for lines left out."""
    text: str


def changes(old: Sequence[str], new: Sequence[str], context: int | None = None) -> list[Line]:
    """Compare two texts by lines: all lines, or those with so many lines around each change. A line
    has changed if one that defines the same name is in both."""
    lines = [*_lines(old, new)]
    return lines if context is None else [*_hunks(lines, context)]


def _lines(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    matcher = SequenceMatcher(None, [*map(_key, old)], [*map(_key, new)], autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            for before, after in zip(old[i:j], new[k:m], strict=True):
                yield from _pair(before, after)
        else:
            yield from (Line("- ", line) for line in old[i:j])
            yield from (Line("+ ", line) for line in new[k:m])


def _pair(before: str, after: str) -> Iterator[Line]:
    if before == after:
        yield Line("  ", after)
    else:
        yield from (Line("~-", before), Line("~+", after))


def _key(line: str) -> str:
    """Return what a line defines, and how deep in bodies; the line itself if it defines nothing."""
    found = NAMED.match(line) or END.match(line)
    return found[0] if found else line


def _hunks(lines: Sequence[Line], context: int) -> Iterator[Line]:
    near = [i for i, line in enumerate(lines) if line.sign != "  "]
    kept = {j for i in near for j in range(i - context, i + context + 1)}
    left = 0
    for i, line in enumerate(lines):
        if i not in kept:
            left += 1
            continue
        if left:
            yield _gap(left)
        left = 0
        yield line
    if near and left:
        yield _gap(left)


def _gap(count: int) -> Line:
    return Line("@ ", f"… {count} line{'s' * (count > 1)} as before")
