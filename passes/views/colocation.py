"""Colocation: concatenations that a kernel reads without a copy if the memory plan stores their
parts side by side in one buffer (`Backend.reads_one_buffer`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView
from mbc.memory.neighbours import Apart, colocated_views, runs
from mbc.passes.rewrite import name_of
from mbc.targets.backend import Backend


class SharedPixels:
    """The concatenations (`views`) that the memory plan must store in one buffer each."""

    def __init__(self, graph: Graph, backend: Backend) -> None:
        outputs = {value for view in graph.outputs for value in view.values}
        self._callers = {*graph.inputs, *outputs}
        self._backend = backend
        self.views: list[ChannelView] = []

    @staticmethod
    def of(graph: Graph, backend: Backend, besides: Iterable[Node] = ()) -> SharedPixels:
        """Collect the requirements of all nodes of a graph except some."""
        shared, others = SharedPixels(graph, backend), set(besides)
        for node in graph.topo():
            if node not in others:
                shared.add(node)
        return shared

    def refusal(self, node: Node) -> str:
        """Return why a node's requirements conflict with those collected; "" if they do not."""
        wanted = list(self.wanted(node))
        for value in (value for view in wanted for value in view.values):
            if value in self._callers:
                return f"{name_of(value)} is the caller's memory, which cannot be shared"
        try:
            runs([*self.views, *wanted])
        except Apart as conflict:
            return str(conflict)
        return ""

    def add(self, node: Node) -> None:
        """Collect the requirements of a node."""
        self.views += self.wanted(node)

    def wanted(self, node: Node) -> Iterator[ChannelView]:
        """Yield the concatenations that a node must find in one buffer."""
        return colocated_views(node, self._backend)
