"""Networks that were once wrong, with how they were compiled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mbc.ir.graph import Graph
from mbc.ir.text import parse
from mbc.passes.pipelines import FUSE_MODES
from tests.fuzzing.configuration import Configuration

FOLDER = Path(__file__).with_name("kept")
KEPT = {path.stem: path for path in sorted(FOLDER.glob("*.mbc"))}
"""Files by name: a comment that says what was wrong, one with the configuration, and the text."""


def kept(name: str) -> tuple[Graph, Configuration]:
    """A network and the configuration in which it was wrong."""
    text = KEPT[name].read_text()
    comments = [line[2:] for line in text.splitlines() if line.startswith("//")]
    return parse(text, str(KEPT[name])), Configuration.parse(comments[-1])


def ways(how: Configuration, targets: list[str]) -> Iterator[Configuration]:
    """That configuration, and all others with its numbers, for some targets."""
    yield how
    for target in targets:
        here = replace(how, target=target, fuse="auto", optimize="speed")
        for level in (0, 1):
            yield replace(here, level=level)
        for mode in FUSE_MODES:
            yield replace(here, level=2, fuse=mode)
        yield replace(here, level=2, optimize="memory")
