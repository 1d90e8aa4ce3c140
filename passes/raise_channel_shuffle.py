"""A channel shuffle written by hand becomes one op: reshape [n,h,w,c] to [n,h,w,g,c/g], transpose
the last two axes, reshape back = channel_shuffle(groups=g) (arXiv 1707.01083 §3.1)."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.ops.move import ChannelShuffle, Reshape, Transpose
from mbc.passes.rewrite import merge, name_of, why_shared
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass


@dataclass(frozen=True)
class RaiseChannelShuffle:
    """Recognise reshape, transpose, reshape as a channel shuffle."""

    name: ClassVar[str] = "raise-channel-shuffle"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Raise every reshape, transpose, reshape that shuffles channels."""
        result = PassResult()
        for node in graph.topo():
            chain = _chain(graph, node)
            if chain is None:
                continue
            if refusal := _refusal(graph, chain):
                result.note(refusal.reason, f"not raised: {name_of(node)}: {refusal}", node)
                continue
            first = chain[0]
            groups = _new_shape(first)[-2]
            merge(graph, chain, ChannelShuffle(groups), [first.view("x")])
            to = f"channel_shuffle {{groups={groups}}}"
            result.did("raised", f"raised: {name_of(node)} to {to}", node)
        return result


def _chain(graph: Graph, last: Node) -> list[Node] | None:
    """Return the nodes reshape, transpose, reshape that end in `last`."""
    nodes = [last]
    for wanted in (Reshape, Transpose, Reshape):
        node = nodes[0]
        if not isinstance(node.op, wanted):
            return None
        if len(nodes) == 3:
            return nodes
        view = node.view("x")
        producer = graph.producer(view.value) if view.is_plain else None
        if producer is None:
            return None
        nodes.insert(0, producer)
    return None


def _new_shape(reshape: Node) -> tuple[int, ...]:
    assert isinstance(reshape.op, Reshape)
    return reshape.op.shape


def _refusal(graph: Graph, chain: list[Node]) -> Refusal:
    first, transpose, last = chain
    assert isinstance(transpose.op, Transpose)
    before, between, perm = first.view("x").type, _new_shape(first), transpose.op.perm
    for node in (first, transpose):
        if shared := why_shared(graph, node.result):
            return Refusal("shared", f"{name_of(node)} {shared}")
    if last.result.type != before:
        return Refusal("other-shape", f"{before} comes back as {last.result.type}")
    if len(between) < 3 or prod(between[-2:]) != before.channels:
        text = f"{name_of(first)} does not split the {before.channels} channels into two axes"
        return Refusal("other-split", text)
    rank = len(between)
    if perm != (*range(rank - 2), rank - 1, rank - 2):
        return Refusal("other-order", f"perm={perm} does not swap the last two axes")
    return ACCEPTED
