"""A whole block becomes one node whose kernel keeps the wide rows in cache: the inverted residual
of MobileNetV2 (arXiv 1801.04381 §3.3), and ShuffleNet's units, which are made of the same three.

    conv1x1(dwconv(conv1x1(x))) {residual=y} = fused inverted_residual(x, y)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from mbc.ir.graph import Graph, Node
from mbc.passes.fusion import (
    cycles,
    follower,
    fuse_around_depthwise,
    fused_chain,
    is_bottleneck,
    is_depthwise_node,
    is_pointwise_node,
)
from mbc.passes.rewrite import name_of
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass


@dataclass(frozen=True)
class FuseInvertedResidual:
    """Fuse expansion, depthwise convolution and projection of a block, where the backend can and
    (with mode=auto) its cost model says that it beats the three, the last two fused or not."""

    name: ClassVar[str] = "fuse-inverted-residual"
    tolerance: ClassVar[float] = 0.0

    mode: Literal["auto", "always", "never"] = "auto"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every block that qualifies."""
        return fuse_around_depthwise(graph, context, "inverted_residual", self.mode, _block, _apart)


def _block(graph: Graph, depthwise: Node) -> tuple[list[Node], Refusal]:
    """Return the block around a depthwise convolution, or why there is none."""
    view = depthwise.view("x")
    expand = graph.producer(view.values[0])
    if expand is None or not is_pointwise_node(expand):
        source = "a graph input" if expand is None else f"the result of {expand.op.label}"
        name = name_of(view.values[0])
        text = f"{name_of(depthwise)} reads {name}, {source}, not of a pointwise conv2d"
        return [], Refusal("other-producer", text)
    project, refusal = follower(graph, depthwise, "pointwise", is_pointwise_node)
    separable = _projects(graph, expand)
    if separable and not (project and is_bottleneck(expand, project)):
        return [], separable
    _, shared = follower(graph, expand, "depthwise", is_depthwise_node)
    if shared or project is None:
        return [], shared or refusal
    return [expand, depthwise, project], ACCEPTED


def _projects(graph: Graph, expand: Node) -> Refusal:
    """Return why a pointwise convolution rather belongs to the depthwise one before it, if so."""
    view = expand.view("x")
    maker = graph.producer(view.value) if view.is_single else None
    if maker is None or not is_depthwise_node(maker):
        return ACCEPTED
    reader, _ = follower(graph, maker, "pointwise", is_pointwise_node)
    text = f"{name_of(expand)} goes with {name_of(maker)}, a depthwise conv2d"
    return Refusal("goes-before", text) if reader else ACCEPTED


def _apart(context: PassContext, block: Sequence[Node]) -> float:
    """Return the predicted cycles without this fusion; the last two nodes may be fused."""
    expand, *pair = block
    apart, fused = cycles(context, pair), fused_chain("dw_pw", pair)
    if context.backend.supports(fused):
        apart = min(apart, cycles(context, [fused]))
    return cycles(context, [expand]) + apart
