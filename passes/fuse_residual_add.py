"""add(x, conv(y)) {act} = conv(y) {residual=x, act}: the epilogue adds before it stores."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView
from mbc.ops.elementwise import Add
from mbc.ops.linear import Conv2d
from mbc.passes.rewrite import candidate, merge, name_of, why_shared
from mbc.passes.views.colocation import SharedPixels
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass


@dataclass(frozen=True)
class FuseResidualAdd:
    """Fuse an addition, with its activation, into the conv2d that makes one of its operands."""

    name: ClassVar[str] = "fuse-residual-add"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse each add into the later of the convolutions that it alone reads."""
        result = PassResult()
        for node in graph.topo():
            if isinstance(node.op, Add):
                _visit(graph, context, node, result)
        return result


def _visit(graph: Graph, context: PassContext, add: Node, result: PassResult) -> None:
    refusals: list[Refusal] = []
    for conv, residual in _convolutions(graph, add):
        if refusal := _try(graph, context, add, conv, residual, result):
            refusals.append(refusal)
        else:
            return
    if not refusals:
        refusals = [Refusal("no-conv", "no operand is a conv2d read as it is stored")]
    reasons = "; ".join(dict.fromkeys(map(str, refusals)))
    result.note(refusals[0].reason, f"not fused: {name_of(add)}: {reasons}", add)


def _convolutions(graph: Graph, add: Node) -> list[tuple[Node, ChannelView]]:
    """Each conv2d that makes an operand, and the other operand; the later conv2d first: what is
    added to it is then at hand."""
    order = {node: position for position, node in enumerate(graph.topo())}
    if len(add.views) < 2:
        return []
    a, b = add.views
    found = []
    for view, other in ((a, b), (b, a)):
        node = graph.producer(view.value) if view.is_plain else None
        if node is not None and isinstance(node.op, Conv2d):
            found.append((node, other))
    return sorted(found, key=lambda pair: -order[pair[0]])


def _try(
    graph: Graph,
    context: PassContext,
    add: Node,
    conv: Node,
    residual: ChannelView,
    result: PassResult,
) -> Refusal:
    """Fuse the add into a convolution that makes one of its operands, or say why not."""
    assert isinstance(conv.op, Conv2d)
    assert isinstance(add.op, Add)
    if residual.type.shape != conv.result.type.shape:
        return Refusal("shape", f"{name_of(residual.value)} has another shape")
    if not conv.result.type.element.is_float:
        text = f"{name_of(conv)} is quantised: fused, one of two roundings would be left out"
        return Refusal("rounding", text)
    if conv.op.act is not None:
        return Refusal("activation", f"{name_of(conv)} has act={conv.op.act}")
    if conv["slope"] is not None:
        return Refusal("slopes", f"{name_of(conv)} has slopes")
    if conv["residual"] is not None:
        return Refusal("residual", f"{name_of(conv)} adds a residual already")
    # A private result is read by the add alone, so the residual cannot depend on it.
    if shared := why_shared(graph, conv.result):
        return Refusal("shared", f"{name_of(conv)} {shared}")
    op = replace(conv.op, act=add.op.act)
    operands = conv.operands_with({"residual": residual})
    fused = candidate(op, operands)
    if not (support := context.backend.supports(fused)):
        return Refusal("no-kernel", f"the backend refuses: {support.reason}")
    if apart := SharedPixels.of(graph, context.backend, besides=[add]).refusal(fused):
        return Refusal("buffer", apart)
    merge(graph, [conv, add], op, operands)
    result.did("fused", f"fused: {name_of(add)} into {name_of(conv)}", add)
    return ACCEPTED
