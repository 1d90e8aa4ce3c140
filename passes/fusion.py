"""Chains: nodes that each work on the result of the one before, and become one fused node.

Several passes fuse chains of different lengths. What they share is here: who may follow whom, the
body made of the nodes, and whether the backend and its cost model agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

from mbc.ir.graph import Graph, Node, Operand
from mbc.ir.views import ChannelView, Value
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d, is_depthwise, is_pointwise
from mbc.passes.rewrite import candidate, name_of, why_shared
from mbc.passes.views.colocation import SharedPixels
from mbc.passmgr.passes import PassContext

Mode = Literal["auto", "always", "never"]


def is_depthwise_node(node: Node) -> bool:
    """Whether a node is a depthwise convolution with a constant weight."""
    weight = node.constant("weight")
    return isinstance(node.op, Conv2d) and weight is not None and is_depthwise(node.op, weight.type)


def is_pointwise_node(node: Node) -> bool:
    """Whether a node is a pointwise convolution, grouped or not, with a constant weight."""
    weight = node.constant("weight")
    return isinstance(node.op, Conv2d) and weight is not None and is_pointwise(node.op, weight.type)


def follower(
    graph: Graph, node: Node, kind: str, fits: Callable[[Node], bool]
) -> tuple[Node | None, str]:
    """The node of a kind that works on a node's whole result and alone reads it; or None, and why
    there is none."""
    name = name_of(node)
    if node["residual"] is not None:
        return None, f"{name} adds a residual"
    if shared := why_shared(graph, node.result):
        return None, f"{name} {shared}"
    reader = graph.single_user(node.result)
    if reader is None:
        return None, f"{name} is never read"
    if not fits(reader):
        but = f", which is not {kind}" if isinstance(reader.op, Conv2d) else ""
        return None, f"{name} is read by {reader.op.mnemonic} {name_of(reader)}{but}"
    return (None, refusal) if (refusal := _misread(node, reader)) else (reader, "")


def _misread(node: Node, reader: Node) -> str:
    """Why a reader does not work on a node's whole result, and on nothing else."""
    view = reader["x"]
    if not isinstance(view, ChannelView) or node.result not in view.values:
        return f"{name_of(node)} is the residual of {name_of(reader)}"
    if not view.is_single:
        return f"{name_of(reader)} reads a part of {name_of(node)}"
    return ""


def fused_chain(kind: str, nodes: Sequence[Node]) -> Node:
    """A fused node, in no graph yet, that does what the nodes do one after the other; fused ones
    among them give their bodies. Its operands are what the nodes read of others."""
    body = _Body(kind)
    for node in nodes:
        body.append(node)
    return body.finish(nodes[-1].result)


class _Body:
    """A fused body under construction; `_inner` says where it has what the graph calls a value."""

    def __init__(self, kind: str) -> None:
        self._graph = Graph(kind)
        self._operands: list[ChannelView] = []
        self._inner: dict[Value, ChannelView] = {}

    def append(self, node: Node) -> None:
        """The node, or the nodes of its body."""
        if not isinstance(node.op, Fused):
            names = [node.op.spec(i).name for i in range(len(node.operands))]
            self._add(node, map(self._read, node.operands, names))
            return
        for value, view in zip(node.op.body.inputs, node.views, strict=True):
            self._inner[value] = self._bound(view, value.name)
        for step in node.op.body.topo():
            self._add(step, map(self._read, step.operands, [""] * len(step.operands)))
        (result,) = node.op.body.outputs
        self._inner[node.result] = result.substitute(self._inner)

    def finish(self, result: Value) -> Node:
        """The fused node."""
        self._graph.set_outputs([self._inner[result]])
        return candidate(Fused(self._graph.name, self._graph), self._operands)

    def _add(self, node: Node, operands: Iterable[Operand | None]) -> None:
        op = node.op
        if isinstance(op, Conv2d):  # by rows there are too few pixels at a time to halve
            op = replace(op, strassen=False)
        new = self._graph.add(op, list(operands), locations=node.locations)
        self._inner[node.result] = ChannelView.of(new.result)

    def _read(self, operand: Operand | None, name: str) -> Operand | None:
        return self._bound(operand, name) if isinstance(operand, ChannelView) else operand

    def _bound(self, view: ChannelView, name: str) -> ChannelView:
        """The view inside the body; what comes from outside becomes an input."""
        if all(value in self._inner for value in view.values):
            return view.substitute(self._inner)
        taken = {value.name for value in self._graph.inputs}
        numbered = (f"{name}{n}" for n in range(2, len(taken) + 3))
        fresh = name if name not in taken else next(n for n in numbered if n not in taken)
        self._operands.append(view)
        return ChannelView.of(self._graph.add_input(fresh, view.type))


def judge(
    graph: Graph, context: PassContext, mode: Mode, apart: float, nodes: Sequence[Node], fused: Node
) -> tuple[str, str]:
    """The predicted change of time, "-7.0 %", where `nodes` that take `apart` cycles become one,
    and the reason not to fuse, if there is one."""
    if mode == "never":
        return "", "mode=never"
    if not (support := context.backend.supports(fused)):
        return "", f"the backend refuses: {support.reason}"
    if crowded := SharedPixels.of(graph, context.backend, besides=nodes).refusal(fused):
        return "", crowded
    together = context.backend.predict(fused).cycles
    gain = f"{100 * (together / apart - 1):+.1f} %"
    if mode == "auto" and together >= apart:
        _, height, width, _ = fused.result.type.shape
        return gain, f"{height}x{width} output, cost model predicts {gain}"
    return gain, ""


def cycles(context: PassContext, nodes: Iterable[Node]) -> float:
    """The predicted time of nodes that run one after the other."""
    return sum(context.backend.predict(node).cycles for node in nodes)
