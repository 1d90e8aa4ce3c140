"""The neighbourhood of a node: what it is made from, and what is made from it."""

from __future__ import annotations

from collections.abc import Callable

from mbc.inspect.nodes import NodeRecord
from mbc.inspect.stages import GraphRecord


def around(graph: GraphRecord, centres: list[NodeRecord], depth: int) -> dict[str, int]:
    """Return the distances of nodes by name, in the order in which they run: negative for
    producers, 0 for the centres, positive for consumers; at most `depth`."""
    made = {value.name: node for node in graph.nodes for value in node.results}
    users: dict[str, list[NodeRecord]] = {}
    for node in graph.nodes:
        for name in _read(node):
            if name in made:
                users.setdefault(made[name].name, []).append(node)

    def producers(node: NodeRecord) -> list[NodeRecord]:
        return [made[name] for name in _read(node) if name in made]

    def consumers(node: NodeRecord) -> list[NodeRecord]:
        return users.get(node.name, [])

    before = _distances(centres, producers, depth)
    after = _distances(centres, consumers, depth)
    found = {name: -distance for name, distance in before.items()} | after
    return {node.name: found[node.name] for node in graph.nodes if node.name in found}


def _read(node: NodeRecord) -> list[str]:
    return [name for operand in node.operands for name in dict.fromkeys(operand.values)]


def _distances(
    centres: list[NodeRecord], step: Callable[[NodeRecord], list[NodeRecord]], depth: int
) -> dict[str, int]:
    found, edge = {node.name: 0 for node in centres}, centres
    for distance in range(1, depth + 1):
        edge = [node for each in edge for node in step(each) if node.name not in found]
        found |= {node.name: distance for node in edge}
    return found
