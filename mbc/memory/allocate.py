"""Allocates buffers in one arena.

Dynamic storage allocation is NP-hard. Buffers are placed greedily, one after the other, in several
orders; then the best order is varied at random from a fixed seed, and a variation is kept if it is
no worse. The search ends when the arena is as small as the lower bound.

Of two buffers with overlapping lifetimes, the upper one starts at least `gap` bytes after the lower
one: the size of the lower one, or less if that is a result that may overlap its operand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from random import Random
from typing import Literal

from mbc.memory.bound import lower_bound
from mbc.memory.needs import Buffer, Needs
from mbc.records import dataclass

VARIATIONS = 1000  # a tenth of a second for a network; more help little

Placement = dict[Buffer, int]
Order = Callable[[Buffer], tuple[int, ...]]
Where = Literal["lowest", "tightest", "beside"]

RULES: tuple[Where, ...] = ("tightest", "lowest", "beside")
ORDERS: tuple[Order, ...] = (
    lambda b: (-b.bytes, b.first),
    lambda b: (b.first, -b.bytes),
    lambda b: (b.first, b.last, -b.bytes),
    lambda b: (-b.last, -b.bytes),
    lambda b: (b.first - b.last, -b.bytes),
    lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
    lambda b: (-b.bytes, -b.first),
)


def place(needs: Needs) -> tuple[Placement, int]:
    """Return offsets of all buffers, and the size of the arena."""
    if not needs.buffers:
        return {}, 0
    bound, placer = lower_bound(needs), _Placer(needs)
    best: _Plan | None = None
    for recipe in placer.recipes():
        plan = placer.follow(recipe)
        if best is None or plan.bytes < best.bytes:
            best = plan
        if best.bytes <= bound:
            break
    assert best is not None
    best = placer.vary(best, bound)
    return dict(zip(needs.buffers, best.offsets, strict=True)), best.bytes


@dataclass(frozen=True)
class _Recipe:
    """How to place buffers, which are identified by their numbers."""

    order: tuple[int, ...]
    where: tuple[Where, ...]
    """For each buffer its gap: the lowest, the tightest, or (for a result) the one just before an
    operand that it may overlap."""


@dataclass(frozen=True)
class _Plan:
    recipe: _Recipe
    offsets: tuple[int, ...]
    bytes: int


_Near = tuple[int, int, int]
"""The number of a buffer whose lifetime overlaps that of a given one, and the least distances
between the starts if the given buffer lies below, and if it lies above."""


class _Placer:
    def __init__(self, needs: Needs) -> None:
        self._buffers = needs.buffers
        numbers = {buffer: number for number, buffer in enumerate(needs.buffers)}
        self._distances = {
            (numbers[o.result], numbers[o.operand]): o.distance for o in needs.overlaps
        }
        self._near = [self._neighbours(number) for number in range(len(needs.buffers))]

    def _neighbours(self, number: int) -> list[_Near]:
        buffer = self._buffers[number]
        return [
            (
                other,
                self._distances.get((number, other), buffer.bytes),
                self._distances.get((other, number), self._buffers[other].bytes),
            )
            for other in range(len(self._buffers))
            if other != number and buffer.meets(self._buffers[other])
        ]

    def recipes(self) -> Iterator[_Recipe]:
        """Yield each order with each rule, the same for all buffers."""
        numbers = range(len(self._buffers))
        for order, where in product(ORDERS, RULES if self._distances else RULES[:2]):
            ordered = sorted(numbers, key=lambda number: order(self._buffers[number]))
            yield _Recipe(tuple(ordered), (where,) * len(numbers))

    def follow(self, recipe: _Recipe) -> _Plan:
        """Place all buffers."""
        offsets: list[int | None] = [None] * len(self._buffers)
        for number in recipe.order:
            offsets[number] = self._offset(number, recipe.where[number], offsets)
        found = tuple(offset or 0 for offset in offsets)
        ends = (at + b.bytes for at, b in zip(found, self._buffers, strict=True))
        return _Plan(recipe, found, max(ends))

    def _offset(self, number: int, where: Where, offsets: Sequence[int | None]) -> int:
        barred = [
            (at - below, at + above)
            for near, below, above in self._near[number]
            if (at := offsets[near]) is not None
        ]
        barred.sort()
        if where != "beside":
            return _tightest(barred) if where == "tightest" else _lowest(barred)
        for (result, operand), distance in self._distances.items():
            if result == number and (at := offsets[operand]) is not None:
                start = at - distance
                if start >= 0 and all(start <= low or start >= high for low, high in barred):
                    return start
        return _lowest(barred)

    def vary(self, plan: _Plan, bound: int) -> _Plan:
        """Try random variations of the best plan so far and return the best."""
        random = Random(0)
        for _ in range(VARIATIONS):
            if plan.bytes <= bound:
                break
            varied = self.follow(self._variation(plan, bound, random))
            if varied.bytes <= plan.bytes:
                plan = varied
        return plan

    def _variation(self, plan: _Plan, bound: int, random: Random) -> _Recipe:
        """Move a buffer, mostly one that ends above the bound, forward in the order, and perhaps
        change its rule."""
        ends = [at + b.bytes for at, b in zip(plan.offsets, self._buffers, strict=True)]
        high = [number for number, end in enumerate(ends) if end > bound]
        number = random.choice(high if random.random() < 0.7 else range(len(ends)))
        order = [other for other in plan.recipe.order if other != number]
        order.insert(random.randint(0, plan.recipe.order.index(number)), number)
        where = list(plan.recipe.where)
        where[number] = random.choice((where[number], *RULES))
        return _Recipe(tuple(order), tuple(where))


def _lowest(barred: Sequence[tuple[int, int]]) -> int:
    """Return the lowest offset outside all ranges, which are sorted."""
    start = 0
    for low, high in barred:
        if low >= start:
            return start
        if high > start:
            start = high
    return start


def _tightest(barred: Sequence[tuple[int, int]]) -> int:
    """Return the lowest offset of the smallest gap between ranges, which are sorted; the end if
    there is none."""
    start, best = 0, None
    for low, high in barred:
        if low >= start and (best is None or (low - start, start) < best):
            best = low - start, start
        if high > start:
            start = high
    return start if best is None else best[1]
