"""Schedules that tests give to nodes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.ir.schedule import Schedule
from mbc.passmgr.passes import PassContext, PassResult
from mbc.schedules import Strassen
from mbc.targets.backend import Backend


def by_strassen(node: Node) -> Node:
    """Give a node Strassen's method."""
    node.schedule = Strassen()
    return node


def scheduled(graph: Graph, schedule: Schedule | None) -> Graph:
    """Give all nodes of a graph a schedule."""
    for node in graph.topo():
        node.schedule = schedule
    return graph


def keep_possible(graph: Graph, backend: Backend) -> None:
    """Drop the schedules that a backend refuses."""
    for node in graph.topo():
        if not backend.supports(node):
            node.schedule = None


@dataclass(frozen=True)
class DrawSchedules:
    """Give each node any of the backend's schedules, at random; with seed 0, leave them alone."""

    name: ClassVar[str] = "draw-schedules"
    tolerance: ClassVar[float] = 0.0

    seed: int = 0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        rng, result = random.Random(self.seed), PassResult()
        for node in graph.topo() if self.seed else ():
            if found := context.backend.candidates(node):
                node.schedule, result.changed = rng.choice(found), True
        return result
