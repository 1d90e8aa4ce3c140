"""Which concatenations can be read without a copy by kernels that must find their parts side by
side in one buffer (`Backend.reads_one_buffer`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView
from mbc.memory.neighbours import Apart, runs
from mbc.passes.rewrite import name_of
from mbc.targets.backend import Backend


class SharedPixels:
    """The concatenations that the memory plan is to keep in one buffer each: `views`, of a graph or
    of a graph as it will be."""

    def __init__(self, graph: Graph, backend: Backend) -> None:
        outputs = {value for view in graph.outputs for value in view.values}
        self._callers = {*graph.inputs, *outputs}
        self._backend = backend
        self.views: list[ChannelView] = []

    @staticmethod
    def of(graph: Graph, backend: Backend, besides: Iterable[Node] = ()) -> SharedPixels:
        """What the nodes of a graph ask for, but for some."""
        shared, others = SharedPixels(graph, backend), set(besides)
        for node in graph.topo():
            if node not in others:
                shared.add(node)
        return shared

    def refusal(self, node: Node) -> str:
        """Why a node cannot find what it reads in one buffer; "" if it can."""
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
        """Record what a node asks for."""
        self.views += self.wanted(node)

    def wanted(self, node: Node) -> Iterator[ChannelView]:
        """What a node must find in one buffer."""
        for role, operand in node.items():
            if not isinstance(operand, ChannelView) or len(operand.values) < 2:
                continue
            if operand.is_concatenation and self._backend.reads_one_buffer(node, role):
                yield operand
