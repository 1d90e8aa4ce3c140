"""Every node whose kernel leaves a choice gets a schedule: that which it carries already, or else
the one that the backend puts first."""

from __future__ import annotations

from typing import ClassVar

from mbc.ir.graph import Graph
from mbc.ir.text.printer import schedule_text
from mbc.passes.rewrite import name_of
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass
from mbc.targets.schedules import refuse_schedules


@dataclass(frozen=True)
class ChooseSchedules:
    """Give each node the first of the backend's schedules, unless it carries one."""

    name: ClassVar[str] = "choose-schedules"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Set the schedules. Raises E0516 for one that a node carries and the backend refuses."""
        refuse_schedules(graph, context.backend)
        result = PassResult()
        for node in graph.topo():
            if node.schedule:
                text = schedule_text(node.schedule)
                result.note("kept", f"kept: {name_of(node)}, {text}", node)
            elif found := context.backend.candidates(node):
                node.schedule = found[0]
                text = schedule_text(node.schedule)
                message = f"chosen: {name_of(node)}, {text}, of {len(found)}"
                result.did("chosen", message, node)
        return result
