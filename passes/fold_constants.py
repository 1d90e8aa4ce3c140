"""Fold ops that are identities, or that combine with the op before.

Weights are the only constants of this IR, and direct operands of their ops, so no computation on
constants has to be folded. The rewrites are:

    relu(relu(x)) = relu(x)         relu6(relu(x)) = relu6(x)      relu(relu6(x)) = relu6(x)
    reshape(reshape(x)) = reshape(x)                               reshape to the same shape = x
    transpose(transpose(x), p) = transpose(x, q∘p)                 transpose in order = x
    a transpose that moves only axes of extent 1 = reshape
    reduce_mean over height and width of an image = global_avg_pool
    channel_shuffle(channel_shuffle(x, g), C/g) = x                1 or C groups = x
    split into one part = x         concat of one = x              pool of 1x1, stride 1 = x
    slice of all = x                pad by nothing = x             blocks of one pixel = x
    batch_norm = x where its weights are bound, every scale is 1 and every shift 0 in f32
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mbc.ir.activations import Activation, changes_nothing, replaces
from mbc.ir.elements import Q8
from mbc.ir.graph import Graph, Node
from mbc.ir.op import Activated, Op
from mbc.ir.views import ChannelMap, ChannelView
from mbc.ops.elementwise import NORM, Activate, BatchNorm
from mbc.ops.grid import ConcatAlong, DepthToSpace, Pad, Slice, SpaceToDepth
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.normalisation import scale_of
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.reduce import Reduce, ReduceMean
from mbc.passes.rewrite import merge, name_of
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass


@dataclass(frozen=True)
class FoldConstants:
    """Remove ops that change nothing, and combine chains of ops that move data."""

    name: ClassVar[str] = "fold-constants"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fold in topological order, so that one sweep reaches the end of a chain."""
        result, known = PassResult(), context.quantisation
        stated = known.elements if known is not None else {}
        for node in graph.topo():
            if not _rounds(node, stated):
                _visit(graph, node, result)
        return result


def _rounds(node: Node, stated: Mapping[str, Q8]) -> bool:
    """Whether a node of a quantised model brings other codes about than it reads."""
    read = {stated.get(value.name) for view in node.views for value in view.values}
    return len(read | {stated.get(value.name) for value in node.results}) > 1


def _visit(graph: Graph, node: Node, result: PassResult) -> None:
    while simpler := _combined(graph, node):
        op, view = simpler
        does = f"is {op.label} of {_text(view)}"
        result.did("folded", f"folded: {name_of(node)} = {node.op.label} {does}", node)
        node = merge(graph, [node], op, [view])
    if (same := _unchanged(graph, node)) is None:
        return
    if refusal := _refusal(graph, node, same):
        message = f"not folded: {name_of(node)} = {node.op.label}: {refusal}"
        result.note(refusal.reason, message, node)
        return
    result.did("folded", f"folded: {name_of(node)} = {node.op.label} is {_text(same)}", node)
    graph.replace_uses(node.result, same)
    graph.erase(node)


def _refusal(graph: Graph, node: Node, same: ChannelView) -> Refusal:
    """Return why the users of an identity cannot read its operand."""
    if not same.is_plain:
        return Refusal("view", "it reads through a channel view, which its readers may not")
    if not graph.is_output(node.result):
        return ACCEPTED
    if same.value in graph.inputs:
        return Refusal("copies-input", f"it copies the input {_text(same)} to an output")
    if graph.is_output(same.value):
        return Refusal("copies-output", f"it copies the output {_text(same)} to another")
    return ACCEPTED


def _text(view: ChannelView) -> str:
    return ", ".join(map(name_of, view.values))


def _combined(graph: Graph, node: Node) -> tuple[Op, ChannelView] | None:
    """Return an equivalent op on an earlier value, if there is one."""
    if isinstance(node.op, Transpose) and _keeps_order(node):
        return Reshape(node.result.type.shape), node.view("x")
    if isinstance(node.op, ReduceMean) and _is_global_pool(node):
        assert isinstance(node.op, ReduceMean)
        return GlobalAvgPool(to=node.op.to), node.view("x")
    first = _producer(graph, node)
    if first is None:
        return None
    match first.op, node.op:
        case Reshape(), Reshape():
            return node.op, first.view("x")
        case Activate(act=before), Activate(act=act) if before != act and replaces(act, before):
            return node.op, first.view("x")
        case Transpose(perm=inner), Transpose(perm=outer):
            return Transpose(tuple(inner[axis] for axis in outer)), first.view("x")
    return None


def _keeps_order(node: Node) -> bool:
    """Whether a transpose changes the shape, but not the order of the elements."""
    assert isinstance(node.op, Transpose)
    shape, perm = node.view("x").type.shape, node.op.perm
    moved = [axis for axis in perm if shape[axis] > 1]
    return moved == sorted(moved) and perm != tuple(range(len(perm)))


def _is_global_pool(node: Node) -> bool:
    """Whether a mean is of all pixels of each image, as [n,c]."""
    assert isinstance(node.op, ReduceMean)
    return node.op.is_over_images(node.view("x").type) and not node.op.keep


def _unchanged(graph: Graph, node: Node) -> ChannelView | None:
    """Return the existing view that equals the node's only result, if there is one."""
    match node.op:
        case Activate(act=act):
            return node.view("x") if _is_in_range(graph, node, act) else None
        case Concat() | ConcatAlong() if len(node.views) == 1:
            return node.view("x")
        case ChannelShuffle():
            return _unshuffled(graph, node)
    return node.view("x") if _is_identity(node) else None


def _is_identity(node: Node) -> bool:
    """Whether a node's result always equals its operand."""
    match node.op:
        case Reshape(shape=shape):
            return shape == node.view("x").type.shape
        case Transpose(perm=perm):
            return perm == tuple(range(len(perm)))
        case Split(sizes=sizes):
            return len(sizes) == 1
        case Slice() | Pad():  # which change the shape wherever they do anything
            return node.result.type.shape == node.view("x").type.shape
        case DepthToSpace(block=block) | SpaceToDepth(block=block):
            return block == 1
        case AvgPool(act=act) if act is not None:
            return False
        case MaxPool(kernel=(1, 1), stride=(1, 1)) | AvgPool(kernel=(1, 1), stride=(1, 1)):
            # a pad must be smaller than the kernel, so there is none; codes may get another scale
            return node.result.type == node.view("x").type
        case Reduce() as op:
            x = node.view("x").type
            return op.keep and op.terms(x) == 1 and node.result.type == x
        case BatchNorm():
            return _scales_nothing(node)
    return False


def _is_in_range(graph: Graph, node: Node, act: Activation) -> bool:
    """Whether the operand's own activation makes the node's an identity."""
    producer = _producer(graph, node)
    if producer is None or not isinstance(producer.op, Activate | Activated):
        return False
    return producer.op.act is not None and changes_nothing(act, producer.op.act)


def _unshuffled(graph: Graph, node: Node) -> ChannelView | None:
    """Return the operand of a shuffle, or of the one before it, if it has the result's order."""
    order = _order(node)
    if order.is_identity:
        return node.view("x")
    first = _producer(graph, node)
    if first is None or not isinstance(first.op, ChannelShuffle):
        return None
    return first.view("x") if _order(first).after(order).is_identity else None


def _order(shuffle: Node) -> ChannelMap:
    assert isinstance(shuffle.op, ChannelShuffle)
    return ChannelMap.shuffle(shuffle.op.groups, shuffle.result.type.channels)


def _scales_nothing(node: Node) -> bool:
    assert isinstance(node.op, BatchNorm)
    constants = [node.constant(role) for role in NORM]
    arrays = [c.data.astype(np.float64) for c in constants if c is not None and c.data is not None]
    if len(arrays) < len(NORM):
        return False
    gamma, beta, mean, variance = arrays
    scale = scale_of(node.op, gamma, variance).astype(np.float32)
    return bool(np.all(scale == 1) and np.all((beta - mean).astype(np.float32) == 0))


def _producer(graph: Graph, node: Node) -> Node | None:
    """Return the producer of a node's operand x, if the node reads it without a view."""
    view = node["x"]
    return graph.producer(view.value) if isinstance(view, ChannelView) and view.is_plain else None
