"""Convolutions and dense layers over ragged shapes."""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.activations import RELU, RELU6, Activation, Silu
from mbc.ir.graph import Graph, Operand
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import Conv2d, Dense, Fused, GlobalAvgPool, MaxPool
from tests.backends.cases import ONE, Case, both
from tests.backends.kernel_check import Net
from tests.schedules import by_strassen


def pointwise(
    rows: int, k: int, n: int, groups: int = 1, shuffle: int = 0, residual: bool = False
) -> Iterator[Case]:
    """1x1 convolutions."""

    def layer(net: Net, x: Value) -> Value:
        view = ChannelView.of(x)
        if shuffle:
            view = view.through(ChannelMap.shuffle(shuffle, k))
        operands: list[Operand | Value | None] = [view, net.constant(1, 1, k // groups, n)]
        operands.append(net.constant(n))
        if residual:
            operands.append(net.input(1, rows, 1, n, name="r"))
        return net.graph.add(Conv2d(groups=groups, act=RELU6), operands).result

    name = f"pw-m{rows}-{k}x{n}-g{groups}-shuffle{shuffle}" + ("-add" if residual else "")
    yield from both(name, (1, rows, 1, k), layer)


def strassen(
    shape: tuple[int, int, int],
    k: int,
    n: int,
    act: Activation | None = RELU6,
    *,
    bias: bool = True,
    residual: bool = False,
) -> Iterator[Case]:
    """1x1 convolutions that may be multiplied by Strassen's method."""

    def layer(net: Net, x: Value) -> Value:
        operands: list[Operand | Value | None] = [ChannelView.of(x), net.constant(1, 1, k, n)]
        operands.append(net.constant(n) if bias else None)
        operands += [net.input(*shape, n, name="r")] if residual else []
        return by_strassen(net.graph.add(Conv2d(act=act), operands)).result

    name = f"strassen-{'x'.join(map(str, shape))}-{k}x{n}-{act}"
    name += ("" if bias else "-no-bias") + ("-add" if residual else "")
    yield from both(name, (*shape, k), layer)


def strassen_cases() -> Iterator[Case]:
    """One pair of pixels, several row blocks, more than are added up at a time, odd numbers, one
    panel and many, batches of all these; and where it is allowed but cannot be: channels that do
    not halve, images of one pixel."""
    yield from strassen((1, 2, 1), 16, 16)
    yield from strassen((1, 6, 5), 16, 16)
    yield from strassen((1, 4, 4), 16, 48, None)
    yield from strassen((2, 6, 6), 48, 32, bias=False)
    yield from strassen((2, 3, 4), 48, 32, residual=True)
    yield from strassen((1, 14, 14), 32, 80, residual=True)
    yield from strassen((1, 20, 29), 80, 16, RELU)
    yield from strassen((1, 23, 21), 48, 16)
    yield from strassen((1, 7, 7), 32, 640)
    yield from strassen((3, 1, 5), 16, 640, None, bias=False)
    yield from strassen((1, 7, 8), 16, 32)
    yield from strassen((1, 9, 11), 16, 32, residual=True)
    yield from strassen((1, 7, 7), 16, 32, Silu())
    yield from strassen((1, 7, 7), 16, 320, residual=True)
    yield from strassen((2, 7, 7), 16, 320, residual=True)
    yield from strassen((3, 13, 17), 32, 16, RELU)
    yield from strassen((2, 14, 15), 16, 32, residual=True)
    yield from strassen((1, 6, 6), 20, 32)
    yield from strassen((1, 7, 4), 16, 24)
    yield from strassen((4, 1, 1), 16, 16)


def gathered(k: int, n: int, groups: int) -> Iterator[Case]:
    """1x1 convolutions that read a shuffled concatenation of parts of two values."""

    def layer(net: Net, x: Value) -> Value:
        other = net.input(1, 9, 1, k, name="other")
        halves = [ChannelView.of(x).slice(k // 4, k // 2), ChannelView.of(other).slice(0, k // 2)]
        view = ChannelView.concat(halves).through(ChannelMap.shuffle(2, k))
        weight = net.constant(1, 1, k // groups, n)
        return net.graph.add(Conv2d(groups=groups), [view, weight, None]).result

    yield from both(f"gather-{k}x{n}-g{groups}", (1, 9, 1, k), layer)


def depthwise(h: int, w: int, c: int, k: int, s: int, p: int) -> Iterator[Case]:
    """Depthwise convolutions, batch 2."""

    def layer(net: Net, x: Value) -> Value:
        op = Conv2d((s, s), (p, p, p, p), groups=c, act=RELU)
        return net.graph.add(op, [x, net.constant(k, k, 1, c), net.constant(c)]).result

    yield from both(f"dw-{h}x{w}-c{c}-k{k}s{s}p{p}", (2, h, w, c), layer)


def gathered_windows(h: int, c: int) -> Iterator[Case]:
    """Depthwise convolutions and pools that read parts of two values."""

    def inside(net: Net, x: Value) -> ChannelView:
        other = net.input(2, h, h, c, name="other")
        parts = [ChannelView.of(x).slice(c // 4, c // 2), ChannelView.of(other).slice(0, c // 3)]
        return ChannelView.concat(parts)

    def layer(net: Net, x: Value) -> Value:
        view = inside(net, x)
        n = view.type.channels
        op = Conv2d((2, 2), (1, 1, 1, 1), groups=n)
        return net.graph.add(op, [view, net.constant(3, 3, 1, n), net.constant(n)]).result

    def pooled(net: Net, x: Value) -> Value:
        return net.graph.add(MaxPool((3, 3), (1, 1), ONE), [inside(net, x)]).result

    def mean(net: Net, x: Value) -> Value:
        return net.graph.add(GlobalAvgPool(), [inside(net, x)]).result

    yield from both(f"gather-dw-{h}-c{c}", (2, h, h, c), layer)
    yield from both(f"gather-mean-{h}-c{c}", (2, h, h, c), mean)
    yield from both(f"gather-maxpool-{h}-c{c}", (2, h, h, c), pooled)


def convolution(
    h: int, w: int, c: int, n: int, k: int, s: int, pad: tuple[int, int, int, int], g: int, d: int
) -> Iterator[Case]:
    """KxK convolutions, batch 2, no bias."""

    def layer(net: Net, x: Value) -> Value:
        op = Conv2d((s, s), pad, (d, d), groups=g)
        return net.graph.add(op, [x, net.constant(k, k, c // g, n), None]).result

    yield from both(f"conv-{h}x{w}-{c}x{n}-k{k}s{s}g{g}d{d}-{pad}", (2, h, w, c), layer)


def fused(
    h: int, c: int, n: int, s: int, groups: int = 1, shuffle: int = 0, residual: bool = False
) -> Iterator[Case]:
    """Depthwise and pointwise in one kernel."""

    def layer(net: Net, x: Value) -> Value:
        body = Graph("body")
        conv = Conv2d((s, s), (1, 1, 1, 1), groups=c, act=RELU)
        inside = body.add_input("x", x.type)
        middle = body.add(conv, [inside, net.constant(3, 3, 1, c), net.constant(c)]).result
        view = ChannelView.of(middle)
        if shuffle:
            view = view.through(ChannelMap.shuffle(shuffle, c))
        operands: list[Operand | Value | None] = [view, net.constant(1, 1, c // groups, n)]
        operands.append(net.constant(n))
        outer = [x]
        if residual:
            type = middle.type.with_channels(n)
            operands.append(body.add_input("r", type))
            outer.append(net.input(*type.shape, name="r"))
        body.set_outputs([body.add(Conv2d(groups=groups, act=RELU), operands).result])
        return net.graph.add(Fused("dw_pw", body), outer).result

    name = f"fused-{h}-{c}x{n}-s{s}-g{groups}-shuffle{shuffle}" + ("-add" if residual else "")
    yield from both(name, (1, h, h, c), layer)


def grouped_cases() -> Iterator[Case]:
    """1x1 convolutions with groups, shuffles and residuals."""
    yield from pointwise(49, 60, 240, 3)
    yield from pointwise(49, 60, 240, 3, shuffle=3)
    yield from pointwise(12, 240, 60, 3)
    yield from pointwise(12, 48, 40, 8, shuffle=8, residual=True)
    yield from pointwise(9, 60, 60, 3, residual=True)
    yield from pointwise(10, 40, 36, 4, shuffle=4)
    yield from pointwise(10, 40, 17, residual=True)
    yield from pointwise(10, 58, 58, 2)
    yield from pointwise(10, 30, 30, shuffle=5)


def split_cases() -> Iterator[Case]:
    """Last columns that share vectors with several k-steps: fewer of these than a vector takes, and
    other numbers of them that are no multiples; fewer columns than lanes; groups; short runs."""
    yield from pointwise(7, 1, 9)
    yield from pointwise(5, 3, 17)
    yield from pointwise(15, 7, 2)
    yield from pointwise(9, 21, 3)
    yield from pointwise(13, 34, 12)
    yield from pointwise(8, 58, 58, residual=True)
    yield from pointwise(6, 116, 116)
    yield from pointwise(3, 37, 25)
    yield from pointwise(11, 240, 60, 3)
    yield from pointwise(14, 384, 96, 8)
    yield from pointwise(10, 50, 50, 2, residual=True)
    yield from pointwise(9, 272, 68, 4)
    yield from pointwise(7, 200, 100, 4, shuffle=2)
    yield from pointwise(5, 68, 272, 4, shuffle=4)
    yield from pointwise(6, 90, 34, 2, shuffle=5)
    yield from convolution(7, 9, 6, 10, 3, 1, ONE, 1, 1)
    yield from convolution(5, 5, 5, 17, 5, 1, (0, 0, 0, 0), 1, 1)  # rows of a filter that adjoin
    yield from convolution(6, 7, 12, 36, 3, 2, ONE, 2, 1)


def dense(batch: int, k: int, n: int) -> Iterator[Case]:
    """Fully connected layers."""

    def layer(net: Net, x: Value) -> Value:
        return net.graph.add(Dense(), [x, net.constant(k, n), net.constant(n)]).result

    yield from both(f"fc-{batch}-{k}x{n}", (batch, k), layer)
