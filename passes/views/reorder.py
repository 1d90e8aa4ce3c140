"""Candidate rewrites of a node for new operand views: the channel order of its result, and how its
constants are permuted (the laws: mbc/ir/permute.py). Operand specs say which axes are channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace

from mbc.ir.graph import Constant, Node, Operands
from mbc.ir.op import OperandSpec
from mbc.ir.permute import Reindex, absorbed, into_order, on_blocks, on_groups
from mbc.ir.views import ChannelMap, ChannelView
from mbc.ops.grid import ConcatAlong, Gather, Pad, Slice
from mbc.ops.move import Reshape, Transpose
from mbc.records import dataclass


@dataclass(frozen=True, eq=False)
class Rewrite:
    """New operands of a node."""

    operands: Operands
    """The operands; constants among them are not permuted yet."""
    order: ChannelMap
    """The order in which the result is stored."""
    constants: dict[str, Reindex] = field(default_factory=dict)
    """The permutation of each constant, by role."""

    @property
    def absorbs(self) -> bool:
        """Whether a weight absorbs the order of the input channels."""
        return any(not rows.is_identity for new in self.constants.values() for rows in new.rows)

    @property
    def views(self) -> tuple[ChannelView, ...]:
        """The operands that read values."""
        return tuple(o for o in self.operands if isinstance(o, ChannelView))


def rewrites(node: Node, operands: Operands, order: ChannelMap | None = None) -> Iterator[Rewrite]:
    """Yield candidate rewrites of a node for new operand views, best first.

    A backend need not have a kernel for them. `order` prescribes the order of the result."""
    specs = _specs(node)
    axes = {spec.axes for spec in specs if not spec.constant}
    if ("in",) in axes:
        yield from _of_layer(node, specs, operands, order)
    elif axes - {()} == {("out",)}:
        for each in _orders(order, specs, operands):
            yield _rewrite(specs, operands, each)
    elif order is None or order.is_identity:
        yield Rewrite(operands, ChannelMap.identity(node.results[0].type.channels))


Specs = Sequence[OperandSpec]


def _specs(node: Node) -> Specs:
    """Return the specs of the operands; those of a move depend on its attributes."""
    specs = node.op.specs(node.operand_types)
    return [replace(spec, along="out") for spec in specs] if _keeps_channels(node) else specs


def _keeps_channels(node: Node) -> bool:
    """Whether a move leaves the last axis alone."""
    last = node.results[0].type.rank - 1
    match node.op:
        case Slice(axis=axis) | ConcatAlong(axis=axis) | Gather(axis=axis):
            return axis != last
        case Pad(before=before, after=after):
            return before[-1] == after[-1] == 0
        case Reshape(shape=shape):
            return shape[-1] == node.view("x").type.channels
        case Transpose(perm=perm):
            return perm[-1] == len(perm) - 1
    return False


def _views_along(axis: str, specs: Specs, operands: Operands) -> list[ChannelView]:
    pairs = zip(specs, operands, strict=True)
    return [o for spec, o in pairs if isinstance(o, ChannelView) and spec.axes == (axis,)]


def _orders(
    prescribed: ChannelMap | None, specs: Specs, operands: Operands
) -> Iterable[ChannelMap]:
    """Return useful orders of the result: those in which operands are stored."""
    if prescribed is not None:
        return [prescribed]
    views = _views_along("out", specs, operands)
    identity = ChannelMap.identity(len(views[0].order))
    orders = [view.order for view in views if view.order.is_permutation]
    return dict.fromkeys([*orders, identity])


def _rewrite(
    specs: Specs,
    operands: Operands,
    order: ChannelMap,
    x: ChannelView | None = None,
    rows: tuple[ChannelMap, ...] = (),
) -> Rewrite:
    """Return the rewrite that stores the result in an order.

    Operands along output channels follow that order. The operand along input channels is replaced
    by `x`; `rows` reorder the weight rows of each group."""
    back, new = order.inverse(), list(operands)
    constants: dict[str, Reindex] = {}
    for i, (spec, operand) in enumerate(zip(specs, operands, strict=True)):
        if isinstance(operand, Constant) and "out" in spec.axes:
            constants[spec.name] = into_order(order, rows if "in" in spec.axes else ())
        elif isinstance(operand, ChannelView) and "out" in spec.axes:
            new[i] = operand.through(back)
        elif isinstance(operand, ChannelView) and "in" in spec.axes:
            new[i] = x
    return Rewrite(tuple(new), order, constants)


def _of_layer(
    node: Node, specs: Specs, operands: Operands, prescribed: ChannelMap | None
) -> Iterator[Rewrite]:
    """Yield the rewrites of an op that sums over the channels of one operand, in groups."""
    groups = node.op.channel_groups
    (x,) = _views_along("in", specs, operands)
    if prescribed is None:
        orders = _layer_orders(node, x, _views_along("out", specs, operands))
    else:
        orders = [prescribed]
    for order in orders:
        moved = on_groups(order, groups)
        if moved is None:
            continue
        shifted = x.through(on_blocks(moved.inverse(), len(x.order) // groups))
        as_it_is = _rewrite(specs, operands, order, shifted)
        if not shifted.order.is_permutation:  # a channel is read twice, so no order is better
            yield as_it_is
            continue
        sorted_rewrite = _rewrite(specs, operands, order, *absorbed(shifted, groups))
        yield from (sorted_rewrite,) if groups == 1 else (as_it_is, sorted_rewrite)


def _layer_orders(node: Node, x: ChannelView, added: Sequence[ChannelView]) -> Iterable[ChannelMap]:
    """Return useful orders of the result: those in which addends are stored; the order of the input
    if it moves whole groups, as any order does in a depthwise convolution; and the old order."""
    groups, channels = node.op.channel_groups, node.results[0].type.channels
    orders = [ChannelMap.identity(channels)]
    if x.order.is_permutation and (moved := on_groups(x.order, groups)) is not None:
        depthwise = len(x.order) == groups
        orders.insert(0 if depthwise else 1, on_blocks(moved, channels // groups))
    orders[:0] = [view.order for view in added if view.order.is_permutation]
    return dict.fromkeys(orders)
