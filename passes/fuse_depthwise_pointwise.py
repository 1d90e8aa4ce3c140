"""A depthwise convolution and the pointwise one that reads it become one node whose kernel keeps
the rows between them in cache: conv1x1(dwconv(x)) {residual=y} = fused dw_pw(x, y)."""

from __future__ import annotations

from typing import ClassVar, Literal

from mbc.ir.graph import Graph, Node
from mbc.passes.fusion import cycles, follower, fuse_around_depthwise, is_pointwise_node
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass


@dataclass(frozen=True)
class FuseDepthwisePointwise:
    """Fuse a depthwise convolution into the pointwise one after it, where the backend can and
    (with mode=auto) its cost model says that it pays."""

    name: ClassVar[str] = "fuse-depthwise-pointwise"
    tolerance: ClassVar[float] = 0.0

    mode: Literal["auto", "always", "never"] = "auto"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every pair that qualifies."""
        return fuse_around_depthwise(graph, context, "dw_pw", self.mode, _pair, cycles)


def _pair(graph: Graph, depthwise: Node) -> tuple[list[Node], Refusal]:
    """Return a depthwise convolution with the pointwise one after it, or why there is none."""
    pointwise, refusal = follower(graph, depthwise, "pointwise", is_pointwise_node)
    return ([], refusal) if pointwise is None else ([depthwise, pointwise], ACCEPTED)
