"""Relax expressions of mbc's ops: those that TVM legalises rather than calling mbc's kernels.

Tensors are NHWC and filters HWIO on both sides. A batch norm becomes a multiplication and an
addition, for its constants are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mbc.backends.tvm.legal import elementwise, linear, moves, pools, rows, spatial, unary
from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr, constant, gather
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.views import ChannelView, Value
from mbc.ops import Fused
from mbc.targets.kernels import without_kernel

EMITTERS: Emitters = {
    **linear.EMITTERS,
    **elementwise.EMITTERS,
    **unary.EMITTERS,
    **rows.EMITTERS,
    **pools.EMITTERS,
    **spatial.EMITTERS,
    **moves.EMITTERS,
}


def emit_node(emit: Emit, node: Node, known: Mapping[Value, Expr]) -> tuple[Expr, ...]:
    """Emit a node by TVM's own ops; returns its results. Raises E0517."""
    operands = [_read(emit, operand, known) for operand in node.operands]
    if isinstance(node.op, Fused):
        return _body(emit, node.op.body, operands)
    if type(node.op) not in EMITTERS:
        raise without_kernel(node, "TVM")
    return EMITTERS[type(node.op)](emit, node.op, *operands)


def _read(emit: Emit, operand: Operand | None, known: Mapping[Value, Expr]) -> Expr | None:
    match operand:
        case None:
            return None
        case Constant():
            return constant(operand.array)
        case ChannelView():
            return gather(emit, operand, known)


def _body(emit: Emit, body: Graph, inputs: Sequence[Expr | None]) -> tuple[Expr, ...]:
    known: dict[Value, Expr] = dict(zip(body.inputs, inputs, strict=True))
    for node in body.topo():
        known |= zip(node.results, emit_node(emit, node, known), strict=True)
    return tuple(gather(emit, view, known) for view in body.outputs)
