"""Rules that rename the tensors of a file, one a line, each applied to what those above gave.

    # comment
    OLD -> NEW              rename OLD, or what begins with OLD and a dot
    OLD -> NEW if OTHER     the same where the file has OTHER too, or what begins with it and a dot
    count OLD -> NEW        the same, but {n} of NEW numbers what OLD stands for, from 0
    regex OLD -> NEW        replace all matches of a regular expression of Python
    drop OLD                leave out OLD, and what begins with OLD and a dot

OLD of all but `regex` may have placeholders of numbers, {i}; NEW and OTHER may use them, as {i},
{i+1} or {i-2}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from mbc.diag import Location, MbcError, error
from mbc.records import dataclass

Names: TypeAlias = Mapping[str, str | None]
"""Names of the file -> names that rules gave them so far, None for what is left out."""
Edit: TypeAlias = Callable[[Names], Names]

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

    names: Names
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
    """Apply all rules in turn to all names."""
    new: Names = {name: name for name in names}
    unused = []
    for rule in rules:
        after = rule.edit(new)
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
        return _each(lambda name: None if pattern.match(name) else name)
    old, arrow, new = (part.strip() for part in text.partition("->"))
    if not arrow or not old or not new:
        raise _unreadable(FORMS, at)
    if word == "regex":
        return _regex(old.removeprefix("regex").strip(), new, at)
    if word == "count":
        return _counting(old.removeprefix("count").strip(), new, at)
    new, condition, other = (part.strip() for part in new.partition(" if "))
    return _conditional(old, new, other, at) if condition else _renaming(old, new, at)


FORMS = "a rule is OLD -> NEW, OLD -> NEW if OTHER, count OLD -> NEW, regex OLD -> NEW or drop OLD"


def _each(edit: Callable[[str], str | None]) -> Edit:
    """Return the edit that treats every name alike."""
    return lambda names: {old: None if name is None else edit(name) for old, name in names.items()}


def _regex(old: str, new: str, at: Location) -> Edit:
    try:
        pattern = re.compile(old)
        pattern.sub(new, "")  # reads `new` whether it matches or not
    except (re.error, IndexError, OverflowError, RecursionError) as problem:
        raise _unreadable(f"no regular expression: {problem}", at) from None
    return _each(lambda name: pattern.sub(new, name))


def _renaming(old: str, new: str, at: Location) -> Edit:
    pattern = _pattern(old, at)
    _check_terms(new, pattern.groupindex, at)

    def edit(name: str) -> str:
        match = pattern.match(name)
        return name if match is None else _filled(new, _numbers(match)) + name[match.end() :]

    return _each(edit)


def _conditional(old: str, new: str, other: str, at: Location) -> Edit:
    pattern = _pattern(old, at)
    for text in (new, other):
        _check_terms(text, pattern.groupindex, at)

    def edit(names: Names) -> Names:
        present = _beginnings(names)

        def one(name: str) -> str:
            match = pattern.match(name)
            if match is None or _filled(other, _numbers(match)) not in present:
                return name
            return _filled(new, _numbers(match)) + name[match.end() :]

        return _each(one)(names)

    return edit


def _counting(old: str, new: str, at: Location) -> Edit:
    pattern = _pattern(old, at)
    _check_terms(new, {*pattern.groupindex, "n"}, at)
    if "n" in pattern.groupindex:
        raise _unreadable("{n} is the count, and stands on the right alone", at)

    def edit(names: Names) -> Names:
        found = [m for name in names.values() if name is not None and (m := pattern.match(name))]
        count = {key: n for n, key in enumerate(sorted({_key(match) for match in found}))}

        def one(name: str) -> str:
            match = pattern.match(name)
            if match is None:
                return name
            return _filled(new, {**_numbers(match), "n": count[_key(match)]}) + name[match.end() :]

        return _each(one)(names)

    return edit


def _key(match: re.Match[str]) -> tuple[int, ...]:
    return tuple(map(int, match.groups()))


def _beginnings(names: Iterable[str]) -> frozenset[str]:
    """Return all names, and what they begin with up to a dot."""
    parts = (name.split(".") for name in names)
    return frozenset(".".join(part[:i]) for part in parts for i in range(1, len(part) + 1))


def _numbers(match: re.Match[str]) -> Mapping[str, int]:
    return {name: int(text) for name, text in match.groupdict().items()}


def _filled(text: str, numbers: Mapping[str, int]) -> str:
    """Replace the placeholders of the right side."""
    return TERM.sub(lambda term: str(numbers[term[1]] + int(term[2] or 0)), text)


def _check_terms(text: str, known: Container[str], at: Location) -> None:
    """Raise E0414 for placeholders of the right side that mean nothing."""
    for found in TERM.finditer(text):
        if found[1] not in known:
            raise _unreadable(f"{{{found[1]}}} does not stand on the left", at)
    if "{" in TERM.sub("", text) or "}" in TERM.sub("", text):
        raise _unreadable("a placeholder on the right is {i}, {i+1} or {i-1}", at)


def _pattern(old: str, at: Location) -> re.Pattern[str]:
    """Return the expression for a name, or its beginning up to a dot."""
    if not old:
        raise _unreadable(FORMS, at)
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
