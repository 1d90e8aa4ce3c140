"""Rules that rename the tensors of a file, one a line, each applied to what those above gave.

    # comment
    OLD -> NEW          rename OLD, or what begins with OLD and a dot
    regex OLD -> NEW    replace all matches of a regular expression of Python
    drop OLD            leave out OLD, and what begins with OLD and a dot

OLD of the first and the last may have placeholders of numbers, {i}; NEW may use them, as {i},
{i+1} or {i-2}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mbc.diag import Location, MbcError, error

Edit: TypeAlias = Callable[[str], str | None]
"""Returns the new name, or None to leave a tensor out."""

PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
TERM = re.compile(r"\{([a-z]+)([+-][0-9]{1,6})?\}")


@dataclass(frozen=True)
class Rule:
    """One line of a file of rules."""

    line: int
    edit: Edit


@dataclass(frozen=True)
class Renamed:
    """What rules made of the names of a file."""

    names: Mapping[str, str | None]
    """Old name -> new name, or None if it is left out."""
    remarks: tuple[str, ...]
    """What was left out, and which rules did nothing."""


def read_rules(path: Path) -> list[Rule]:
    """Read a file of rules; raises E0414, and E0701 where it cannot be read."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise error("E0414", f"{path} is no text in UTF-8") from None
    except OSError as problem:
        raise error("E0701", f"cannot read {path}: {problem.strerror}") from None
    texts = {number: line.strip() for number, line in enumerate(lines, 1)}
    return [
        Rule(number, _edit(text, Location(str(path), number)))
        for number, text in texts.items()
        if text and not text.startswith("#")
    ]


def rename(names: Iterable[str], rules: Iterable[Rule]) -> Renamed:
    """Apply all rules in turn to each name."""
    new: dict[str, str | None] = {name: name for name in names}
    unused = []
    for rule in rules:
        after = {old: None if name is None else rule.edit(name) for old, name in new.items()}
        if after == new:
            unused.append(str(rule.line))
        new = after
    remarks = []
    if dropped := sum(name is None for name in new.values()):
        remarks.append(f"dropped {dropped} tensors by the rules")
    if unused:
        remarks.append(f"no tensor fits the rules of these lines: {', '.join(unused)}")
    return Renamed(new, tuple(remarks))


def _edit(text: str, at: Location) -> Edit:
    word, _, rest = text.partition(" ")
    if word == "drop":
        pattern = _pattern(rest.strip(), at)
        return lambda name: None if pattern.match(name) else name
    old, arrow, new = (part.strip() for part in text.partition("->"))
    if not arrow or not old or not new:
        raise _unreadable("a rule is OLD -> NEW, regex OLD -> NEW or drop OLD", at)
    if word == "regex":
        return _regex(old.removeprefix("regex").strip(), new, at)
    return _renaming(old, new, at)


def _regex(old: str, new: str, at: Location) -> Edit:
    try:
        pattern = re.compile(old)
        pattern.sub(new, "")  # reads `new` whether it matches or not
    except (re.error, IndexError, OverflowError, RecursionError) as problem:
        raise _unreadable(f"no regular expression: {problem}", at) from None
    return lambda name: pattern.sub(new, name)


def _renaming(old: str, new: str, at: Location) -> Edit:
    pattern = _pattern(old, at)
    for found in TERM.finditer(new):
        if found[1] not in pattern.groupindex:
            raise _unreadable(f"{{{found[1]}}} does not stand on the left", at)
    if "{" in TERM.sub("", new) or "}" in TERM.sub("", new):
        raise _unreadable("a placeholder on the right is {i}, {i+1} or {i-1}", at)

    def edit(name: str) -> str:
        match = pattern.match(name)
        if match is None:
            return name
        return TERM.sub(lambda term: _number(match, term), new) + name[match.end() :]

    return edit


def _number(match: re.Match[str], term: re.Match[str]) -> str:
    """Return the number that a placeholder matched, with what is added to it."""
    return str(int(match[term[1]]) + int(term[2] or 0))


def _pattern(old: str, at: Location) -> re.Pattern[str]:
    """Return the expression for a name, or its beginning up to a dot."""
    if not old:
        raise _unreadable("a rule is OLD -> NEW, regex OLD -> NEW or drop OLD", at)
    parts, seen = PLACEHOLDER.split(old), set[str]()
    if any("{" in part or "}" in part for part in parts[::2]):
        raise _unreadable("a placeholder on the left is {i}, with letters alone", at)
    text = ""
    for i, part in enumerate(parts):
        if i % 2 == 0:
            text += re.escape(part)
        else:
            text += f"(?P={part})" if part in seen else rf"(?P<{part}>[0-9]{{1,6}})"
            seen.add(part)
    return re.compile(rf"{text}(?=\.|$)")


def _unreadable(message: str, at: Location) -> MbcError:
    return error("E0414", message, at=at)
