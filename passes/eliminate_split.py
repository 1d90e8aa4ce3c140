"""A part of a split is a slice of what is split: its readers read the slice, and nothing is copied.

A part that cannot vanish, such as an output, becomes a copy of that part alone.
"""

from __future__ import annotations

from typing import ClassVar

from mbc.ir.graph import Graph
from mbc.ops.move import Split
from mbc.passes.views.eliminate_moves import remove_moves
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass


@dataclass(frozen=True)
class EliminateSplit:
    """Let readers of a split's parts read slices of its operand."""

    name: ClassVar[str] = "eliminate-split"
    tolerance: ClassVar[float] = 1e-4  # where an order is absorbed, sums run in another one

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Remove every split that its readers can do without."""
        result = PassResult()
        result.remarks += remove_moves(graph, context, Split, result).remarks
        return result
