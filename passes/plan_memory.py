"""One static arena for all values between inputs and outputs, and for scratch.

`mbc.memory` says what must be in it at which time, and finds the places. Inputs and outputs
are the caller's memory and have none. A plan for one thread is not one for several: they make rows
in any order, so no result may lie over what others still read, and each has a scratch of its own.
The plan for several is kept in the graph when that for one replaces it.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from mbc.ir.graph import Graph, MemoryPlan
from mbc.ir.views import Place
from mbc.memory.allocate import Placement, place
from mbc.memory.bound import lower_bound
from mbc.memory.facts import Facts
from mbc.memory.needs import needs_of
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass

Threads: TypeAlias = Literal["one", "many"]


@dataclass(frozen=True)
class PlanMemory:
    """Give every value between inputs and outputs its place in one static arena, for one thread or
    for several; for one, scratch too."""

    name: ClassVar[str] = "plan-memory"
    tolerance: ClassVar[float] = 0.0

    threads: Threads = "one"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Set the places of all values and the size of the arena. Raises E0515 where values cannot
        lie side by side as kernels read them."""
        result = PassResult()
        needs = needs_of(graph, Facts(context.backend, alone=self.threads == "one"))
        placement, arena = place(needs)
        before, plan = _written(graph), _plan(placement, arena)
        graph.place(plan)
        result.changed = _written(graph) != before
        who = ""
        if self.threads == "many":
            graph.threads_plan, who = plan, " for several threads"
        bound = lower_bound(needs)
        ratio = f", {arena / bound:.3f} times" if bound else ", which is"
        message = f"arena of {arena} bytes{who}{ratio} the most that is alive at once ({bound})"
        result.note("arena", message)
        return result


def _plan(placement: Placement, arena: int) -> MemoryPlan:
    places = {
        value: Place(offset + place.offset, place.pitch)
        for buffer, offset in placement.items()
        for value, place in buffer.places.items()
    }
    scratch = {buffer.user: offset for buffer, offset in placement.items() if buffer.user}
    return MemoryPlan(arena, places, scratch)


def _written(graph: Graph) -> tuple[object, ...]:
    """Return the plan that is written in a graph."""
    values = [*graph.inputs, *(value for node in graph.topo() for value in node.results)]
    scratch = [node.scratch for node in graph.topo()]
    return graph.arena_bytes, scratch, [value.place for value in values]
