"""Papers' tables, counted on the pages of `examples/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from mbc.frontends.dsl import load_network
from mbc.ir.graph import Graph
from mbc.papers.compare import Compared, compare
from mbc.papers.tables import Paper

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def compare_paper(paper: Paper) -> Iterator[Compared]:
    """Count every cell of a paper's tables, each network being traced once."""
    traced = cache(_trace)

    def trace(page: str, settings: Mapping[str, str]) -> Graph:
        return traced(page, tuple(sorted(settings.items())))

    return compare(paper, trace)


def _trace(page: str, settings: tuple[tuple[str, str], ...]) -> Graph:
    return load_network(EXAMPLES / f"{page}.py").trace(dict(settings))
