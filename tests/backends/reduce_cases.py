"""Reductions over every choice of axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from mbc.ir.views import Value
from mbc.ops.reduce import REDUCTIONS, Reduce
from tests.backends.cases import Case, both
from tests.backends.kernel_check import Net

SHAPES: tuple[tuple[int, ...], ...] = ((2, 3, 5, 13), (3, 21))


def reduce_cases() -> Iterator[Case]:
    """Every choice of axes, each kind and `keep` in turn; some of five; many channels."""
    number = 0
    for shape in SHAPES:
        axes = range(len(shape))
        for chosen in (c for size in axes for c in combinations(axes, size + 1)):
            keep = len(chosen) == len(shape) or number % 2 == 1
            yield from reduced(number, shape, chosen, keep)
            number += 1
    for number, chosen in enumerate([(0, 2), (1, 3), (4,), (2, 4), (1,)]):
        yield from reduced(number, (2, 2, 3, 1, 8), chosen, keep=number > 2)
    for number, chosen in enumerate([(1, 2), (3,), (1, 2, 3)]):
        yield from reduced(number, (1, 7, 9, 77), chosen, keep=False)


def reduced(number: int, shape: Sequence[int], axes: tuple[int, ...], keep: bool) -> Iterator[Case]:
    """One reduction."""
    op: Reduce = REDUCTIONS[number % 3](axes, keep)
    name = f"{op.mnemonic}-{'x'.join(map(str, shape))}-{'_'.join(map(str, axes))}-{keep}"

    def layer(net: Net, x: Value) -> Value:
        return net.graph.add(op, [x]).result

    yield from both(name, tuple(shape), layer)
