"""Values that must lie side by side in the pixels of one buffer, since a kernel reads their
concatenation there.

[a, b] asks that b follow a. Runs join: [a, b] and [b, c] make the run a b c, in which both are
found. What cannot be is a value with two neighbours on one side, or a ring.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import pairwise

from mbc.ir.views import ChannelView, Value

Run = tuple[Value, ...]


class Apart(Exception):
    """Why values cannot all lie beside those that they should."""


def runs(views: Iterable[ChannelView], elsewhere: Container[Value] = ()) -> list[Run]:
    """The longest runs that concatenations of whole values add up to, none of which may lie
    `elsewhere`; raises `Apart`."""
    follower: dict[Value, Value] = {}
    leader: dict[Value, Value] = {}
    for view in views:
        for value in view.values:
            if value in elsewhere:
                raise Apart(f"%{value.name} is not in the arena, but the caller's")
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
    return f"%{value.name} cannot lie {where} %{wanted.name}: it lies {where} %{there.name}"


def _run(value: Value, follower: dict[Value, Value]) -> Run:
    return tuple(_walk(value, follower))


def _walk(value: Value, follower: dict[Value, Value]) -> Iterator[Value]:
    yield value
    while value in follower:
        value = follower[value]
        yield value


def first_channels(run: Sequence[Value]) -> list[int]:
    """The channel of the run at which each value begins."""
    starts, channels = [], 0
    for value in run:
        starts.append(channels)
        channels += value.type.channels
    return starts
