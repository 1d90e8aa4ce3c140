"""Colocation: values that must be stored side by side in the pixels of one buffer, since a kernel
reads their concatenation there.

A concatenation [a, b] requires that b follow a. Requirements join to runs: [a, b] and [b, c] give
the run a b c. They conflict if a value would have two neighbours on one side, or in a ring.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import pairwise

from mbc.ir.graph import Node
from mbc.ir.views import ChannelView, Value
from mbc.targets.backend import Backend

Neighbours = tuple[Value, ...]


class Apart(Exception):
    """Requirements conflict: some values cannot be colocated."""


def colocated_views(node: Node, backend: Backend) -> Iterator[ChannelView]:
    """Yield the concatenations that a node must find in one buffer."""
    for role, operand in node.items():
        if not isinstance(operand, ChannelView) or len(operand.values) < 2:
            continue
        if operand.is_concatenation and backend.reads_one_buffer(node, role):
            yield operand


def runs(views: Iterable[ChannelView], elsewhere: Container[Value] = ()) -> list[Neighbours]:
    """Join the requirements of concatenations to runs. Raises Apart if they conflict, or if a value
    is in the caller's memory (`elsewhere`)."""
    follower: dict[Value, Value] = {}
    leader: dict[Value, Value] = {}
    for view in views:
        for value in view.values:
            if value in elsewhere:
                raise Apart(f"{value} is not in the arena, but the caller's")
        for left, right in pairwise(view.values):
            if follower.setdefault(left, right) is not right:
                raise Apart(_beside(left, "before", right, follower[left]))
            if leader.setdefault(right, left) is not left:
                raise Apart(_beside(right, "after", left, leader[right]))
    found = [_run(value, follower) for value in follower if value not in leader]
    if sum(map(len, found)) < len({*follower, *leader}):
        raise Apart("each of some values should lie before the next, in a ring")
    return found


def _beside(value: Value, where: str, wanted: Value, there: Value) -> str:
    return f"{value} cannot lie {where} {wanted}: it lies {where} {there}"


def _run(value: Value, follower: dict[Value, Value]) -> Neighbours:
    return tuple(_walk(value, follower))


def _walk(value: Value, follower: dict[Value, Value]) -> Iterator[Value]:
    yield value
    while value in follower:
        value = follower[value]
        yield value


def first_channels(run: Sequence[Value]) -> list[int]:
    """Return the channel of the run at which each value begins."""
    starts, channels = [], 0
    for value in run:
        starts.append(channels)
        channels += value.type.channels
    return starts
