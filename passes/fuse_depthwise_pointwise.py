"""A depthwise convolution and the pointwise one that reads it become one node whose kernel keeps
the rows between them in cache: conv1x1(dwconv(x)) {residual=y} = fused dw_pw(x, y)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from mbc.ir.graph import Graph, Node
from mbc.passes.fusion import (
    cycles,
    follower,
    fused_chain,
    is_depthwise_node,
    is_pointwise_node,
    judge,
)
from mbc.passes.rewrite import merge, name_of
from mbc.passmgr.passes import PassContext, PassResult


@dataclass(frozen=True)
class FuseDepthwisePointwise:
    """Fuse a depthwise convolution into the pointwise one after it, where the backend can and
    (with mode=auto) its cost model says that it pays."""

    name: ClassVar[str] = "fuse-depthwise-pointwise"
    tolerance: ClassVar[float] = 0.0

    mode: Literal["auto", "always", "never"] = "auto"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every pair that qualifies."""
        result = PassResult()
        gone: set[Node] = set()
        for node in graph.topo():
            if node not in gone and is_depthwise_node(node):
                gone.update(self._visit(graph, context, node, result))
        return result

    def _visit(
        self, graph: Graph, context: PassContext, depthwise: Node, result: PassResult
    ) -> list[Node]:
        """The nodes that became one."""
        pointwise, refusal = follower(graph, depthwise, "pointwise", is_pointwise_node)
        if pointwise is None:
            result.note(f"not fused: {refusal}", depthwise)
            return []
        pair = [depthwise, pointwise]
        fused = fused_chain("dw_pw", pair)
        gain, refusal = judge(graph, context, self.mode, cycles(context, pair), pair, fused)
        if refusal:
            result.note(f"not fused: {name_of(depthwise)}: {refusal}", depthwise)
            return []
        names = f"{name_of(depthwise)} and {name_of(pointwise)}"
        merge(graph, pair, fused.op, fused.operands)
        result.did(f"fused: {names}, predicted {gain}", depthwise)
        return pair
