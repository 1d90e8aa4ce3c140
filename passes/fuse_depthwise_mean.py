"""A depthwise convolution also takes the mean of each of its rows, for a global pool.

    global_avg_pool(dwconv(x)) = global_avg_pool(r), where y, r =
    fused dw_means(x) { y = dwconv(x); r = avg_pool(y) {kernel=(1,w), stride=(1,w)} }

The kernel takes the mean of a row where it has just stored it. y may have other users: what is made
from the mean multiplies it in squeeze-and-excitation (arXiv 1709.01507 §3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from mbc.ir.elements import F32
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.ops.pool import AvgPool, GlobalAvgPool
from mbc.passes.fusion import Mode, cycles, fused_chain, is_depthwise_node, judge
from mbc.passes.rewrite import candidate, locations, name_of
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass


@dataclass(frozen=True)
class FuseDepthwiseMean:
    """Let depthwise convolutions take the means of their rows for a global pool, where the backend
    can and (with mode=auto) its cost model says that it pays."""

    name: ClassVar[str] = "fuse-depthwise-mean"
    tolerance: ClassVar[float] = 1e-4  # the mean of means rounds otherwise

    mode: Mode = "auto"

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fuse every global pool that qualifies."""
        result = PassResult()
        for node in graph.topo():
            if not isinstance(node.op, GlobalAvgPool):
                continue
            if refusal := self._visit(graph, context, node, result):
                result.note(refusal.reason, f"not fused: {refusal}", node)
        return result

    def _visit(self, graph: Graph, context: PassContext, pool: Node, result: PassResult) -> Refusal:
        """Fuse a global pool into the convolution before it, or return why not."""
        window, refusal = _window(graph, pool)
        if window is None:
            return refusal
        rows = _row_means(window)
        rest = candidate(GlobalAvgPool(), [ChannelView.of(rows.result)])
        fused = fused_chain("dw_means", [window, rows], returned=[window, rows])
        apart = cycles(context, [window, pool]) - cycles(context, [rest])
        gain, refusal = judge(graph, context, self.mode, apart, [window], fused)
        if refusal:
            return refusal.of(name_of(pool))
        names = name_of(window), name_of(pool)
        _replace(graph, window, pool, fused)
        message = f"fused: rows of {names[0]} are averaged for {names[1]}, predicted {gain}"
        result.did("fused", message, pool)
        return ACCEPTED


def _window(graph: Graph, pool: Node) -> tuple[Node | None, Refusal]:
    """Return the depthwise convolution whose whole result a global pool averages, or why there is
    none."""
    view, name = pool.view("x"), name_of(pool)
    if not view.is_plain:
        return None, Refusal("view", f"{name} reads through a channel view")
    node = graph.producer(view.value)
    if node is None or not is_depthwise_node(node):
        source = "a graph input" if node is None else f"the result of {node.op.label}"
        text = f"{name} reads {name_of(view.value)}, {source}, not of a depthwise conv2d"
        return None, Refusal("other-producer", text)
    if view.type.element is not F32:
        return None, Refusal("element", f"{name_of(node)} gives {view.type.element}")
    if node["residual"] is not None:
        return None, Refusal("residual", f"{name_of(node)} adds a residual")
    if view.type.shape[2] == 1:
        return None, Refusal("one-pixel", f"the rows of {name_of(node)} have one pixel each")
    return node, ACCEPTED


def _row_means(window: Node) -> Node:
    """Return a node, in no graph yet, that averages each row of a node's result."""
    row = (1, window.result.type.shape[2])
    node = candidate(AvgPool(kernel=row, stride=row), [ChannelView.of(window.result)])
    rows = Value(f"{window.result.name}.rows", node.result.type)
    rows.is_added = True
    return replace(node, results=(rows,))


def _replace(graph: Graph, window: Node, pool: Node, fused: Node) -> None:
    rows = graph.fresh_name(f"{window.result.name}.rows")
    new = graph.add(
        fused.op,
        fused.operands,
        names=[graph.fresh_name(), rows],
        locations=locations([window]),
        before=window,
    )
    result, means = new.results
    graph.supersede(window.result, result)
    graph.erase(window)
    means.is_added = True
    graph.replace(pool, pool.op, [means])
