"""Windows of any shape, with unequal strides and dilations, and padding that may hold them all."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.activations import RELU
from mbc.ir.views import ChannelView, Value
from mbc.ops import AvgPool, Conv2d, MaxPool
from mbc.ops.window import Pad, Pair
from tests.backends.cases import ONE, Case, both
from tests.backends.kernel_check import Net

Extents = tuple[int, int, int]
"""Height, width and channels."""


def filtered(
    x: Extents, n: int, groups: int, kernel: Pair, stride: Pair, pad: Pad, dilation: Pair = (1, 1)
) -> Iterator[Case]:
    """Convolutions to n channels, batch 2."""

    def layer(net: Net, value: Value) -> Value:
        op = Conv2d(stride, pad, dilation, groups, RELU)
        weight = net.constant(*kernel, x[2] // groups, n)
        return net.graph.add(op, [value, weight, net.constant(n)]).result

    text = "-".join(".".join(map(str, each)) for each in (x, kernel, stride, pad, dilation))
    yield from both(f"window-{text}-n{n}g{groups}", (2, *x), layer)


def pooled(x: Extents, op: MaxPool | AvgPool) -> Iterator[Case]:
    """Pools, batch 2."""
    parts = (x, op.kernel, op.stride, op.pad, (getattr(op, "count_pad", ""),))
    text = "-".join(".".join(map(str, each)) for each in parts)
    name = f"{op.mnemonic}-{text}"
    yield from both(name, (2, *x), lambda net, value: net.graph.add(op, [value]).result)


def multiplied() -> Iterator[Case]:
    """Depthwise convolutions of several filters a channel: those of a vector come of 1, of some, of
    as many channels as it has lanes; channels that end within a vector; and too odd a number."""
    yield from filtered((6, 5, 13), 26, 13, (3, 3), (1, 1), ONE)
    yield from filtered((9, 11, 3), 24, 3, (3, 3), (2, 2), ONE)
    yield from filtered((4, 7, 10), 40, 10, (5, 5), (1, 1), (2, 2, 2, 2))
    yield from filtered((5, 4, 17), 51, 17, (3, 3), (1, 1), (2, 2, 2, 2), (2, 2))
    yield from filtered((3, 6, 9), 63, 9, (2, 3), (1, 2), (0, 1, 1, 1))
    yield from filtered((3, 5, 5), 60, 5, (3, 3), (1, 1), ONE)
    yield from filtered((3, 5, 2), 48, 2, (3, 3), (1, 1), ONE)
    yield from filtered((4, 8, 4), 160, 4, (3, 1), (1, 1), (1, 1, 0, 0))
    yield from filtered((3, 8, 16), 32, 16, (3, 3), (1, 1), ONE)
    yield from filtered((3, 3, 4), 36, 4, (3, 3), (1, 1), ONE)
    yield from read_in_parts(3, 10, 3)
    yield from read_in_parts(3, 8, 6)


def read_in_parts(h: int, c: int, filters: int) -> Iterator[Case]:
    """Several filters a channel over parts of two values."""

    def layer(net: Net, x: Value) -> Value:
        other = net.input(2, h, h, c, name="other")
        parts = [ChannelView.of(x).slice(1, c // 2), ChannelView.of(other).slice(0, c // 3)]
        view = ChannelView.concat(parts)
        n = view.type.channels
        op = Conv2d(pad=ONE, groups=n)
        weight = net.constant(3, 3, 1, n * filters)
        return net.graph.add(op, [view, weight, net.constant(n * filters)]).result

    yield from both(f"window-parts-c{c}m{filters}", (2, h, h, c), layer)


def window_cases() -> Iterator[Case]:
    """Dense, grouped, depthwise and multiplied filters; pools with as much padding as they may."""
    yield from filtered((5, 7, 3), 8, 1, (2, 5), (3, 1), (0, 4, 7, 2), (1, 2))
    yield from filtered((7, 4, 6), 12, 3, (4, 1), (1, 2), (5, 5, 3, 0), (2, 1))
    yield from filtered((3, 3, 5), 9, 1, (1, 1), (1, 1), (2, 0, 0, 3))
    yield from filtered((1, 6, 4), 20, 2, (7, 3), (4, 1), (7, 9, 0, 0))
    yield from filtered((6, 5, 13), 13, 13, (3, 1), (2, 1), (4, 4, 2, 0))
    yield from filtered((4, 9, 16), 16, 16, (1, 6), (1, 4), (0, 2, 7, 8), (1, 2))
    yield from filtered((5, 5, 7), 21, 7, (3, 3), (1, 1), (4, 0, 1, 5))
    yield from multiplied()
    yield from filtered((4, 13, 17), 17, 17, (5, 5), (1, 1), (2, 2, 2, 2))  # tiles of 7 and 6
    yield from filtered((6, 20, 8), 8, 8, (7, 7), (1, 2), (3, 3, 3, 3))
    yield from filtered((1, 1, 8), 8, 8, (1, 1), (2, 2), (1, 1, 1, 1))  # nothing but padding
    yield from pooled((5, 9, 11), MaxPool((4, 2), (1, 3), (3, 3, 1, 0)))
    yield from pooled((9, 8, 11), MaxPool((3, 2), (2, 1), (2, 1, 0, 1), (2, 3)))
    yield from pooled((7, 6, 9), MaxPool((3, 3), (2, 2), (1, 1, 0, 2), (1, 2)))
    yield from pooled((6, 7, 9), AvgPool((3, 3), (2, 2), (1, 2, 1, 1), True, overhang=(1, 0)))
    yield from pooled((5, 9, 16), AvgPool((4, 2), (3, 2), (0, 2, 0, 1), True, overhang=(1, 1)))
    yield from pooled((6, 2, 9), AvgPool((1, 5), (2, 1), (0, 0, 4, 4)))
    yield from pooled((2, 7, 16), AvgPool((6, 3), (1, 2), (5, 5, 2, 2), count_pad=True))
