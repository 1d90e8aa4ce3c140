"""Memory whose bytes know to what they belong: runs a planned graph, and fails where something is
gone when it is needed. Shares no code with the planner.

A node streams its result. When it has stored w bytes it may still need every byte of its operands;
but of one that it may replace in place only those from byte w on, and of one that the backend lets
it overlap by a distance D those from byte w - D on.
"""

from collections.abc import Iterator

import numpy as np

from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.targets.backend import Backend

STEP = 64
SCRATCH = -2


class Arena:
    """The arena of a planned graph, which one thread runs, or several if not `alone`."""

    def __init__(self, graph: Graph, backend: Backend, *, alone: bool = True) -> None:
        self.graph, self.backend, self.alone = graph, backend, alone
        self.owner = np.full(graph.arena_bytes or 0, -1)
        self.numbers: dict[Value, int] = {}

    def run(self) -> None:
        """Run the graph."""
        for node in self.graph.topo():
            self.use_scratch(node)
            for _, view in views(node):
                self.check(view)
            for result in node.results:
                if result.place is not None:
                    assert result.place.offset % 64 == 0 or result.place.pitch is not None
                    self.stream(node, result)
        for view in self.graph.outputs:
            self.check(view)

    def use_scratch(self, node: Node) -> None:
        size = self.backend.scratch_bytes(node) if self.alone else 0
        assert (node.scratch is not None) == (size > 0)
        if node.scratch is not None:
            assert node.scratch % 64 == 0
            assert node.scratch + size <= len(self.owner)
            self.owner[node.scratch : node.scratch + size] = SCRATCH

    def stream(self, node: Node, result: Value) -> None:
        """Store a result bit by bit, and look at the operands in between."""
        self.numbers[result] = len(self.numbers)
        bytes = self.bytes_of(result)
        for stored in range(0, len(bytes), STEP):
            for role, view in views(node):
                self.check(view, self.first_needed(node, role, result, stored))
            self.owner[bytes[stored : stored + STEP]] = self.numbers[result]
        if node.scratch is not None:
            end = node.scratch + self.backend.scratch_bytes(node)
            assert np.all(self.owner[node.scratch : end] == SCRATCH)

    def first_needed(self, node: Node, role: str, result: Value, stored: int) -> int:
        """The first byte of an operand that is needed after so many bytes were stored."""
        view = node.view(role)
        readers = sum(not {*view.values}.isdisjoint(other.values) for other in node.views)
        start = view.values[0].offset
        if readers == 1 and start == result.offset and self.backend.may_alias(node, role):
            return stored
        distance = self.backend.overlap_bytes(node, role) if self.alone else None
        return 0 if distance is None else max(0, stored - distance)

    def check(self, view: ChannelView, first: int = 0) -> None:
        """The values that a view reads are all there, from some byte on of where they begin."""
        placed = [value for value in view.values if value.place is not None]
        start = min((value.offset or 0 for value in placed), default=0)
        for value in placed:
            bytes = self.bytes_of(value)
            assert np.all(self.owner[bytes[bytes >= start + first]] == self.numbers[value])

    def bytes_of(self, value: Value) -> np.ndarray:
        """The places of a value's bytes, ascending."""
        assert value.place is not None
        pixel = value.type.element.bytes * value.type.channels
        pitch = value.type.element.bytes * (value.place.pitch or value.type.channels)
        pixels = pitch * np.arange(value.type.elements // value.type.channels)
        bytes = (value.place.offset + pixels[:, None] + np.arange(pixel)).ravel()
        assert bytes[0] >= 0
        assert bytes[-1] < len(self.owner)
        return np.asarray(bytes)


def views(node: Node) -> Iterator[tuple[str, ChannelView]]:
    """The operands that read values, with their roles."""
    for role, operand in node.items():
        if isinstance(operand, ChannelView):
            yield role, operand
