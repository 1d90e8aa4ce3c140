"""The least memory that any plan needs: the most bytes that are alive at one node.

Buffers that are alive at one time lie apart, so their bytes add up. Where a node's result may lie
over operands that die there, result and operands count as the least that they can span together:
an operand that begins `distance` bytes after the result ends that and its own bytes after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

from mbc.memory.needs import Needs, Overlap


def live_bytes(needs: Needs) -> list[int]:
    """Return the bytes alive at each node."""
    live = [0] * needs.steps
    for buffer in needs.buffers:
        for time in range(buffer.first, min(buffer.last + 1, len(live))):
            live[time] += buffer.bytes
    for time in {overlap.time for overlap in needs.overlaps}:
        live[time] -= _saved([o for o in needs.overlaps if o.time == time])
    return live


def _saved(overlaps: Sequence[Overlap]) -> int:
    """Return the bytes that the overlaps of one node save."""
    result = overlaps[0].result.bytes
    spans = (_span(result, order) for order in permutations(overlaps))
    return result + sum(o.operand.bytes for o in overlaps) - min(spans)


def _span(result: int, order: Iterable[Overlap]) -> int:
    """Return the bytes that a result and the operands above it span, in this order."""
    end = 0
    for overlap in order:
        end = max(end, overlap.distance) + overlap.operand.bytes
    return max(result, end)


def lower_bound(needs: Needs) -> int:
    """Return the most bytes alive at one node."""
    return max(live_bytes(needs), default=0)
