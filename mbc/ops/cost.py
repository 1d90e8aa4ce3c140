"""Cost of nodes and graphs."""

from __future__ import annotations

from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Cost
from mbc.ops.fused import Fused


def node_cost(node: Node) -> Cost:
    """Multiply-adds, learned parameters and the bytes a node reads and writes, dense, each operand
    once; what a fused body keeps inside counts as no traffic."""
    constants = _constants(node)
    read = sum(view.type.bytes for view in node.views) + sum(c.type.bytes for c in constants)
    return Cost(
        macs=node.op.macs(node.operand_types),
        params=sum(c.type.elements for c in constants),
        bytes_read=read,
        bytes_written=sum(result.type.bytes for result in node.results),
    )


def _constants(node: Node) -> list[Constant]:
    if isinstance(node.op, Fused):
        return list(node.op.body.constants().values())
    return [o for o in node.operands if isinstance(o, Constant)]


def learned_params(graph: Graph) -> int:
    """Trained parameters of a network as written: weights, biases and batch norm's gamma and beta,
    not its running statistics."""
    statistics = {
        operand.name
        for node in graph.topo()
        for spec, operand in zip(node.op.operands, node.operands, strict=False)
        if spec.name in ("mean", "variance") and isinstance(operand, Constant)
    }
    return sum(c.type.elements for c in graph.constants().values() if c.name not in statistics)


def total_cost(graph: Graph) -> Cost:
    """Sum over the nodes of a graph."""
    return sum((node_cost(node) for node in graph.topo()), Cost())
