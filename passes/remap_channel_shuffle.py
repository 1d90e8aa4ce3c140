"""Removes channel shuffles: instead of the data, the order in which their readers see it changes.

Let s = channel_shuffle(x), that is s(c) = x(f(c)). Each reader of s reads x instead, through f:
  - an op that treats each channel alone (depthwise, pool, relu, batch_norm) reads x plain with its
    constants w permuted, w'[f(c)] = w[c], and what it makes is in its turn read through f;
  - an ungrouped convolution or a dense layer sums over channels, in any order, so it reads x plain
    with its weight permuted along the input channels, w'[f(c), o] = w[c, o];
  - any other convolution or pool keeps a channel view, if the backend has a kernel that reads it.
Where a reader can do none of these, the ungrouped convolution or dense layer that makes x for the
shuffle alone stores its output channels in the shuffled order, w'[i, c] = w[i, f(c)].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np

from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops.elementwise import BatchNorm, Relu, Relu6
from mbc.ops.linear import Conv2d, Dense, is_depthwise
from mbc.ops.move import ChannelShuffle
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.passmgr.passes import PassContext, PassResult
from mbc.passmgr.rewrite import ConstantMaker, candidate, name_of, operand_at, why_shared

RESIDUAL = 3
OUTPUT_CHANNELS, INPUT_CHANNELS = -1, -2  # axes of a weight


class How(Enum):
    """What a reader does about the order of the channels that it reads."""

    PERMUTE = "permuted"
    ABSORB = "absorbs the order in its weight"
    VIEW = "reads a channel view"


@dataclass(frozen=True)
class Step:
    """`node` is to read `source`, whose channel order(c) is channel c of what it reads now."""

    node: Node
    source: Value
    order: ChannelMap
    how: How


class Refusal(Exception):
    """Why a shuffle cannot be removed."""


@dataclass(frozen=True)
class RemapChannelShuffle:
    """Fold channel shuffles into the weights and index maps of the ops around them."""

    name: ClassVar[str] = "remap-channel-shuffle"
    tolerance: ClassVar[float] = 1e-4  # the sum over channels runs in another order

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Remove every shuffle that its readers or its producer can take over."""
        result = PassResult()
        constants = ConstantMaker(graph)
        refusals: dict[Node, str] = {}
        progress = True
        while progress:  # for a shuffle that stays may yet lose the one beside it
            progress = False
            for shuffle in _shuffles(graph):
                refusals[shuffle] = _remove(graph, context, shuffle, constants, result)
                progress = progress or not refusals[shuffle]
        for shuffle in _shuffles(graph):
            copy = f"{name_of(shuffle)}, a copy of {shuffle.result.type.bytes} bytes"
            result.note(f"not removed: {copy}: {refusals[shuffle]}", shuffle)
        return result


def _shuffles(graph: Graph) -> list[Node]:
    """Readers before producers, so that what a shuffle's readers read is settled before it."""
    return [node for node in reversed(graph.topo()) if isinstance(node.op, ChannelShuffle)]


def _remove(
    graph: Graph,
    context: PassContext,
    shuffle: Node,
    constants: ConstantMaker,
    result: PassResult,
) -> str:
    """Remove a shuffle, or say why not."""
    try:
        source, order = _source(shuffle)
        steps = _Planner(graph, context).readers(shuffle.result, source, order)
    except Refusal as refusal:
        producer = _storing_producer(graph, shuffle)
        if producer is None:
            return str(refusal)
        _store_shuffled(graph, producer, shuffle, constants)
        how = f"{name_of(producer)} stores shuffled channels, since {refusal}"
    else:
        for step in steps:
            _apply(graph, step, constants)
        graph.erase(shuffle)
        how = ", ".join(f"{name_of(step.node)} {step.how.value}" for step in steps) or "never read"
    result.did(f"removed: {name_of(shuffle)}: {how}", shuffle)
    return ""


def _source(shuffle: Node) -> tuple[Value, ChannelMap]:
    """The value that a shuffle reads, and the order in which its result has the channels."""
    assert isinstance(shuffle.op, ChannelShuffle)
    view = shuffle.view(0)
    if not view.is_single:
        raise Refusal("it reads a view of several values or of a part")
    order = ChannelMap.shuffle(shuffle.op.groups, view.type.channels)
    return view.value, view.order.after(order)


@dataclass(frozen=True)
class _Planner:
    """Plans how readers cope; changes nothing, so that a shuffle is removed as a whole or not."""

    graph: Graph
    context: PassContext

    def readers(self, value: Value, source: Value, order: ChannelMap) -> list[Step]:
        """Steps after which nobody reads `value`, of which channel c is order(c) of `source`."""
        if self.graph.is_output(value):
            raise Refusal(f"{name_of(value)} is an output")
        steps = []
        for node in self.graph.users(value):
            steps += self._reader(node, value, source, order)
        return steps

    def _reader(self, node: Node, value: Value, source: Value, order: ChannelMap) -> list[Step]:
        slots = [slot for slot, o in enumerate(node.operands) if _reads(o, value)]
        view = node.view(slots[0])
        if slots != [0] or not view.is_single:
            raise Refusal(f"{name_of(node)} ({node.op.mnemonic}) reads it")
        read = order.after(view.order)
        if _sums_over_channels(node):
            return [Step(node, source, read, How.ABSORB)]
        if not _is_per_channel(node):
            return [self._viewing(node, source, read)]
        try:
            further = self.readers(node.result, node.result, read)
        except Refusal as refusal:
            return [self._viewing(node, source, read, str(refusal))]
        return [Step(node, source, read, How.PERMUTE), *further]

    def _viewing(self, node: Node, source: Value, order: ChannelMap, why: str = "") -> Step:
        """Let the node read through a view, if there is a kernel for it."""
        if not isinstance(node.op, Conv2d | MaxPool | AvgPool | GlobalAvgPool):
            raise Refusal(why or f"{name_of(node)} ({node.op.mnemonic}) reads it")
        view = ChannelView.of(source).through(order)
        support = self.context.backend.supports(candidate(node.op, [view, *node.operands[1:]]))
        if not support:
            raise Refusal(why or f"{name_of(node)}: the backend refuses: {support.reason}")
        return Step(node, source, order, How.VIEW)


def _reads(operand: Operand | None, value: Value) -> bool:
    return isinstance(operand, ChannelView) and value in operand.values


def _sums_over_channels(node: Node) -> bool:
    match node.op:
        case Conv2d(groups=groups):
            return groups == 1
        case _:
            return isinstance(node.op, Dense)


def _is_per_channel(node: Node) -> bool:
    """Whether channel c of the result depends on channel c of the operand alone."""
    match node.op:
        case Conv2d() as op:
            weight = node.constant(1)
            alone = weight is not None and is_depthwise(op, weight.type)
            return alone and operand_at(node, RESIDUAL) is None
        case _:
            per_channel = BatchNorm | Relu | Relu6 | MaxPool | AvgPool | GlobalAvgPool
            return isinstance(node.op, per_channel)


def _apply(graph: Graph, step: Step, constants: ConstantMaker) -> None:
    plain, rest = ChannelView.of(step.source), step.node.operands[1:]
    if step.how is How.VIEW:
        graph.set_operands(step.node, [plain.through(step.order), *rest])
        return
    back = step.order.inverse()  # w'[f(c)] = w[c], so w' is w taken at f^-1
    moved: list[Operand | None] = [plain]
    for operand in rest:
        match step.how, operand:
            case How.PERMUTE, Constant():
                moved.append(_permuted(operand, back, OUTPUT_CHANNELS, constants))
            case How.ABSORB, Constant() if operand is rest[0]:
                moved.append(_permuted(operand, back, INPUT_CHANNELS, constants))
            case _:
                moved.append(operand)
    graph.set_operands(step.node, moved)


def _permuted(
    constant: Constant, indices: ChannelMap, axis: int, constants: ConstantMaker
) -> Constant:
    """The constant with element indices(c) at place c of an axis."""
    if indices.is_identity:
        return constant
    return constants.derive(
        f"{constant.name}.permuted",
        constant.type,
        [constant],
        lambda array: np.take(array, indices.indices, axis=axis),
    )


def _storing_producer(graph: Graph, shuffle: Node) -> Node | None:
    """The layer that could store shuffled channels: its result is free to change its order."""
    view = shuffle.view(0)
    producer = graph.producer(view.value) if view.is_single else None
    if producer is None or not _sums_over_channels(producer):
        return None
    free = operand_at(producer, RESIDUAL) is None and not why_shared(graph, producer.result)
    return producer if free else None


def _store_shuffled(graph: Graph, producer: Node, shuffle: Node, constants: ConstantMaker) -> None:
    value, order = _source(shuffle)
    operands = [
        _permuted(o, order, OUTPUT_CHANNELS, constants) if isinstance(o, Constant) else o
        for o in producer.operands
    ]
    graph.set_operands(producer, operands)
    graph.replace_uses(shuffle.result, value)
    graph.erase(shuffle)
