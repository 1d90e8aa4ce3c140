"""Resizes to larger and smaller images, by every kind of coordinates and rounding, and transposed
convolutions."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.activations import RELU6
from mbc.ir.views import ChannelView, Value
from mbc.ops import Concat, Resize, Split, TransposedConv
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


def transposed(x: Extents, n: int, kernel: Pair, op: TransposedConv) -> Iterator[Case]:
    """Batch 2, with a bias."""

    def layer(net: Net, value: Value) -> Value:
        weight = net.constant(*kernel, x[2] // op.groups, n)
        return net.graph.add(op, [value, weight, net.constant(n)]).result

    parts = (x, (n,), kernel, op.stride, op.pad, op.more, (op.groups,))
    text = "-".join(".".join(map(str, each)) for each in parts)
    yield from both(f"transposed-{text}", (2, *x), layer)


def transposed_cases() -> Iterator[Case]:
    """Windows of one pixel and of several, cut off and extended, in groups."""
    square, none = (2, 2), (0, 0, 0, 0)
    yield from transposed((3, 4, 5), 7, square, TransposedConv(square))
    yield from transposed((5, 9, 16), 32, square, TransposedConv(square, act=RELU6))
    yield from transposed((3, 4, 8), 16, (3, 3), TransposedConv(square, (1, 1, 1, 1), (1, 1)))
    yield from transposed((3, 4, 6), 8, (4, 4), TransposedConv(square, (1, 1, 1, 1), groups=2))
    yield from transposed((1, 4, 6), 6, (5, 3), TransposedConv((3, 2), (2, 0, 0, 3), (2, 0), 3))
    yield from transposed((5, 1, 6), 6, (3, 3), TransposedConv((1, 1), (1, 1, 1, 1), groups=6))
    yield from transposed((4, 6, 6), 12, (2, 3), TransposedConv((2, 3), (1, 0, 2, 1), (1, 2)))
    yield from transposed((2, 2, 3), 24, (7, 7), TransposedConv(square, (5, 4, 3, 6), (1, 1)))
    yield from transposed((2, 3, 4), 5, square, TransposedConv(square, none, (1, 1)))
    yield from transposed((1, 3, 4), 5, (3, 3), TransposedConv((3, 3), (2, 1, 0, 5), (2, 2)))


def spatial_cases() -> Iterator[Case]:
    """All that rounds."""
    yield from resize_cases()
    yield from transposed_cases()
