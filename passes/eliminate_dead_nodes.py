"""A node whose results nobody reads computes nothing that the graph returns."""

from __future__ import annotations

from typing import ClassVar

from mbc.ir.graph import Graph
from mbc.passes.rewrite import name_of
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass


@dataclass(frozen=True)
class EliminateDeadNodes:
    """Remove nodes that are never read, and then those that only they read."""

    name: ClassVar[str] = "eliminate-dead-nodes"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Remove dead nodes, users before producers."""
        result = PassResult()
        for node in reversed(graph.topo()):
            dead = [value for value in node.results if not graph.use_count(value)]
            if len(dead) == len(node.results):
                message = f"removed: {name_of(node)} = {node.op.label} is never read"
                result.did("removed", message, node)
                graph.erase(node)
            elif dead:
                unread = ", ".join(map(name_of, dead))
                result.note(
                    "partly-read",
                    f"not removed: of the results of {node.op.label} only {unread} is never read",
                    node,
                )
        return result
