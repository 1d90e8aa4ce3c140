"""Values that share their pixels: what a kernel may read as one buffer.

The memory planner can place the parts of a concatenation side by side in the pixels of one buffer
(`Place.pitch`). A view that reads such parts is then the view of a single stored tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mbc.ir.graph import Node, Operand
from mbc.ir.views import ChannelView, Value


def as_one_buffer(node: Node, reads_one_buffer: Callable[[Node, str], bool]) -> Node:
    """Return the node as it will be when concatenations that it reads from one buffer share one."""

    def merged(role: str, operand: Operand | None) -> Operand | None:
        if not isinstance(operand, ChannelView) or operand.is_plain:
            return operand
        one = reads_one_buffer(node, role)
        return ChannelView.of(Value("storage", operand.type)) if one else operand

    operands = tuple(merged(role, operand) for role, operand in node.items())
    return replace(node, operands=operands)


def stored(node: Node) -> Node:
    """Read values that the plan has placed side by side as one value each."""
    operands = tuple(_stored(o) if isinstance(o, ChannelView) else o for o in node.operands)
    return node if operands == node.operands else replace(node, operands=operands)


def _stored(view: ChannelView) -> ChannelView:
    homes = {}
    for chain in _neighbours(view.values):
        if len(chain) == 1:
            continue
        channels = sum(value.type.channels for value in chain)
        home = Value("storage", chain[0].type.with_channels(channels), chain[0].place)
        start = 0
        for value in chain:
            homes[value] = (home, start)
            start += value.type.channels
    if not homes:
        return view
    moved = [
        (homes[value][0], homes[value][1] + channel) if value in homes else (value, channel)
        for value, channel in view.channels
    ]
    return ChannelView.from_channels(moved)


def _neighbours(values: Sequence[Value]) -> Iterator[list[Value]]:
    """Split values into chains of neighbours: each begins where the one before it ends."""
    chain: list[Value] = []
    for value in values:
        if chain and not _follows(chain[-1], value):
            yield chain
            chain = []
        chain.append(value)
    if chain:
        yield chain


def _follows(before: Value, after: Value) -> bool:
    if before.place is None or after.place is None or before.place.pitch is None:
        return False
    end = before.place.offset + before.type.element.bytes * before.type.channels
    same = before.type.shape[:-1] == after.type.shape[:-1]
    return same and before.place.pitch == after.place.pitch and end == after.place.offset
