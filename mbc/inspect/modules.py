"""Joins our ES modules into one script, so that a page needs no file beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([\w-]+\.js)";$', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?P<what>(?:async )?(?:class|const|function|let) (?P<name>\w+))", re.MULTILINE
)


def join(folder: Path) -> str:
    """Return the modules of a folder as one script. Each becomes a function that returns its
    exports, in an order in which it follows those that it imports."""
    texts = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.js"))}
    bodies = (_wrapped(name, texts[name]) for name in _order(texts))
    return "\n".join(["const modules = {};", *bodies])


def _order(texts: Mapping[str, str]) -> tuple[str, ...]:
    needs = {name: imports(text) for name, text in texts.items()}
    return tuple(TopologicalSorter(needs).static_order())


def imports(text: str) -> tuple[str, ...]:
    """Return the files that a module imports."""
    return tuple(match[2] for match in IMPORT.finditer(text))


def exports(text: str) -> tuple[str, ...]:
    """Return the names that a module exports."""
    return tuple(match["name"] for match in EXPORT.finditer(text))


def _wrapped(name: str, text: str) -> str:
    body = IMPORT.sub(r'const \1 = modules["\2"];', text)
    body = EXPORT.sub(r"\g<what>", body)
    return (
        f'modules["{name}"] = (() => {{\n{body}return {{ {", ".join(exports(text))} }};\n}})();\n'
    )
