"""A whole block that starts with a depthwise convolution becomes one node whose kernel keeps the
rows between its ends in cache: MobileNetV4's universal inverted bottleneck (arXiv 2404.10518 §3).

    conv1x1(dwconv(conv1x1(dwconv(x)))) {residual=y} = fused universal_bottleneck(x, y)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.passes.fusion import (
    Mode,
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

LEAST_GAIN = 0.02  # of the predicted time; with less, the second ring costs more than it saves


@dataclass(frozen=True)
class FuseUniversalBottleneck:
    """Fuse both depthwise convolutions of a block with its expansion and projection, where the
    backend can and (with mode=auto) its cost model says that it beats two kernels or more."""

    name: ClassVar[str] = "fuse-universal-bottleneck"
    tolerance: ClassVar[float] = 0.0

    mode: Mode = "auto"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every block that qualifies."""
        kind = "universal_bottleneck"
        return fuse_around_depthwise(graph, context, kind, self.mode, _block, _apart, LEAST_GAIN)


def _block(graph: Graph, start: Node) -> tuple[list[Node], Refusal]:
    """Return the block that a depthwise convolution starts, or why there is none."""
    block = [start]
    for kind, fits in (
        ("pointwise", is_pointwise_node),
        ("depthwise", is_depthwise_node),
        ("pointwise", is_pointwise_node),
    ):
        reader, refusal = follower(graph, block[-1], kind, fits)
        if reader is None:
            text = f"{name_of(start)} starts no block: {refusal}"
            return [], Refusal(refusal.reason, text)
        block.append(reader)
    _, expand, _, project = block
    if not is_bottleneck(expand, project):
        text = f"{name_of(expand)} is not wider than what is before and after the block"
        return [], Refusal("no-bottleneck", text)
    return block, ACCEPTED


def _apart(context: PassContext, block: Sequence[Node]) -> float:
    """Return the predicted cycles of the best kernels without this fusion."""
    pairs = _least(context, block[:2]) + _least(context, block[2:])
    return min(pairs, cycles(context, block[:1]) + _least(context, block[1:]))


def _least(context: PassContext, nodes: Sequence[Node]) -> float:
    """Return the predicted cycles of nodes, each alone or as one kernel."""
    kernel = fused_chain("part", nodes)
    together = cycles(context, [kernel]) if context.backend.supports(kernel) else inf
    return min(cycles(context, nodes), together)
