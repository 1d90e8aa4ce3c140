"""Windows of any shape, with unequal strides and dilations, and padding that may hold them all."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.activations import RELU
from mbc.ir.views import Value
from mbc.ops import AvgPool, Conv2d, MaxPool
from mbc.ops.window import Pad, Pair
from tests.backends.cases import Case, both
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


def window_cases() -> Iterator[Case]:
    """Dense, grouped, depthwise and multiplied filters; pools with as much padding as they may."""
    yield from filtered((5, 7, 3), 8, 1, (2, 5), (3, 1), (0, 4, 7, 2), (1, 2))
    yield from filtered((7, 4, 6), 12, 3, (4, 1), (1, 2), (5, 5, 3, 0), (2, 1))
    yield from filtered((3, 3, 5), 9, 1, (1, 1), (1, 1), (2, 0, 0, 3))
    yield from filtered((1, 6, 4), 20, 2, (7, 3), (4, 1), (7, 9, 0, 0))
    yield from filtered((6, 5, 13), 13, 13, (3, 1), (2, 1), (4, 4, 2, 0))
    yield from filtered((4, 9, 16), 16, 16, (1, 6), (1, 4), (0, 2, 7, 8), (1, 2))
    yield from filtered((5, 5, 7), 21, 7, (3, 3), (1, 1), (4, 0, 1, 5))
    yield from filtered((1, 1, 8), 8, 8, (1, 1), (2, 2), (1, 1, 1, 1))  # nothing but padding
    yield from pooled((5, 9, 11), MaxPool((4, 2), (1, 3), (3, 3, 1, 0)))
    yield from pooled((6, 2, 9), AvgPool((1, 5), (2, 1), (0, 0, 4, 4)))
    yield from pooled((2, 7, 16), AvgPool((6, 3), (1, 2), (5, 5, 2, 2), count_pad=True))
