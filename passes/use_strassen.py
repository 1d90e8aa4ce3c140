"""conv1x1(x) = conv1x1(x) {strassen=true}: fewer multiplications, for more weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.ops.linear import Conv2d
from mbc.passmgr.chains import is_pointwise_node
from mbc.passmgr.passes import PassContext, PassResult
from mbc.passmgr.rewrite import candidate, merge, name_of

WORTH = 0.04
"""Share of a layer's time that must be saved: it takes 7/4 of the weights, and rounds otherwise."""


@dataclass(frozen=True)
class UseStrassen:
    """Multiply pointwise convolutions by Strassen's method where the backend has such a kernel and
    its cost model says that it pays."""

    name: ClassVar[str] = "use-strassen"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Allow it for each convolution that gains."""
        result = PassResult()
        for node in graph.topo():
            if is_pointwise_node(node):
                _visit(graph, context, node, result)
        return result


def _visit(graph: Graph, context: PassContext, node: Node, result: PassResult) -> None:
    assert isinstance(node.op, Conv2d)
    if node.op.strassen:
        return
    op = replace(node.op, strassen=True)
    before = context.backend.predict(node).cycles
    saved = 1 - context.backend.predict(candidate(op, node.operands)).cycles / before
    gain = f"predicted {-100 * saved:+.1f} %"
    if saved < WORTH:
        reason = gain if saved else "the backend has no kernel for it"
        result.note(f"multiplied directly: {name_of(node)}: {reason}", node)
        return
    merge(graph, [node], op, node.operands)
    result.did(f"by Strassen's method: {name_of(node)}, {gain}", node)
