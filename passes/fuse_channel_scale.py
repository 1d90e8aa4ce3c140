"""conv1x1(mul(x, s)) {residual=y} = fused scaled(x, s, y), without storing the product.

s is a vector of channels for each image, as the gate of squeeze-and-excitation is (arXiv 1709.01507
§3).
"""

from __future__ import annotations

from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView
from mbc.ops.broadcast import is_channel_vector
from mbc.ops.elementwise import Mul
from mbc.passes.fusion import Mode, cycles, follower, fused_chain, is_pointwise_node, judge
from mbc.passes.rewrite import merge, name_of
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass


@dataclass(frozen=True)
class FuseChannelScale:
    """Fuse a multiplication by a vector of channels into the pointwise convolution after it, where
    the backend can and (with mode=auto) its cost model says that it pays."""

    name: ClassVar[str] = "fuse-channel-scale"
    tolerance: ClassVar[float] = 0.0

    mode: Mode = "auto"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every multiplication that qualifies."""
        result = PassResult()
        for node in graph.topo():
            if not isinstance(node.op, Mul) or not _scales_channels(node):
                continue
            activated = f"{name_of(node)} has act={node.op.act}" if node.op.act else ""
            refusal = Refusal("activation", activated)
            if refusal := refusal or self._visit(graph, context, node, result):
                result.note(refusal.reason, f"not fused: {refusal}", node)
        return result

    def _visit(self, graph: Graph, context: PassContext, mul: Node, result: PassResult) -> Refusal:
        """Fuse a multiplication, or return why not."""
        product, refusal = follower(graph, mul, "pointwise", is_pointwise_node)
        if product is None:
            return refusal
        nodes = [mul, product]
        fused = fused_chain("scaled", nodes)
        gain, refusal = judge(graph, context, self.mode, cycles(context, nodes), nodes, fused)
        if refusal:
            return refusal.of(name_of(mul))
        names = [name_of(node) for node in nodes]
        merge(graph, nodes, fused.op, fused.operands)
        result.did("fused", f"fused: {names[0]} and {names[1]}, predicted {gain}", mul)
        return ACCEPTED


def _scales_channels(mul: Node) -> bool:
    """Whether one operand is a vector of channels for each image, computed at run time."""
    whole = mul.result.type.shape
    shapes = [o.type.shape for o in mul.operands if isinstance(o, ChannelView)]
    smaller = [s for s in shapes if s != whole]
    return len(shapes) == 2 and [is_channel_vector(s, whole) for s in smaller] == [True]
