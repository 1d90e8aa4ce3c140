"""Places buffers in one arena.

Placing lifetimes in the least memory is NP-hard (dynamic storage allocation). We place greedily in
several orders, each buffer in the tightest or the lowest gap that is free all its life, and keep
the best; we stop where that equals the lower bound.

Of two buffers that are alive at one time, the one above begins at least `gap` bytes after the one
below: its size, or less where the lower one is a result that may lie over the upper one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

from mbc.memory.bound import lower_bound
from mbc.memory.needs import Buffer, Needs

REORDERINGS = 30  # halves the plans that miss the bound; more help no further

Order = Callable[[Buffer], tuple[int, ...]]
Placement = dict[Buffer, int]

ORDERS: tuple[Order, ...] = (
    lambda b: (-b.bytes, b.first),
    lambda b: (b.first, -b.bytes),
    lambda b: (-b.last, -b.bytes),
    lambda b: (b.first - b.last, -b.bytes),
    lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
    lambda b: (-b.bytes, -b.first),
)


def place(needs: Needs) -> tuple[Placement, int]:
    """Offsets for all buffers, and the bytes that they need."""
    bound = lower_bound(needs)
    best: Placement = {}
    size: int | None = None
    for placed in _Placer(needs).attempts():
        if size is None or extent(placed) < size:
            best, size = placed, extent(placed)
        if size <= bound:
            break
    return best, size or 0


def extent(placed: Placement) -> int:
    """The end of the last buffer."""
    return max((offset + buffer.bytes for buffer, offset in placed.items()), default=0)


class _Placer:
    def __init__(self, needs: Needs) -> None:
        self._buffers = needs.buffers
        self._distances = {(o.result, o.operand): o.distance for o in needs.overlaps}

    def attempts(self) -> Iterator[Placement]:
        """Placements in every order; then of one the topmost buffer goes first, again and again."""
        hugs = (False, True) if self._distances else (False,)
        for order, tight, hug in product(ORDERS, (True, False), hugs):
            yield self._greedily(sorted(self._buffers, key=order), tight, hug)
        for order, tight, hug in product(ORDERS[:2], (True, False), hugs):
            queue = sorted(self._buffers, key=order)
            for _ in range(REORDERINGS if queue else 0):
                placed = self._greedily(queue, tight, hug)
                top = max(placed, key=lambda b: placed[b] + b.bytes)
                queue = [top, *(b for b in queue if b is not top)]
                yield placed

    def _greedily(self, buffers: Iterable[Buffer], tight: bool, hug: bool) -> Placement:
        placed: Placement = {}
        for buffer in buffers:
            near = ((b, at) for b, at in placed.items() if b.meets(buffer))
            barred = sorted(self._barred(buffer, b, at) for b, at in near)
            beside = self._beside(buffer, placed) if hug else []
            free = (at for at in beside if all(at <= low or at >= high for low, high in barred))
            placed[buffer] = next(free, _free(barred, tight))
        return placed

    def _beside(self, buffer: Buffer, placed: Placement) -> list[int]:
        """Just so far before an operand that is placed as the buffer, its result, may begin."""
        found = (
            placed[operand] - distance
            for (result, operand), distance in self._distances.items()
            if result is buffer and operand in placed
        )
        return [at for at in found if at >= 0]

    def _barred(self, buffer: Buffer, other: Buffer, at: int) -> tuple[int, int]:
        """Offsets between these two are barred for a buffer, with another one at `at`."""
        return at - self._gap(buffer, other), at + self._gap(other, buffer)

    def _gap(self, below: Buffer, above: Buffer) -> int:
        return self._distances.get((below, above), below.bytes)


def _free(barred: Sequence[tuple[int, int]], tight: bool) -> int:
    """The lowest offset that no range bars; or that in the smallest range between them."""
    ranges: list[tuple[int, int]] = []
    start = 0
    for low, high in barred:
        if low >= start:
            ranges.append((low - start, start))
        start = max(start, high)
    if not ranges:
        return start
    return min(ranges)[1] if tight else ranges[0][1]
