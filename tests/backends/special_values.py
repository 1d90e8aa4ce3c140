"""One network with a layer of each kind of kernel, inputs with NaN, infinities and extreme numbers
in them, and where results may differ from the oracle's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Constant, Graph, Operand
from mbc.ir.op import Op
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Conv2d,
    Dense,
    Div,
    Fused,
    GlobalAvgPool,
    InstanceNorm,
    L2Normalize,
    LayerNorm,
    LogSoftmax,
    Lrn,
    MatMul,
    Max,
    MaxPool,
    Min,
    Mul,
    Prelu,
    Reshape,
    Resize,
    Softmax,
    Sub,
    Transpose,
    TransposedConv,
)
from mbc.ops.elementwise import Activate
from mbc.ops.reduce import REDUCTIONS
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt
from tests.activations import ROUNDED
from tests.backends.kernel_check import Net
from tests.schedules import by_strassen

HEIGHT, WIDTH = 7, 9
CHANNELS = 13  # a tail of every vector unit's
GROUPED = 36  # tails in each of 4 groups
HALVED = 32  # which Strassen's method halves
ONE, NONE = (1, 1, 1, 1), (0, 0, 0, 0)

Tensors = dict[str, np.ndarray]


class Layers(Net):
    """The network: `x`, `wide` and `even` are its inputs, of so many channels; each layer reads one
    of them where the caller has it, or a copy in the arena, and is an output of its own name.
    Without `chains` and `arena` it has what GPUs have kernels for, once; without `products` also
    nothing that multiplies."""

    def __init__(
        self, images: int = 1, *, chains: bool = True, arena: bool = True, products: bool = True
    ) -> None:
        super().__init__()
        self.images, self.chains, self.arena, self.products = images, chains, arena, products
        self.found: dict[str, Value] = {}

    def build(self) -> Graph:
        """The graph."""
        x, wide, even = inputs = [
            self.input(self.images, HEIGHT, WIDTH, channels, name=name)
            for name, channels in (("x", CHANNELS), ("wide", GROUPED), ("even", HALVED))
        ]
        shuffled = ChannelView.of(wide).through(ChannelMap.shuffle(4, GROUPED))
        self._add_layers("dense", x, wide, even)
        if self.products:
            self.found["grouped, shuffled"] = self._grouped(shuffled)
            self.found["conv 1"] = self._conv(x, 1, ONE)
        if self.chains:
            self.found["conv, max_pool, pointwise"] = self._chain(x, "conv", "max", "pw")
        if self.arena:
            self._add_layers("arena", *(self._add(Add(), value, value) for value in inputs))
        self.graph.set_outputs(self.found.values(), self.found)
        return self.graph

    def _add_layers(self, where: str, x: Value, wide: Value, even: Value) -> None:
        layers = [*self._elements(x, wide), *self._windows(x, wide)]
        if self.products:
            layers += [*self._depthwise(x), *self._products(x, wide), *self._strassen(even)]
        self.found |= {f"{name}, {where}": value for name, value in layers}

    def _elements(self, x: Value, wide: Value) -> Iterator[tuple[str, Value]]:
        yield "relu", self._add(Activate(RELU), x)
        yield "relu6", self._add(Activate(RELU6), x)
        for act in ROUNDED:
            yield str(act), self._add(Activate(act), x)
        yield "add", self._add(Add(RELU6), wide, wide)
        yield from self._arithmetic(x)
        if self.chains:
            yield from self._unary(x)
            yield from self._rows(x)
        yield "batch_norm", self._norm(x)
        yield "softmax", self._add(Softmax(), x)
        vectors = [self.constant(CHANNELS), self.constant(CHANNELS)]
        yield "layer_norm", self._add(LayerNorm(), x, *vectors)
        flat = self._add(Reshape((self.images, HEIGHT * WIDTH * GROUPED)), wide)
        yield "softmax whole", self._add(Softmax(), flat)

    def _arithmetic(self, x: Value) -> Iterator[tuple[str, Value]]:
        means, vector = self._add(GlobalAvgPool(), x), self.constant(CHANNELS)
        for op in (Sub(), Mul(), Min(), Max()):
            yield f"{op.mnemonic} means", self._add(op, x, means)
            yield f"means {op.mnemonic}", self._add(op, means, x)
            yield f"{op.mnemonic} vector", self._add(op, x, vector)
            yield f"vector {op.mnemonic}", self._add(op, vector, x)
        yield "prelu vector", self._add(Prelu(), x, vector)
        yield "prelu means", self._add(Prelu(), x, means)
        yield "div", self._add(Div(), x, self.positive(CHANNELS))
        zero = self._add(Div(), x, Constant.of("zero", np.zeros(1)))
        yield "div zero", self._add(Min(), zero, self.positive(1))

    def _unary(self, x: Value) -> Iterator[tuple[str, Value]]:
        for op in (Abs(), Neg(), Exp(), Log(), Sqrt(), Reciprocal(), Pow(3.0), Pow(-0.5)):
            yield f"{op}", self._add(op, x)

    def _rows(self, x: Value) -> Iterator[tuple[str, Value]]:
        yield "log_softmax", self._add(LogSoftmax(), x)
        yield "l2_normalize", self._add(L2Normalize(), x)
        yield "lrn", self._add(Lrn(4, 0.5), x)
        yield (
            "instance_norm",
            self._add(InstanceNorm(), x, self.constant(CHANNELS), self.constant(CHANNELS)),
        )
        yield "matmul", self._add(MatMul(), x, self._add(Transpose((0, 1, 3, 2)), x))

    def _norm(self, x: Value) -> Value:
        more = [self.constant(CHANNELS) for _ in range(3)]
        return self._add(BatchNorm(), x, *more, self.positive(CHANNELS))

    def _windows(self, x: Value, wide: Value) -> Iterator[tuple[str, Value]]:
        for kernel, stride, pad in (((3, 3), 2, ONE), ((2, 2), 2, NONE), ((1, 4), 1, (0, 0, 1, 2))):
            op = MaxPool(kernel, (stride, stride), pad)
            yield f"max_pool {kernel}", self._add(op, x)
        yield "max_pool wide", self._add(MaxPool((3, 3), (1, 1), ONE), wide)
        yield "avg_pool", self._add(AvgPool((3, 3), (2, 2), ONE, act=RELU), x)
        yield "avg_pool all", self._add(AvgPool((3, 2), (2, 2), ONE, count_pad=True), x)
        yield "global_avg_pool", self._add(GlobalAvgPool(), x)
        for size in ((14, 18), (5, 11)):
            for mode, grid in (("nearest", "asymmetric"), ("bilinear", "half_pixel")):
                yield f"resize {mode} {size}", self._add(Resize(size, mode, grid), x)
        yield "resize corners", self._add(Resize((13, 25), "bilinear", "align_corners"), x)
        for axes in ((1, 2), (3,), (2, 3)):
            for kind in REDUCTIONS:
                yield f"{kind.mnemonic} {axes}", self._add(kind(axes), x)

    def _depthwise(self, x: Value) -> Iterator[tuple[str, Value]]:
        for stride in (1, 2):
            op = Conv2d((stride, stride), ONE, groups=CHANNELS, act=RELU6)
            weight = self.constant(3, 3, 1, CHANNELS)
            yield f"depthwise {stride}", self._add(op, x, weight, self.constant(CHANNELS))

    def _products(self, x: Value, wide: Value) -> Iterator[tuple[str, Value]]:
        for n, act, residual in ((21, RELU6, []), (CHANNELS, RELU, [x])):
            weight, bias = self.constant(1, 1, CHANNELS, n), self.constant(n)
            yield f"pointwise {n}", self._add(Conv2d(act=act), x, weight, bias, *residual)
        yield "grouped", self._grouped(wide)
        yield "conv 2", self._conv(x, 2, (0, 1, 0, 1))
        up = TransposedConv((2, 2), ONE, (1, 1), act=RELU)
        weight, bias = self.constant(3, 3, CHANNELS, 10), self.constant(10)
        yield "transposed_conv", self._add(up, x, weight, bias)
        flat = self._add(Reshape((self.images, HEIGHT * WIDTH * CHANNELS)), x)
        weight = self.constant(HEIGHT * WIDTH * CHANNELS, 19)
        yield "dense", self._add(Dense(RELU6), flat, weight, self.constant(19))
        yield "depthwise, pointwise", self._chain(x, "dw", "pw")
        if self.chains:
            yield "pointwise, depthwise, pointwise", self._chain(x, "pw", "dw", "pw")

    def _grouped(self, x: Value | ChannelView) -> Value:
        return self._add(Conv2d(groups=4, act=RELU), x, self.constant(1, 1, GROUPED // 4, 20))

    def _conv(self, x: Value, stride: int, pad: tuple[int, int, int, int]) -> Value:
        op, weight = Conv2d((stride, stride), pad, act=RELU), self.constant(2, 2, CHANNELS, 10)
        return self._add(op, x, weight, self.constant(10))

    def _chain(self, x: Value, *kinds: str) -> Value:
        body = Graph("chain")
        last = body.add_input("x", x.type)
        for kind in kinds:
            op, weight = self._step(kind)
            last = body.add(op, [last, *weight]).result
        body.set_outputs([last])
        return self._add(Fused("chain", body), x)

    def _step(self, kind: str) -> tuple[Op, list[Operand]]:
        match kind:
            case "pw":
                return Conv2d(act=RELU6), [self.constant(1, 1, CHANNELS, CHANNELS)]
            case "dw":
                weight = self.constant(3, 3, 1, CHANNELS)
                return Conv2d((1, 1), ONE, groups=CHANNELS, act=RELU), [weight]
            case "conv":
                weight = self.constant(2, 2, CHANNELS, CHANNELS)
                return Conv2d((1, 1), ONE, act=RELU), [weight]
            case _:
                return MaxPool((3, 3), (2, 2), ONE), []

    def _strassen(self, even: Value) -> Iterator[tuple[str, Value]]:
        for n, act in ((48, RELU6), (HALVED, None)):
            weight, bias = self.constant(1, 1, HALVED, n), self.constant(n)
            residual = [even] if n == HALVED else []
            node = self.graph.add(Conv2d(act=act), [even, weight, bias, *residual])
            yield f"strassen {n}", by_strassen(node).result

    def _add(self, op: Op, *operands: Operand | Value) -> Value:
        return self.graph.add(op, operands).result


PLACES: Mapping[str, tuple[int, int, int]] = {
    "first": (0, 0, 0),
    "inside": (3, 4, 5),
    "last": (HEIGHT - 1, WIDTH - 1, -1),
}

VALUES: Mapping[str, np.float32] = {
    "NaN": np.float32(np.nan),
    "NaN with a sign and a payload": np.uint32(0xFFC00123).view(np.float32),
    "inf": np.float32(np.inf),
    "-inf": np.float32(-np.inf),
}


def plain(graph: Graph) -> Tensors:
    """Inputs like any other."""
    rng = np.random.default_rng(7)
    return {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}


def special_inputs(graph: Graph) -> dict[str, Tensors]:
    """By what is special about the image, or each of them."""
    changes: dict[str, Callable[[np.ndarray], object]] = {
        f"{kind} {name}": partial(_put, place, value)
        for kind, value in VALUES.items()
        for name, place in PLACES.items()
    } | {
        "all NaN": partial(_put, ..., VALUES["NaN"]),
        "all -inf": partial(_put, ..., VALUES["-inf"]),
        "both infinities": _put_both_infinities,
        "far below zero": lambda x: np.multiply(x, -10, out=x),
        "a pixel of -inf": partial(_put, (2, 3), VALUES["-inf"]),
        "a row of NaN": partial(_put, HEIGHT - 1, VALUES["NaN"]),
    }
    return {name: _changed(graph, change) for name, change in changes.items()}


def _put(place: Any, value: np.float32, x: np.ndarray) -> None:
    x[place] = value


def _put_both_infinities(x: np.ndarray) -> None:
    x[0, 0, 0], x[1, 1, 1], x[1, 1, 2], x[-1, -1, -1] = np.inf, -np.inf, np.inf, -np.inf


def _changed(graph: Graph, change: Callable[[np.ndarray], object]) -> Tensors:
    found = plain(graph)
    for array in found.values():
        for image in array:
            change(image)
    return found


TOLERANCE = 1e-4  # of the largest finite number: sums of dozens are cut at 6


def difference(actual: np.ndarray, expected: np.ndarray) -> str:
    """How results differ: NaN and infinities must stand in the same places; "" if they do."""
    for name, test in (("NaN", np.isnan), ("inf", np.isposinf), ("-inf", np.isneginf)):
        if (test(actual) != test(expected)).any():
            place = np.argwhere(test(actual) != test(expected))[0]
            found, wanted = actual[tuple(place)], expected[tuple(place)]
            return f"{name} is not where it should be: {found}, not {wanted} at {place}"
    numbers = np.isfinite(expected)
    if not numbers.any():
        return ""
    scale = max(float(np.abs(expected[numbers]).max()), 1.0)
    error = float(np.abs(actual[numbers] - expected[numbers]).max()) / scale
    return f"error {error}" if error > TOLERANCE else ""


def differences(inputs: Tensors, actual: Tensors, expected: Tensors) -> Iterator[str]:
    """All of them; those of Strassen's method where it may not spoil a pixel."""
    for name, wanted in expected.items():
        found = actual[name]
        if name.startswith("strassen"):
            bad = ~np.isfinite(inputs["even"]).all(axis=-1).ravel()
            spoilt = bad | partners_of(bad)
            found, wanted = (a.reshape(len(bad), -1) for a in (found, wanted))
            lost = np.isnan(wanted) & ~np.isnan(found)
            if lost.any():
                yield f"{name}: NaN is lost at {np.argwhere(lost)[0]}"
            found, wanted = found[~spoilt], wanted[~spoilt]
        if told := difference(found, wanted):
            yield f"{name}: {told}"


def partners_of(bad: np.ndarray) -> np.ndarray:
    """Which pixels of an image have one of these as a partner: pixels of the upper and of the lower
    half, the middle one of an odd number in both, with its result as one of the upper."""
    pixels = len(bad)
    below, half = pixels // 2, pixels - pixels // 2
    partner = [p + below if p < half else p - below for p in range(pixels)]
    found: np.ndarray = bad[partner]
    return found
