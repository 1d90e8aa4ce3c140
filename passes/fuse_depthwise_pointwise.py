"""A depthwise convolution and the pointwise one that reads it become one node whose kernel keeps
the rows between them in cache: conv1x1(dwconv(x)) {residual=y} = fused dw_pw(x, y)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d, is_depthwise, is_pointwise
from mbc.passmgr.passes import PassContext, PassResult
from mbc.passmgr.rewrite import candidate, merge, name_of, operand_at, why_shared

RESIDUAL = 3


@dataclass(frozen=True)
class FuseDepthwisePointwise:
    """Fuse a depthwise convolution into the pointwise one after it, where the backend can and
    (with mode=auto) its cost model says that it pays."""

    name: ClassVar[str] = "fuse-depthwise-pointwise"
    tolerance: ClassVar[float] = 0.0

    mode: Literal["auto", "always", "never"] = "auto"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every pair that qualifies."""
        result = PassResult()
        for node in graph.topo():
            if _is_depthwise(node):
                self._visit(graph, context, node, result)
        return result

    def _visit(
        self, graph: Graph, context: PassContext, depthwise: Node, result: PassResult
    ) -> None:
        pointwise, refusal = _partner(graph, depthwise)
        if pointwise is None:
            result.note(f"not fused: {refusal}", depthwise)
            return
        op, operands = _fused(depthwise, pointwise)
        gain, refusal = self._judge(context, [depthwise, pointwise], candidate(op, operands))
        if refusal:
            result.note(f"not fused: {name_of(depthwise)}: {refusal}", depthwise)
            return
        pair = f"{name_of(depthwise)} and {name_of(pointwise)}"
        merge(graph, [depthwise, pointwise], op, operands)
        result.did(f"fused: {pair}, predicted {gain}", depthwise)

    def _judge(self, context: PassContext, pair: list[Node], fused: Node) -> tuple[str, str]:
        """The predicted change of time, "-7 %", and the reason not to fuse, if any."""
        if self.mode == "never":
            return "", "mode=never"
        if not (support := context.backend.supports(fused)):
            return "", f"the backend refuses: {support.reason}"
        apart = sum(context.backend.predict(node).cycles for node in pair)
        together = context.backend.predict(fused).cycles
        gain = f"{100 * (together / apart - 1):+.1f} %"
        if self.mode == "auto" and together >= apart:
            _, height, width, _ = fused.result.type.shape
            return gain, f"{height}x{width} output, cost model predicts {gain}"
        return gain, ""


def _is_depthwise(node: Node) -> bool:
    weight = node.constant(1)
    return isinstance(node.op, Conv2d) and weight is not None and is_depthwise(node.op, weight.type)


def _partner(graph: Graph, depthwise: Node) -> tuple[Node | None, str]:
    """The pointwise convolution to fuse with, or why there is none."""
    name = name_of(depthwise)
    if operand_at(depthwise, RESIDUAL) is not None:
        return None, f"{name} adds a residual"
    if shared := why_shared(graph, depthwise.result):
        return None, f"{name} {shared}"
    reader = graph.single_user(depthwise.result)
    weight = reader.constant(1) if reader else None
    if reader is None or weight is None or not isinstance(reader.op, Conv2d):
        found = f"read by {reader.op.mnemonic} {name_of(reader)}" if reader else "never read"
        return None, f"{name} is {found}"
    if not is_pointwise(reader.op, weight.type):
        return None, f"{name} is read by conv2d {name_of(reader)}, which is not pointwise"
    if not isinstance(reader.operands[0], ChannelView) or not reader.view(0).is_single:
        return None, f"{name_of(reader)} reads a part of {name}"
    if depthwise.result not in reader.view(0).values:
        return None, f"{name} is the residual of {name_of(reader)}"
    return reader, ""


def _fused(depthwise: Node, pointwise: Node) -> tuple[Fused, list[ChannelView]]:
    """The fused op and its operands: what the depthwise reads, and the residual, if any."""
    body = Graph("dw_pw")
    x = body.add_input("x", depthwise.view(0).type)
    first = body.add(
        depthwise.op, [x, *depthwise.operands[1:]], locations=depthwise.locations
    ).result
    operands = [depthwise.view(0)]
    inner = [
        pointwise.view(0).substitute({depthwise.result: ChannelView.of(first)}),
        *pointwise.operands[1:],
    ]
    residual = operand_at(pointwise, RESIDUAL)
    if isinstance(residual, ChannelView):
        operands.append(residual)
        inner[RESIDUAL] = ChannelView.of(body.add_input("residual", residual.type))
    body.set_outputs([body.add(pointwise.op, inner, locations=pointwise.locations).result])
    return Fused("dw_pw", body), operands
