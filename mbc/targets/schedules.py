"""Schedules that a backend refuses: text may come from another target, or from a tuner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mbc.diag import error
from mbc.ir.graph import Graph, Node
from mbc.ir.text.printer import schedule_text
from mbc.targets.backend import Backend, Support

LISTED = 6  # candidates that a message names
INNER = "ops of a fused body have no schedules of their own"


def refuse_schedules(graph: Graph, backend: Backend) -> None:
    """Raise MbcError E0516 at the first node that cannot have the schedule that it carries."""
    for node, reason in _refused(graph, backend):
        found = [schedule_text(schedule) for schedule in backend.candidates(node)]
        known = ", ".join([*found[:LISTED], *["…"] * (len(found) > LISTED)])
        raise error(
            "E0516",
            reason,
            at=node.locations[0] if node.locations else None,
            helps=[*([f"it can have {known}"] if found else []), "without one, mbc chooses"],
        )


def _refused(graph: Graph, backend: Backend) -> Iterator[tuple[Node, str]]:
    """Yield the nodes whose schedule is refused, with the reason."""
    for node in graph.topo():
        support = backend.supports(node) if node.schedule else Support(True)
        if not support and backend.supports(replace(node, schedule=None)):
            yield node, support.reason
        for body in node.op.bodies:
            yield from ((step, INNER) for step in body.topo() if step.schedule)
