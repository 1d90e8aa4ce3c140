"""Cost of nodes and graphs."""

from __future__ import annotations

from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Cost
from mbc.ir.views import ChannelView, Value
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


def bytes_moved_by_data_movement(graph: Graph) -> int:
    """Bytes that a run writes to put what is already computed somewhere else: results of ops that
    only move data, in fused bodies too, and outputs that have to be copied to the caller."""
    moved = sum(
        node_cost(inner).bytes_written
        for node in graph.topo()
        for inner in (node, *_body(node))
        if inner.op.moves_data_only
    )
    return moved + sum(view.type.bytes for view in _copied_outputs(graph))


def _body(node: Node) -> list[Node]:
    return node.op.body.topo() if isinstance(node.op, Fused) else []


def _copied_outputs(graph: Graph) -> list[ChannelView]:
    """The outputs that no node writes into the caller's memory: views of values, inputs, values
    that are an output already, or that have their place in the arena."""
    written: set[Value] = set()
    copied = []
    for view in graph.outputs:
        in_place = view.is_plain and graph.producer(view.value) is not None
        if in_place and view.value.place is None and view.value not in written:
            written.add(view.value)
        else:
            copied.append(view)
    return copied
