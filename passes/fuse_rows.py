"""Nodes one after the other become one that is streamed by rows, where that lowers the memory that
the network needs: conv(dwconv(conv(x))) = fused rows(x), whatever the ops and however many.
`row_streaming` finds them."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

from mbc.ir.graph import Graph
from mbc.passes.fusion import fused_chain
from mbc.passes.rewrite import merge, name_of
from mbc.passes.row_streaming import State, descend
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass


@dataclass(frozen=True)
class FuseRows:
    """Stream runs of nodes by rows where the arena shrinks: whatever it costs in time, or (with
    mode=auto) where the cost model says that it costs none."""

    name: ClassVar[str] = "fuse-rows"
    tolerance: ClassVar[float] = 0.0

    mode: Literal["auto", "always", "never"] = "always"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse until nothing lowers the peak, then keep what paid."""
        result = PassResult()
        if self.mode == "never":
            return result
        backend = context.backend
        if node := next((node for node in graph.topo() if not backend.supports(node)), None):
            message = f"not fused: the backend has no kernel for {name_of(node)}"
            result.note("no-kernel", message, node)
            return result
        states = list(descend(graph, backend, free=self.mode == "auto"))
        best = min(states, key=lambda state: state.bytes)
        if best is states[0]:
            how = " at no cost in time" if self.mode == "auto" else ""
            message = f"not fused: nothing lowers the {best.bytes} bytes of arena{how}"
            result.note("no-gain", message)
        for before, after in pairwise(states[: states.index(best) + 1]):
            _tell(before, after, result)
        for step in best.steps:
            if step.is_new:
                fused = fused_chain("rows", step.parts)
                merge(graph, step.parts, fused.op, fused.operands)
        return result


def _tell(before: State, after: State, result: PassResult) -> None:
    assert after.newest is not None
    names = ", ".join(map(name_of, after.newest.parts))
    time = 100 * (after.cycles / before.cycles - 1) if before.cycles else 0.0
    result.did(
        "fused",
        f"fused: {names}: arena from {before.bytes} to {after.bytes} bytes, "
        f"predicted time of the network {time:+.1f} %",
        after.newest.node,
    )
