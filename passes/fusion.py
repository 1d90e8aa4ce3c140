"""Fusion of chains: nodes that each read the result of the one before become one fused node.

Passes that fuse chains of different lengths share the conditions on a node's user, the construction
of the fused body, and the questions to the backend and its cost model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from mbc.ir.graph import Graph, Node, Operand
from mbc.ir.views import ChannelView, Value
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d, filters_per_channel, is_pointwise
from mbc.passes.rewrite import candidate, merge, name_of, why_shared
from mbc.passes.views.colocation import SharedPixels
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal

Mode = Literal["auto", "always", "never"]


def is_depthwise_node(node: Node) -> bool:
    """Whether a node is a depthwise convolution, with any multiplier and a constant weight."""
    weight = node.constant("weight")
    if not isinstance(node.op, Conv2d) or weight is None:
        return False
    return filters_per_channel(node.op, weight.type) > 0


def is_pointwise_node(node: Node) -> bool:
    """Whether a node is a pointwise convolution, grouped or not, with a constant weight."""
    weight = node.constant("weight")
    return isinstance(node.op, Conv2d) and weight is not None and is_pointwise(node.op, weight.type)


def is_bottleneck(expand: Node, project: Node) -> bool:
    """Whether there are more channels between two pointwise convolutions than before and after."""
    narrow = max(expand.view("x").type.channels, project.result.type.channels)
    return expand.result.type.channels > narrow


def follower(
    graph: Graph, node: Node, kind: str, fits: Callable[[Node], bool]
) -> tuple[Node | None, Refusal]:
    """Return the only user of a node if it is of a kind and reads the whole result; otherwise None
    and the reason."""
    name = name_of(node)
    if node["residual"] is not None:
        return None, Refusal("residual", f"{name} adds a residual")
    if shared := why_shared(graph, node.result):
        return None, Refusal("shared", f"{name} {shared}")
    reader = graph.single_user(node.result)
    if reader is None:
        return None, Refusal("unread", f"{name} is never read")
    if not fits(reader):
        but = f", which is not {kind}" if isinstance(reader.op, Conv2d) else ""
        text = f"{name} is read by {reader.op.label} {name_of(reader)}{but}"
        return None, Refusal("other-reader", text)
    return (None, refusal) if (refusal := _misread(node, reader)) else (reader, ACCEPTED)


def _misread(node: Node, reader: Node) -> Refusal:
    """Return why a user does not read exactly a node's whole result, if it does not."""
    view = reader["x"]
    if not isinstance(view, ChannelView) or node.result not in view.values:
        return Refusal("is-residual", f"{name_of(node)} is the residual of {name_of(reader)}")
    if not view.is_single:
        return Refusal("part", f"{name_of(reader)} reads a part of {name_of(node)}")
    return ACCEPTED


def fused_chain(kind: str, nodes: Sequence[Node], returned: Sequence[Node] = ()) -> Node:
    """Return a fused node, in no graph yet, that computes a chain of nodes; the bodies of fused
    nodes are inlined. Its operands are the values that the chain reads from outside, its results
    those of the nodes `returned`, or of the last one."""
    body = _Body(kind)
    for node in nodes:
        body.append(node)
    return body.finish([node.result for node in returned or nodes[-1:]])


class _Body:
    """Builds a fused body; `_inner` maps values of the graph to views of values in the body. These
    keep their names, unless an input of the body has it, and their origins."""

    def __init__(self, kind: str) -> None:
        self._graph = Graph(kind)
        self._operands: list[ChannelView] = []
        self._inner: dict[Value, ChannelView] = {}

    def append(self, node: Node) -> None:
        """Add a node, or the nodes of its body."""
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

    def finish(self, returned: Sequence[Value]) -> Node:
        """Return the fused node."""
        self._graph.set_outputs([self._inner[value] for value in returned])
        return candidate(Fused(self._graph.name, self._graph), self._operands)

    def _add(self, node: Node, operands: Iterable[Operand | None]) -> None:
        inner = list(operands)  # may add inputs, whose names come first
        names = [self._graph.fresh_name(node.result.name)]
        new = self._graph.add(node.op, inner, names=names, locations=node.locations)
        new.result.stand_for(node.result)
        self._inner[node.result] = ChannelView.of(new.result)

    def _read(self, operand: Operand | None, name: str) -> Operand | None:
        return self._bound(operand, name) if isinstance(operand, ChannelView) else operand

    def _bound(self, view: ChannelView, name: str) -> ChannelView:
        """Translate a view into the body; values from outside become inputs."""
        if all(value in self._inner for value in view.values):
            return view.substitute(self._inner)
        self._operands.append(view)
        return ChannelView.of(self._graph.add_input(self._graph.fresh_name(name), view.type))


def fuse_around_depthwise(
    graph: Graph,
    context: PassContext,
    kind: str,
    mode: Mode,
    find: Callable[[Graph, Node], tuple[list[Node], Refusal]],
    apart: Callable[[PassContext, Sequence[Node]], float],
    least_gain: float = 0.0,
) -> PassResult:
    """Fuse the chain around each depthwise convolution.

    `find` returns the nodes of the chain, or none and the reason; `apart` predicts the cycles that
    they take without this fusion, of which it must save a share of `least_gain`."""
    result = PassResult()
    gone: set[Node] = set()
    for node in graph.topo():
        if node in gone or not is_depthwise_node(node):
            continue
        chain, refusal = find(graph, node)
        if refusal:
            result.note(refusal.reason, f"not fused: {refusal}", node)
            continue
        fused = fused_chain(kind, chain)
        gain, refusal = judge(graph, context, mode, apart(context, chain), chain, fused, least_gain)
        if refusal:
            result.note(refusal.reason, f"not fused: {name_of(node)}: {refusal}", node)
            continue
        *first, last = map(name_of, chain)
        merge(graph, chain, fused.op, fused.operands)
        result.did("fused", f"fused: {', '.join(first)} and {last}, predicted {gain}", node)
        gone.update(chain)
    return result


def judge(
    graph: Graph,
    context: PassContext,
    mode: Mode,
    apart: float,
    nodes: Sequence[Node],
    fused: Node,
    least_gain: float = 0.0,
) -> tuple[str, Refusal]:
    """Return the predicted change of time ("-7.0 %") if `nodes`, which take `apart` cycles, become
    `fused`, and the reason not to fuse them, if any: they should save a share of `least_gain`."""
    if mode == "never":
        return "", Refusal("disabled", "mode=never")
    if not (support := context.backend.supports(fused)):
        return "", Refusal("no-kernel", f"the backend refuses: {support.reason}")
    if crowded := SharedPixels.of(graph, context.backend, besides=nodes).refusal(fused):
        return "", Refusal("buffer", crowded)
    together = context.backend.predict(fused).cycles
    gain = f"{100 * (together / apart - 1):+.1f} %"
    if mode == "auto" and together >= apart * (1 - least_gain):
        _, height, width, _ = fused.results[0].type.shape
        text = f"{height}x{width} output, cost model predicts {gain}"
        return gain, Refusal("not-profitable", text)
    return gain, ACCEPTED


def cycles(context: PassContext, nodes: Iterable[Node]) -> float:
    """Return the predicted time of nodes that run one after the other."""
    return sum(context.backend.predict(node).cycles for node in nodes)
