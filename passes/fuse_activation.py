"""relu(conv(x)) = conv(x) {act=relu}, for every activation and every op that has an epilogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.ir.op import Activated
from mbc.ops import OPS
from mbc.ops.elementwise import Activate
from mbc.passes.rewrite import candidate, merge, name_of, why_shared
from mbc.passmgr.passes import PassContext, PassResult


@dataclass(frozen=True)
class FuseActivation:
    """Fuse activations into the epilogue of the conv2d, dense, add or avg_pool before them."""

    name: ClassVar[str] = "fuse-activation"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every activation that alone reads its producer."""
        result = PassResult()
        for node in graph.topo():
            if isinstance(node.op, Activate):
                _visit(graph, context, node, node.op, result)
        return result


def _visit(
    graph: Graph, context: PassContext, node: Node, activate: Activate, result: PassResult
) -> None:
    view = node.view("x")
    if not view.is_plain:
        result.note(f"not fused: {name_of(node)} reads through a channel view", node)
        return
    producer = graph.producer(view.value)
    if producer is None or not isinstance(producer.op, Activated):
        source = "a graph input" if producer is None else f"the result of {producer.op.label}"
        result.note(
            f"not fused: {name_of(node)} reads {name_of(view.value)}, {source}, "
            f"not of a {_epilogues()}",
            node,
        )
        return
    op = producer.op.with_act(activate.act)
    if producer.op.act is not None:
        refusal = f"has act={producer.op.act}"
    else:
        refusal = _refusal(graph, context, producer, op)
    if refusal:
        result.note(f"not fused: {name_of(node)} into {name_of(producer)}, which {refusal}", node)
        return
    merge(graph, [producer, node], op, producer.operands)
    result.did(f"fused: {name_of(node)} into {name_of(producer)}", node)


def _refusal(graph: Graph, context: PassContext, producer: Node, op: Activated) -> str:
    if shared := why_shared(graph, producer.result):
        return shared
    support = context.backend.supports(candidate(op, producer.operands))
    return "" if support else f"the backend refuses: {support.reason}"


def _epilogues() -> str:
    *others, last = (op.mnemonic for op in OPS if issubclass(op, Activated))
    return f"{', '.join(others)} or {last}"
