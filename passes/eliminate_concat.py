"""Replace concatenations by views of their parts: users read the parts, and nothing is copied.

Per-channel ops move from behind a concat into its parts,

    relu(concat(a, b)) = concat(relu(a), relu(b))

and so before channel shuffles in between. Activations and batch norms always move, since they then
become epilogues and weights of the producers of the parts; pools and depthwise convolutions move
where the backend has no kernel that reads several values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import ClassVar

from mbc.ir.graph import Graph, Node, Operand
from mbc.ir.op import Op, OperandSpec
from mbc.ir.permute import Reindex
from mbc.ir.views import ChannelMap, ChannelView
from mbc.ops.linear import Conv2d
from mbc.ops.move import ChannelShuffle, Concat
from mbc.passes.fusion import is_depthwise_node
from mbc.passes.rewrite import (
    ConstantMaker,
    account,
    candidate,
    insert,
    name_of,
    results,
    why_shared,
)
from mbc.passes.views.eliminate_moves import remove_moves
from mbc.passmgr.passes import ACCEPTED, PassContext, PassResult, Refusal
from mbc.records import dataclass

New = tuple[Op, list[Operand | None]]


@dataclass(frozen=True)
class EliminateConcat:
    """Move activations and pools before concats, and let readers of a concat read its parts."""

    name: ClassVar[str] = "eliminate-concat"
    tolerance: ClassVar[float] = 1e-4  # absorbing an order of channels changes that of sums

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Remove every concat whose users can read its parts."""
        result = PassResult()
        constants = ConstantMaker(graph)
        refusals, stay = PassResult(), PassResult()
        moved = True
        while moved:  # a removed concat may have been the only user of another
            while _move_some(graph, context, constants, result, refusals):
                refusals = PassResult()  # a moved op may now be behind another concat
            stay = remove_moves(graph, context, Concat, result)
            moved = _move_some(graph, context, constants, result, PassResult())
        result.remarks += [*refusals.remarks, *stay.remarks]
        return result


def _move_some(
    graph: Graph,
    context: PassContext,
    constants: ConstantMaker,
    result: PassResult,
    refusals: PassResult,
) -> bool:
    """Move per-channel ops from behind concats before them; whether any moved."""
    moved = False
    for node in graph.topo():
        chain = _moves_before(graph, node)
        if not chain or not isinstance(chain[0].op, Concat):
            continue
        if _is_gathered(context, node, chain[0]):
            continue
        pair = f"{node.op.label} {name_of(node)} before {name_of(chain[0])}"
        new = list(_parts(node, chain, constants))
        if refusal := _refusal(graph, context, chain, new):
            refusals.note(refusal.reason, f"not moved: {pair}: {refusal}", node)
        else:
            _move(graph, node, chain, new)
            result.did("moved", f"moved: {pair}", node)
            moved = True
    return moved


def _move(graph: Graph, node: Node, chain: list[Node], new: list[New]) -> None:
    """Apply the op to each part, and insert the concat and the shuffles after it at its place."""
    name = node.result.name
    values = [insert(graph, op, o, f"{name}.part", node).result for op, o in new]
    *others, last = chain
    for move in others:
        moved = insert(graph, move.op, values, f"{name}.{move.op.label}", node, at=move)
        values = [moved.result]
    moved = graph.replace(node, last.op, values, locations=last.locations)
    account(moved.results, results(chain), earlier=True)
    for dead in reversed(chain):
        graph.erase(dead)


def _moves_before(graph: Graph, node: Node) -> list[Node]:
    """Return the concat whose result reaches the node through shuffles only, and the shuffles."""
    chain: list[Node] = []
    if not _treats_channels_alone(node):
        return chain
    (view,) = node.views
    while view.is_plain and (producer := graph.producer(view.value)) is not None:
        if not isinstance(producer.op, Concat | ChannelShuffle):
            break
        chain.insert(0, producer)
        if isinstance(producer.op, Concat):
            break
        view = producer.view("x")
    return chain


def _treats_channels_alone(node: Node) -> bool:
    alone = is_depthwise_node(node) or node.op.per_channel
    types = [view.type for view in node.views]
    return alone and [type.channels for type in types] == [node.results[0].type.channels]


def _is_gathered(context: PassContext, node: Node, concat: Node) -> bool:
    """Whether a pool or depthwise convolution may stay, since its kernel reads the parts."""
    if node.op.elementwise:
        return False
    whole = ChannelView.concat(concat.views)
    operands = [whole if isinstance(o, ChannelView) else o for o in node.operands]
    return bool(context.backend.supports(candidate(node.op, operands)))


def _parts(node: Node, chain: list[Node], constants: ConstantMaker) -> Iterator[New]:
    """Yield the op for each part of the concat, with that part's share of the constants."""
    order = ChannelMap.identity(node.result.type.channels)
    for shuffle in chain[1:]:
        assert isinstance(shuffle.op, ChannelShuffle)
        order = order.after(ChannelMap.shuffle(shuffle.op.groups, len(order)))
    back, start = order.inverse(), 0
    for part in chain[0].views:
        channels = back.restrict(start, len(part.order))
        start += len(channels)
        specs = node.op.specs(node.operand_types)
        share = partial(_share, part=part, channels=channels, constants=constants)
        yield _narrowed(node.op, len(channels)), [*map(share, specs, node.operands)]


def _narrowed(op: Op, channels: int) -> Op:
    return replace(op, groups=channels) if isinstance(op, Conv2d) else op


def _share(
    spec: OperandSpec,
    operand: Operand | None,
    part: ChannelView,
    channels: ChannelMap,
    constants: ConstantMaker,
) -> Operand | None:
    """Return the operand for one part of the concat."""
    if isinstance(operand, ChannelView):
        return part
    if operand is None or "out" not in spec.axes:
        return operand
    type = operand.type.with_channels(len(channels))
    return constants.derive(f"{operand.name}.part", type, [operand], Reindex(channels))


def _refusal(graph: Graph, context: PassContext, chain: list[Node], new: list[New]) -> Refusal:
    for move in chain:
        if shared := why_shared(graph, move.result):
            return Refusal("move-shared", f"{name_of(move)} {shared}")
    for op, operands in new:
        if not (support := context.backend.supports(candidate(op, operands))):
            return Refusal("move-no-kernel", f"the backend refuses: {support.reason}")
    return ACCEPTED
