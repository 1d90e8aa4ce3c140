"""What frontends make of a file: a graph, and what a quantised model states of its codes."""

from __future__ import annotations

from mbc.int8.quantisation import Quantisation
from mbc.ir.graph import Graph
from mbc.records import dataclass


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network in float, and on which codes the model has it."""

    graph: Graph
    quantisation: Quantisation | None = None
    """What a quantised model states; None for any other."""
