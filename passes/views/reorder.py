"""The ways in which a node can read other views: which order its result takes, and what becomes of
its constants (the laws: mbc/ir/permute.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mbc.ir.graph import Constant, Node, Operands
from mbc.ir.permute import Reindex, absorbed, into_order, on_blocks, on_groups
from mbc.ir.views import ChannelMap, ChannelView
from mbc.ops.elementwise import Add, BatchNorm, Relu, Relu6, Softmax
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import Reshape, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool

WEIGHT, BIAS, RESIDUAL = 1, 2, 3
PER_CHANNEL = BatchNorm | Relu | Relu6 | MaxPool | AvgPool | GlobalAvgPool
"""Ops of which channel c of the result depends on channel c of the operand alone."""


@dataclass(frozen=True, eq=False)
class Way:
    """Operands for a node whose result is then kept in `order`; the constants among them are still
    the old ones, to be replaced by what `constants` makes of them, by slot."""

    operands: Operands
    order: ChannelMap
    constants: dict[int, Reindex] = field(default_factory=dict)

    @property
    def absorbs(self) -> bool:
        """Whether a weight takes in the order of the channels that are read."""
        return any(not rows.is_identity for new in self.constants.values() for rows in new.rows)

    @property
    def views(self) -> tuple[ChannelView, ...]:
        """The operands that read values."""
        return tuple(o for o in self.operands if isinstance(o, ChannelView))


def ways(node: Node, operands: Operands, order: ChannelMap | None = None) -> Iterator[Way]:
    """How the node, with views that say anew what it reads, can do what it does now: best first,
    whether or not a backend can read the views that it ends with. `order` is that of the result,
    if it is prescribed."""
    match node.op:
        case Conv2d() | Dense():
            yield from _of_layer(node, operands, order)
        case _ if isinstance(node.op, PER_CHANNEL | Add | Softmax) or _keeps_channels(node):
            for each in _orders(order, operands):
                yield _aligned(operands, each)
        case _ if order is None or order.is_identity:
            yield Way(operands, ChannelMap.identity(node.results[0].type.channels))


def _keeps_channels(node: Node) -> bool:
    """Whether a reshape or transpose leaves the last axis alone."""
    match node.op:
        case Reshape(shape=shape):
            return shape[-1] == node.view(0).type.channels
        case Transpose(perm=perm):
            return perm[-1] == len(perm) - 1
    return False


def _orders(prescribed: ChannelMap | None, operands: Operands) -> Iterable[ChannelMap]:
    """The orders that a result may well take: those in which its operands are stored."""
    if prescribed is not None:
        return [prescribed]
    views = [o for o in operands if isinstance(o, ChannelView)]
    identity = ChannelMap.identity(len(views[0].order))
    orders = [view.order for view in views if view.order.is_permutation]
    return dict.fromkeys([*orders, identity])


def _aligned(operands: Operands, order: ChannelMap) -> Way:
    """Every operand has the channels of the result, and changes its order with it."""
    back, move = order.inverse(), into_order(order)
    views = tuple(o.through(back) if isinstance(o, ChannelView) else o for o in operands)
    constants = {slot: move for slot, o in enumerate(operands) if isinstance(o, Constant)}
    return Way(views, order, constants)


def _of_layer(node: Node, operands: Operands, prescribed: ChannelMap | None) -> Iterator[Way]:
    x, weight, *_ = operands
    if not isinstance(x, ChannelView) or not isinstance(weight, Constant):
        return
    groups = node.op.groups if isinstance(node.op, Conv2d) else 1
    for order in _layer_orders(operands, weight.type.channels, groups, prescribed):
        moved = on_groups(order, groups)
        if moved is None:
            continue
        shifted = x.through(on_blocks(moved.inverse(), len(x.order) // groups))
        as_it_is = _layer_way(operands, shifted, (), order)
        if not shifted.order.is_permutation:  # it reads a channel twice, so no order is better
            yield as_it_is
            continue
        sorted_way = _layer_way(operands, *absorbed(shifted, groups), order)
        yield from (sorted_way,) if groups == 1 else (as_it_is, sorted_way)


def _layer_orders(
    operands: Operands, channels: int, groups: int, prescribed: ChannelMap | None
) -> Iterable[ChannelMap]:
    """The order of the residual, so that it is read as it is stored; for groups that are moved as a
    whole, as all of a depthwise convolution are, the order of the input; and the old one."""
    if prescribed is not None:
        return [prescribed]
    x, weight = operands[0], operands[WEIGHT]
    assert isinstance(x, ChannelView)
    assert weight is not None
    orders = [ChannelMap.identity(channels)]
    if x.order.is_permutation and (moved := on_groups(x.order, groups)) is not None:
        depthwise = len(x.order) == groups
        orders.insert(0 if depthwise else 1, on_blocks(moved, channels // groups))
    residual = operands[RESIDUAL] if len(operands) > RESIDUAL else None
    if isinstance(residual, ChannelView) and residual.order.is_permutation:
        orders.insert(0, residual.order)
    return dict.fromkeys(orders)


def _layer_way(
    operands: Operands, x: ChannelView, rows: tuple[ChannelMap, ...], order: ChannelMap
) -> Way:
    """The layer that reads x, with the rows of its weight and the order of its result."""
    back = order.inverse()
    new = tuple(
        o.through(back) if slot == RESIDUAL and isinstance(o, ChannelView) else o
        for slot, o in enumerate(operands)
    )
    constants = {WEIGHT: Reindex(back, rows)}
    if len(operands) > BIAS and operands[BIAS] is not None:
        constants[BIAS] = Reindex(back)
    return Way((x, *new[1:]), order, constants)
