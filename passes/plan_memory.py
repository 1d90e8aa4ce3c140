"""One static arena for all values between inputs and outputs, and for scratch.

`mbc.memory` says what must be in it at which time, and finds the places. Inputs and outputs
are the caller's memory and have none. A plan for one thread is not one for several: they make rows
in any order, so no result may lie over what others still read, and each has a scratch of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from mbc.ir.graph import Graph
from mbc.ir.views import Place, Value
from mbc.memory.allocate import Placement, place
from mbc.memory.bound import lower_bound
from mbc.memory.facts import Facts
from mbc.memory.needs import needs_of
from mbc.passmgr.passes import PassContext, PassResult


@dataclass(frozen=True)
class PlanMemory:
    """Give every value between inputs and outputs its place in one static arena, for one thread or
    for several; for one, scratch too."""

    name: ClassVar[str] = "plan-memory"
    tolerance: ClassVar[float] = 0.0

    threads: Literal["one", "many"] = "one"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Set the places of all values and the size of the arena. Raises E0515 where values cannot
        lie side by side as kernels read them."""
        result = PassResult()
        needs = needs_of(graph, Facts(context.backend, alone=self.threads == "one"))
        placement, arena = place(needs)
        result.changed = _apply(graph, placement, arena)
        bound = lower_bound(needs)
        ratio = f", {arena / bound:.3f} times" if bound else ", which is"
        result.note(f"arena of {arena} bytes{ratio} the most that is alive at once ({bound})")
        return result


def _places(placement: Placement) -> dict[Value, Place]:
    return {
        value: Place(offset + place.offset, place.pitch)
        for buffer, offset in placement.items()
        for value, place in buffer.places.items()
    }


def _apply(graph: Graph, placement: Placement, arena: int) -> bool:
    """Write a plan into the graph; whether it differs from the one there."""
    places, before = _places(placement), _written(graph)
    scratch = {buffer.user: offset for buffer, offset in placement.items() if buffer.user}
    graph.arena_bytes = arena
    for value in graph.inputs:
        value.place = None
    for node in graph.topo():
        node.scratch = scratch.get(node)
        for value in node.results:
            value.place = places.get(value)
    return _written(graph) != before


def _written(graph: Graph) -> tuple[object, ...]:
    """The plan in a graph."""
    values = [*graph.inputs, *(value for node in graph.topo() for value in node.results)]
    scratch = [node.scratch for node in graph.topo()]
    return graph.arena_bytes, scratch, [value.place for value in values]
