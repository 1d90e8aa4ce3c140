"""Resizes to larger and smaller images, by every kind of coordinates and rounding."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.views import ChannelView, Value
from mbc.ops import Concat, Resize, Split
from mbc.ops.resize import COORDINATES, ROUNDINGS
from mbc.ops.window import Pair
from tests.backends.cases import Case, both
from tests.backends.kernel_check import Net

Extents = tuple[int, int, int]
"""Height, width and channels."""


def resized(x: Extents, op: Resize) -> Iterator[Case]:
    """Batch 2."""
    words = (op.mode, op.coordinates, op.rounding)
    text = "-".join(".".join(map(str, each)) for each in (x, op.size, words))
    yield from both(f"resize-{text}", (2, *x), lambda net, v: net.graph.add(op, [v]).result)


def parts_resized(mode: str) -> Iterator[Case]:
    """Of channels of several values, of which none fills a vector, or all fill some."""

    def layer(net: Net, x: Value) -> Value:
        first, second, third = net.graph.add(Split((7, 21, 16)), [x]).results
        view = ChannelView.concat([ChannelView.of(each) for each in (third, first, second)])
        small, op = ChannelView.of(x).slice(3, 2), Resize((5, 9), mode)
        made = [net.graph.add(op, [each]).result for each in (view, small)]
        return net.graph.add(Concat(), made).result

    yield from both(f"resize-{mode}-parts", (2, 3, 4, 44), layer)


LARGER_AND_SMALLER: tuple[tuple[Extents, Pair], ...] = (
    *(((3, 5, 8), (6, 10)), ((4, 7, 13), (9, 5)), ((1, 6, 21), (4, 1)), ((5, 1, 3), (1, 7))),
    *(((2, 3, 32), (7, 8)), ((6, 6, 1), (3, 3)), ((3, 2, 17), (3, 4))),
)


def resize_cases() -> Iterator[Case]:
    """Bilinear, which rounds."""
    for number, (x, size) in enumerate(LARGER_AND_SMALLER):
        for coordinates in COORDINATES:
            if number < 2 or coordinates == COORDINATES[number % 3]:
                yield from resized(x, Resize(size, "bilinear", coordinates))
    yield from parts_resized("bilinear")


def copied_cases() -> Iterator[Case]:
    """Nearest, which copies."""
    for number, (x, size) in enumerate(LARGER_AND_SMALLER):
        for turn, coordinates in enumerate(COORDINATES):
            rounding = ROUNDINGS[(number + turn) % 4]
            if number < 2 or turn == number % 3:
                yield from resized(x, Resize(size, "nearest", coordinates, rounding))
    yield from parts_resized("nearest")
