"""Which node defines each value of a graph, and which nodes read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

from mbc.ir.views import ChannelView, Value


class Reader(Protocol):
    """A node, as far as its uses go."""

    results: tuple[Value, ...]

    @property
    def views(self) -> tuple[ChannelView, ...]:
        """The operands that read values."""


Node = TypeVar("Node", bound=Reader)


class Uses(Generic[Node]):
    """Edges between values and nodes: a use is an operand that reads the value."""

    def __init__(self) -> None:
        self._producers: dict[Value, Node | None] = {}
        self._readers: dict[Value, Counter[Node]] = {}

    def __contains__(self, value: Value) -> bool:
        return value in self._producers

    def define(self, value: Value, producer: Node | None) -> None:
        """Add a value; None defines graph inputs."""
        self._producers[value], self._readers[value] = producer, Counter()

    def drop(self, value: Value) -> None:
        """Remove a value that has no uses."""
        del self._producers[value], self._readers[value]

    def connect(self, node: Node) -> None:
        """Add the uses by the operands of a node. Raises KeyError for a value that is not here."""
        for view in node.views:
            for value in view.values:
                self._readers[value][node] += 1

    def disconnect(self, node: Node) -> None:
        """Remove all uses by a node."""
        for view in node.views:
            for value in view.values:
                if value in self._readers:
                    self._readers[value].pop(node, None)

    def producer(self, value: Value) -> Node | None:
        """Return the node that defines a value; None for graph inputs."""
        return self._producers[value]

    def readers(self, value: Value) -> list[Node]:
        """Return the nodes that use a value, each once."""
        return list(self._readers[value])

    def count(self, value: Value) -> int:
        """Count the uses of a value."""
        return self._readers[value].total()

    def sorted(self, program: Sequence[Node]) -> Iterator[Node]:
        """Yield nodes after those whose results they use, otherwise in the order of the program;
        none that depends on itself (Kahn, "Topological sorting of large networks", 1962)."""
        position = {node: number for number, node in enumerate(program)}
        waits: Counter[Node] = Counter()
        for value, producer in self._producers.items():
            if producer is not None:
                waits.update(self._readers[value].keys())
        ready = [number for number, node in enumerate(program) if not waits[node]]
        heapify(ready)
        while ready:
            yield (node := program[heappop(ready)])
            for value in node.results:
                for reader in self._readers[value]:
                    waits[reader] -= 1
                    if not waits[reader]:
                        heappush(ready, position[reader])
