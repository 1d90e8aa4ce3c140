"""relu(conv(x)) = conv(x) {act=relu}; the same for relu6, and for dense, add and avg_pool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.ir.types import Act
from mbc.ops.elementwise import Add, Relu, Relu6
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.pool import AvgPool
from mbc.passes.rewrite import candidate, merge, name_of, why_shared
from mbc.passmgr.passes import PassContext, PassResult


@dataclass(frozen=True)
class FuseActivation:
    """Fuse relu and relu6 into the epilogue of the conv2d, dense, add or avg_pool before them."""

    name: ClassVar[str] = "fuse-activation"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every activation that alone reads its producer."""
        result = PassResult()
        for node in graph.topo():
            match node.op:
                case Relu():
                    _visit(graph, context, node, Act.RELU, result)
                case Relu6():
                    _visit(graph, context, node, Act.RELU6, result)
        return result


def _visit(graph: Graph, context: PassContext, node: Node, act: Act, result: PassResult) -> None:
    view = node.view("x")
    if not view.is_plain:
        result.note(f"not fused: {name_of(node)} reads through a channel view", node)
        return
    producer = graph.producer(view.value)
    if producer is None or not isinstance(producer.op, Conv2d | Dense | Add | AvgPool):
        source = "a graph input" if producer is None else f"the result of {producer.op.mnemonic}"
        result.note(
            f"not fused: {name_of(node)} reads {name_of(view.value)}, {source}, "
            "not of a conv2d, dense, add or avg_pool",
            node,
        )
        return
    op = replace(producer.op, act=act)
    if refusal := _refusal(graph, context, producer, op):
        result.note(f"not fused: {name_of(node)} into {name_of(producer)}, which {refusal}", node)
        return
    merge(graph, [producer, node], op, producer.operands)
    result.did(f"fused: {name_of(node)} into {name_of(producer)}", node)


def _refusal(
    graph: Graph, context: PassContext, producer: Node, op: Conv2d | Dense | Add | AvgPool
) -> str:
    assert isinstance(producer.op, Conv2d | Dense | Add | AvgPool)
    if producer.op.act is not Act.NONE:
        return f"has act={producer.op.act}"
    if shared := why_shared(graph, producer.result):
        return shared
    support = context.backend.supports(candidate(op, producer.operands))
    return "" if support else f"the backend refuses: {support.reason}"
