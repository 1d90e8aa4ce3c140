"""One static arena for all values between inputs and outputs.

`mbc.memory` says what must be in it at which time, `placing` finds the places. Inputs and outputs
are the caller's memory and have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mbc.ir.graph import Graph
from mbc.ir.views import Place, Value
from mbc.memory.bound import lower_bound
from mbc.memory.facts import Facts
from mbc.memory.needs import needs_of
from mbc.passes.placing import Placement, place
from mbc.passmgr.passes import PassContext, PassResult


@dataclass(frozen=True)
class PlanMemory:
    """Give every value between inputs and outputs its place in one static arena."""

    name: ClassVar[str] = "plan-memory"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Set the places of all values and the size of the arena. Raises E0515 where values cannot
        lie side by side as kernels read them."""
        result = PassResult()
        needs = needs_of(graph, Facts(context.backend))
        placement, arena = place(needs)
        result.changed = _apply(graph, _places(placement), arena)
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


def _apply(graph: Graph, places: dict[Value, Place], arena: int) -> bool:
    """Write a plan into the graph; whether it differs from the one there."""
    values = [*graph.inputs, *(value for node in graph.topo() for value in node.results)]
    old = (graph.arena_bytes, [value.place for value in values])
    graph.arena_bytes = arena
    for value in values:
        value.place = places.get(value)
    return old != (arena, [value.place for value in values])
