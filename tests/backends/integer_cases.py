"""Small graphs on codes, one for each way in which a kernel of integers can go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from mbc.ir.activations import RELU, RELU6
from mbc.ir.elements import F32, Q8, S8, S32, U8, Element
from mbc.ir.graph import Constant, Graph
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import (
    Add,
    AvgPool,
    ChannelShuffle,
    Concat,
    Conv2d,
    Dense,
    Dequantize,
    Fused,
    GlobalAvgPool,
    Lookup,
    Max,
    MaxPool,
    Min,
    Mul,
    Pad,
    Quantize,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Requantize,
    Reshape,
    Resize,
    Split,
    Sub,
    Transpose,
)
from mbc.ops.elementwise import Activate, Arithmetic
from mbc.ops.window import Pad as Padding
from mbc.ops.window import Pair
from tests.backends.cases import ONE, Case
from tests.quantised_graphs import drawn

GIVEN, MADE, OTHER = Q8.of(0.03, 121), Q8.of(0.047, 7), Q8.of(0.2, 200)
POSITIVE = Q8.of(0.05, 0)


class Net:
    """A graph on codes under construction with random constants."""

    def __init__(self) -> None:
        self.graph = Graph("net")
        self.rng = np.random.default_rng(3)

    def constant(self, role: str, shape: tuple[int, ...], element: Element, terms: int) -> Constant:
        """A constant of a layer whose sums have so many terms."""
        weight = TensorType((terms, 1), S8)
        data = drawn(self.rng, role, TensorType(shape, element), weight)
        return Constant.of(f"{role}{len(self.graph.constants())}", data, element)

    def constants(
        self, shape: tuple[int, ...], largest: int = 0, more: float = 1
    ) -> list[Constant]:
        """Weight, bias and multiplier; biases up to `largest` if given, multipliers `more` times as
        large as they would have to be."""
        terms = int(np.prod(shape[:-1]))
        weight = self.constant("weight", shape, S8, terms)
        bias = self.constant("bias", shape[-1:], S32, terms)
        if largest:
            data = self.rng.integers(-largest, largest, shape[-1:]).astype(np.int32)
            bias = Constant.of(f"far{len(self.graph.constants())}", data, S32)
        multiplier = self.constant("multiplier", shape[-1:], F32, terms)
        multiplier.data = multiplier.array * np.float32(more)
        return [weight, bias, multiplier]

    def conv(
        self, x: Value | ChannelView, op: Conv2d, kernel: Pair, n: int, largest: int = 0
    ) -> Value:
        """A convolution to n channels."""
        weight, bias, multiplier = self.constants(
            (*kernel, x.type.channels // op.groups, n), largest
        )
        return self.graph.add(op, [x, weight, bias, None, multiplier]).result

    def residual(self, x: Value, held: Value | ChannelView, op: Conv2d, n: int) -> Value:
        """A pointwise convolution to which something is added."""
        weight, bias, multiplier = self.constants((1, 1, x.type.channels // op.groups, n))
        return self.graph.add(op, [x, weight, bias, held, multiplier]).result


Layer = Callable[[Net, Value], Value]


def both(name: str, shape: tuple[int, ...], layer: Layer, element: Q8 = GIVEN) -> Iterator[Case]:
    """A layer between dense tensors of the caller in codes, and between padded ones in the arena,
    with floats around them."""

    def dense() -> Graph:
        net = Net()
        return _finished(net, layer(net, net.graph.add_input("x", TensorType(shape, element))))

    def padded() -> Graph:
        net = Net()
        real = net.graph.add_input("x", TensorType(shape))
        result = layer(net, net.graph.add(Quantize(to=element), [real]).result)
        if isinstance(result.type.element, Q8):
            result = net.graph.add(Dequantize(), [result]).result
        return _finished(net, result)

    yield f"{name}-dense", dense
    yield f"{name}-padded", padded


def _finished(net: Net, result: Value) -> Graph:
    net.graph.set_outputs([result])
    return net.graph


def convolutions(
    shape: tuple[int, ...],
    n: int,
    groups: int = 1,
    kernel: Pair = (1, 1),
    stride: Pair = (1, 1),
    pad: Padding = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    largest: int = 0,
) -> Iterator[Case]:
    """Convolutions to n channels."""
    op = Conv2d(stride, pad, dilation, groups, RELU6, to=MADE)
    text = "-".join(".".join(map(str, each)) for each in (shape, kernel, stride, pad, dilation))
    name = f"conv-{text}-n{n}g{groups}" + ("-far" if largest else "")
    yield from both(name, shape, lambda net, x: net.conv(x, op, kernel, n, largest))


def products() -> Iterator[Case]:
    """Rows, depths and columns that fill tiles, vectors and k-steps, and that do not."""
    for k, n in ((1, 1), (3, 5), (4, 8), (7, 16), (16, 24), (33, 20), (40, 17), (130, 12)):
        yield from convolutions((2, 3, 5, k), n)
    yield from convolutions((1, 1, 1, 67), 75)
    yield from convolutions((1, 9, 12, 24), 40)
    yield from convolutions((1, 9, 11, 70), 38)
    for groups, c, n in ((2, 8, 6), (3, 12, 60), (4, 64, 36), (8, 24, 64), (5, 5, 10)):
        yield from convolutions((1, 4, 7, c), n, groups)


def patches() -> Iterator[Case]:
    """Windows over the borders, in strides, dilated, of groups, and beyond the image."""
    yield from convolutions((2, 9, 11, 3), 16, 1, (3, 3), (2, 2), (0, 1, 0, 1))
    yield from convolutions((1, 6, 7, 5), 9, 1, (3, 2), (1, 2), ONE)
    yield from convolutions((1, 7, 6, 8), 12, 2, (3, 3), (1, 1), (2, 2, 2, 2), (2, 2))
    yield from convolutions((1, 3, 4, 4), 8, 1, (5, 5), (1, 1), (2, 2, 2, 2))
    yield from convolutions((1, 5, 5, 16), 8, 1, (1, 1), (2, 2))
    yield from convolutions((2, 4, 6, 3), 7, 1, (2, 3))


def depthwise() -> Iterator[Case]:
    """Windows of each channel: vectors, tails, filters a channel, biases that no float holds."""
    for c in (1, 5, 8, 13, 40):
        yield from convolutions((2, 6, 7, c), c, c, (3, 3), (1, 1), ONE)
    yield from convolutions((1, 8, 9, 24), 24, 24, (3, 3), (2, 2), (0, 1, 0, 1))
    yield from convolutions((1, 9, 9, 16), 16, 16, (5, 5), (1, 1), (2, 2, 2, 2))
    yield from convolutions((1, 5, 6, 13), 26, 13, (3, 3), (1, 1), ONE)
    yield from convolutions((1, 5, 6, 8), 8, 8, (3, 3), (1, 1), ONE, largest=1 << 30)
    yield from convolutions((1, 5, 6, 11), 11, 11, (3, 3), (1, 1), ONE, largest=1 << 30)


def _held(op: Conv2d, n: int) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        held = net.conv(x, replace(op, to=OTHER), (1, 1), n)
        return net.residual(x, held, op, n)

    return layer


def _logits(net: Net, x: Value) -> Value:
    mean = net.graph.add(GlobalAvgPool(to=POSITIVE), [x]).result
    return net.graph.add(Dense(), [mean, *net.constants((x.type.channels, 21))]).result


def _beyond(net: Net, x: Value) -> Value:
    """Steps of which some exceed s32."""
    constants = net.constants((1, 1, x.type.channels, 20), more=1e8)
    return net.graph.add(Conv2d(to=MADE), [x, *constants[:2], None, constants[2]]).result


def layers() -> Iterator[Case]:
    """Ops that are no convolution with codes as its result, or that hold something more."""
    shape = (2, 5, 6, 20)
    yield from both("residual", shape, _held(Conv2d(to=MADE), 20))
    yield from both("residual-deep", (1, 5, 6, 50), _held(Conv2d(to=MADE), 24))
    yield from both("residual-groups", shape, _held(Conv2d(groups=4, to=MADE, act=RELU), 12))
    yield from both("logits", shape, _logits)
    yield from both("beyond-s32", shape, _beyond)
    yield from both("floats", shape, lambda net, x: net.conv(x, Conv2d(act=RELU), (1, 1), 9))
    depthwise = Conv2d(groups=20, pad=ONE)
    yield from both("depthwise-floats", shape, lambda net, x: net.conv(x, depthwise, (3, 3), 20))
    for op in (
        MaxPool((3, 3), (2, 2), ONE),
        MaxPool((2, 2), (2, 2)),
        AvgPool((3, 3), (1, 1), ONE, to=MADE),
        AvgPool((2, 3), (2, 1), ONE, count_pad=True, to=MADE, act=RELU),
        GlobalAvgPool(to=MADE),
        Activate(RELU6),
        Reshape(shape=(2, 600)),
        Transpose((0, 2, 1, 3)),
        ChannelShuffle(groups=4),
    ):
        yield from both(f"{op.label}-{op}", shape, _applied(op))
        yield from (
            both(f"{op.label}-{op}-narrow", (1, 4, 5, 4), _applied(op))
            if not isinstance(op, Reshape)
            else ()
        )
    yield from both("add", shape, _sum)
    for formula in (Sub(to=MADE), Mul(to=MADE, act=RELU), Min(to=MADE), Max(to=MADE)):
        yield from both(f"arithmetic-{formula.mnemonic}", shape, _with_other(formula))
    yield from both("arithmetic-channels", shape, _with_mean(Mul(to=MADE)))
    yield from both("arithmetic-narrow", (2, 3, 4, 3), _with_mean(Add(to=MADE)))
    yield from both("arithmetic-pixels", shape, _with_pixels(Sub(to=MADE)))
    yield from both("resize-near", shape, _applied(Resize((7, 4), "nearest", "asymmetric")))
    for n, size in ((20, (9, 11)), (3, (3, 7)), (13, (5, 6))):
        resize = Resize(size, "bilinear", to=MADE)
        yield from both(f"resize-{n}", (2, 5, 6, n), _applied(resize))
    for axes in ((1, 2), (3,), (1, 3), (2,)):
        for reduction in (ReduceMean(axes, to=MADE), ReduceSum(axes, to=MADE), ReduceMax(axes)):
            name = f"{reduction.mnemonic}-{'.'.join(map(str, axes))}"
            yield from both(name, shape, _applied(reduction))
    pads = ((0, 1, 2, 0), (0, 2, 1, 0))
    yield from both("pad", shape, _applied(Pad(*pads, value=1.5)))
    yield from both("pad-narrow", (1, 3, 4, 3), _applied(Pad(*pads, lowest=True)))
    yield from both("requantize", shape, _applied(Requantize(to=MADE)))
    yield from both("requantize-narrow", (1, 3, 4, 3), _applied(Requantize(to=MADE)))
    yield from both("lookup", shape, _looked_up)
    yield from both("lookup-narrow", (1, 3, 4, 3), _looked_up)
    yield from both("lookup-channels", shape, _looked_up_by_channel)
    yield from both("lookup-channels-narrow", (1, 3, 4, 3), _looked_up_by_channel)
    yield from both("parts", shape, _parts)
    yield from both("view", shape, _view)


def _applied(op: object) -> Layer:
    return lambda net, x: net.graph.add(op, [x]).result  # type: ignore[arg-type]


def _looked_up_by_channel(net: Net, x: Value) -> Value:
    return _looked_up(net, x, (256, x.type.channels))


def _looked_up(net: Net, x: Value, shape: tuple[int, ...] = (256,)) -> Value:
    table = net.rng.integers(0, 256, shape).astype(np.uint8)
    operands: list[Value | Constant] = [
        x,
        Constant.of(f"table{len(net.graph.constants())}", table, U8),
    ]
    return net.graph.add(Lookup(to=MADE), operands).result


def _with_other(op: Arithmetic) -> Layer:
    def layer(net: Net, x: Value) -> Value:
        other = net.conv(x, Conv2d(to=OTHER), (1, 1), x.type.channels)
        return net.graph.add(op, [x, other]).result

    return layer


def _with_mean(op: Arithmetic) -> Layer:
    """With a number for each channel, as behind a gate."""

    def layer(net: Net, x: Value) -> Value:
        mean = net.graph.add(GlobalAvgPool(to=OTHER), [x]).result
        each = (x.type.shape[0], 1, 1, x.type.channels)
        return net.graph.add(op, [x, net.graph.add(Reshape(shape=each), [mean]).result]).result

    return layer


def _with_pixels(op: Arithmetic) -> Layer:
    """With a number for each pixel."""

    def layer(net: Net, x: Value) -> Value:
        return net.graph.add(op, [x, net.conv(x, Conv2d(to=OTHER), (1, 1), 1)]).result

    return layer


def _sum(net: Net, x: Value) -> Value:
    other = net.conv(x, Conv2d(to=OTHER), (1, 1), x.type.channels)
    return net.graph.add(Add(to=MADE, act=RELU), [x, other]).result


def _parts(net: Net, x: Value) -> Value:
    """Pools and depthwise convolutions of parts that lie apart."""
    left, right = net.graph.add(Split(sizes=(7, 13)), [x]).results
    joined = ChannelView.concat([ChannelView.of(right), ChannelView.of(left)])
    pooled = net.graph.add(GlobalAvgPool(to=MADE), [joined]).result
    filtered = net.conv(joined, Conv2d(groups=20, pad=ONE, to=MADE), (3, 3), 20)
    mean = net.graph.add(GlobalAvgPool(to=MADE), [filtered]).result
    return net.graph.add(Concat(), [pooled, mean]).result


def _view(net: Net, x: Value) -> Value:
    """A product of groups that reads shuffled channels of two values."""
    other = net.conv(x, Conv2d(to=GIVEN), (1, 1), 12)
    joined = ChannelView.concat([ChannelView.of(x), ChannelView.of(other)])
    shuffled = joined.through(ChannelMap.shuffle(4, 32))
    return net.conv(shuffled, Conv2d(groups=4, to=MADE), (1, 1), 24)


BYTE = Q8.of(1.0, 0)


def bytes_read() -> Iterator[Case]:
    """Bodies that make floats of the rows of bytes under a convolution, of numbers that are exact.
    Rows end in every part of a vector, windows reach beyond all sides; layers may follow."""
    yield from _read((2, 9, 11, 3), (3, 3), (2, 2), ONE)
    yield from _read((1, 6, 40, 3), (3, 3), (1, 1), (0, 0, 0, 0), then=True)
    yield from _read((1, 5, 6, 1), (5, 5), (1, 1), (2, 2, 2, 2))
    yield from _read((1, 8, 7, 5), (2, 3), (2, 1), (0, 1, 2, 0), (1, 2), then=True)
    yield from _read((1, 7, 6, 20), (3, 3), (1, 1), ONE)
    yield from _read((2, 4, 37, 3), (3, 3), (2, 2), (0, 1, 0, 1), element=Q8.of(0.5, 3), alike=True)


def _read(
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    pad: Padding,
    dilation: Pair = (1, 1),
    element: Q8 = BYTE,
    *,
    alike: bool = False,
    then: bool = False,
) -> Iterator[Case]:
    """A convolution of bytes less means, times scales unless channels are alike."""
    channels = shape[-1]

    def layer(net: Net, x: Value) -> Value:
        def whole(name: str, *extents: int) -> Constant:
            return Constant.of(name, net.rng.integers(-3, 4, extents))

        body = Graph("body")
        made = body.add(Dequantize(), [body.add_input("x", x.type)]).result
        means = Constant.of("mean", np.arange(1 if alike else channels) + 100.5)
        made = body.add(Sub(), [made, means]).result
        if not alike:
            scales = Constant.of("scale", 2.0 ** (np.arange(channels) % 3 - 1))
            made = body.add(Mul(), [made, scales]).result
        op = Conv2d(stride, pad, dilation, act=RELU)
        weight, bias = whole("w", *kernel, channels, 9), whole("b", 9)
        made = body.add(op, [made, weight, bias]).result
        if then:
            made = body.add(Conv2d(), [made, whole("w2", 1, 1, 9, 5)]).result
        body.set_outputs([made])
        return net.graph.add(Fused("rows", body), [x]).result

    text = "-".join(".".join(map(str, each)) for each in (shape, kernel, stride, pad))
    yield from both(f"bytes-{text}", shape, layer, element)


def integer_cases() -> Iterator[Case]:
    """All of them."""
    yield from products()
    yield from patches()
    yield from depthwise()
    yield from layers()
    yield from bytes_read()
