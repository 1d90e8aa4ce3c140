"""Random quantised networks, and data for the constants of those written as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from mbc.ir.activations import RELU, RELU6, Activation, Clip
from mbc.ir.elements import F32, Q8, S8, S32, U8, Element
from mbc.ir.graph import Constant, Graph, Node
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
    GlobalAvgPool,
    Lookup,
    Max,
    MaxPool,
    Min,
    Mul,
    Pad,
    Quantize,
    ReduceMean,
    Requantize,
    Reshape,
    Resize,
    Split,
    Sub,
)
from mbc.ops.elementwise import Activate
from mbc.ops.quantized import LAYER_ELEMENTS
from tests.activations import ACTS

T = TypeVar("T")


def bind(graph: Graph, seed: int = 0) -> Graph:
    """Give the constants data: weights of all sizes, multipliers that use most codes."""
    random = np.random.default_rng(seed)
    for node in graph.topo():
        for role, operand in node.items():
            if isinstance(operand, Constant) and operand.data is None:
                weight = node.constant("weight") if role in LAYER_ELEMENTS else operand
                assert weight is not None
                operand.data = drawn(random, role, operand.type, weight.type)
    return graph


def drawn(
    random: np.random.Generator, role: str, type: TensorType, weight: TensorType
) -> np.ndarray:
    """Data for a constant beside a weight of that type."""
    terms = weight.elements // weight.channels
    match role:
        case "weight":
            return random.integers(-127, 128, type.shape).astype(np.int8)
        case "bias":
            return random.integers(-4000, 4000, type.shape).astype(np.int32)
    spread: np.ndarray = 10 ** random.uniform(-0.5, 0.5, type.shape)
    return np.asarray(spread / (150 * np.sqrt(terms)), np.float32)


def codes(seed: int, type: TensorType) -> np.ndarray:
    """An input: any codes, or real numbers."""
    random = np.random.default_rng(seed)
    if type.element is F32:
        return random.normal(0, 2, type.shape).astype(np.float32)
    return random.integers(0, 256, type.shape).astype(type.element.numpy)


def random_graph(seed: int, nodes: int, *, reorders: bool = True, wide: bool = False) -> Graph:
    """A network of quantised ops on one or two inputs, with data; with `reorders`, operands may
    read channels in other orders, which few kernels can; `wide` has all ops on codes."""
    return _Builder(np.random.default_rng(seed), reorders=reorders, wide=wide).build(nodes)


@dataclass
class _Builder:
    random: np.random.Generator
    count: int = field(default=0)
    reorders: bool = True
    wide: bool = False

    def build(self, nodes: int) -> Graph:
        graph = Graph("quantised")
        channels = 4 * self.number(1, 3)
        image = (self.number(1, 2), self.number(3, 6), self.number(3, 6), channels)
        given = graph.add_input("x", TensorType(image, self.element()))
        real = graph.add_input("r", TensorType(image))
        images = [given, graph.add(Quantize(to=self.element()), [real]).result]
        for _ in range(nodes):
            images += self.node(graph, self.any_of(images), images).results
        results = [images[-1], self.any_of(images)]
        graph.set_outputs([*results, *self.head(graph, self.any_of(images))])
        return graph

    def number(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def any_of(self, items: list[T]) -> T:
        return items[self.number(0, len(items) - 1)]

    def element(self) -> Q8:
        return Q8.of(float(10 ** self.random.uniform(-2, 0)), self.number(0, 255))

    def act(self) -> Activation | None:
        return self.any_of(list(ACTS))

    def node(self, graph: Graph, x: Value, images: list[Value]) -> Node:
        makers: list[Callable[[Graph, Value], Node]] = [
            self.pointwise,
            self.depthwise,
            self.patches,
            self.move,
            self.pool,
            self.activation,
            self.converted,
            lambda graph, x: self.add(graph, x, images),
            lambda graph, x: self.join(graph, x, images),
        ]
        if self.wide:
            makers += [self.resized, self.padded, lambda graph, x: self.combined(graph, x, images)]
        return self.any_of(makers)(graph, x)

    def pointwise(self, graph: Graph, x: Value) -> Node:
        groups = self.any_of([g for g in (1, 1, 2, 4) if x.type.channels % g == 0])
        return self.layer(graph, x, Conv2d(groups=groups), (1, 1), groups * self.number(1, 4))

    def depthwise(self, graph: Graph, x: Value) -> Node:
        channels = x.type.channels
        op = Conv2d(groups=channels, pad=(1, 1, 1, 1))
        return self.layer(graph, x, op, (3, 3), channels)

    def patches(self, graph: Graph, x: Value) -> Node:
        return self.layer(graph, x, Conv2d(pad=(0, 1, 1, 0)), (2, 2), 4 * self.number(1, 2))

    def layer(
        self, graph: Graph, x: Value, op: Conv2d, kernel: tuple[int, int], outputs: int
    ) -> Node:
        weight = TensorType((*kernel, x.type.channels // op.groups, outputs), S8)
        op = Conv2d(pad=op.pad, groups=op.groups, to=self.element(), act=self.any_of(list(ACTS)))
        bias = None
        if self.number(0, 3):
            bias = self.constant("bias", (outputs,), S32, weight)
        multiplier = self.constant("multiplier", (outputs,), F32, weight)
        view = self.view(x)
        filters = self.constant("weight", weight.shape, S8, weight)
        node = graph.add(op, [view, filters, bias, None, multiplier])
        if self.number(0, 3):
            return node
        residual = self.view(node.result)
        return graph.add(op, [view, filters, bias, residual, multiplier])

    def constant(
        self, role: str, shape: tuple[int, ...], element: Element, weight: TensorType
    ) -> Constant:
        self.count += 1
        data = drawn(self.random, role, TensorType(shape, element), weight)
        return Constant.of(f"{role}{self.count}", data, element)

    def view(self, value: Value) -> ChannelView:
        whole = ChannelView.of(value)
        channels = value.type.channels
        match self.number(0, 4) if self.reorders else None:
            case 0:
                order = self.random.permutation(channels)
                return whole.through(ChannelMap(tuple(map(int, order))))
            case 1 if channels % 2 == 0:
                return whole.through(ChannelMap.shuffle(2, channels))
        return whole

    def move(self, graph: Graph, x: Value) -> Node:
        channels = x.type.channels
        if channels % 2 == 0 and self.number(0, 2):
            return graph.add(ChannelShuffle(groups=2), [x])
        if channels > 1:
            first = self.number(1, channels - 1)
            parts = graph.add(Split(sizes=(first, channels - first)), [x]).results
            return graph.add(Concat(), [parts[1], parts[0]])
        return graph.add(Reshape(shape=x.type.shape), [x])

    def pool(self, graph: Graph, x: Value) -> Node:
        if self.number(0, 1):
            return graph.add(MaxPool(kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1)), [x])
        op = AvgPool(
            kernel=(2, 2),
            stride=(1, 1),
            pad=(1, 0, 0, 1),
            count_pad=bool(self.number(0, 1)),
            to=self.element(),
            act=self.act(),
        )
        return graph.add(op, [x])

    def activation(self, graph: Graph, x: Value) -> Node:
        return graph.add(Activate(self.any_of([RELU, RELU6, Clip(-0.5, 1.0)])), [x])

    def converted(self, graph: Graph, x: Value) -> Node:
        """Another scale, or any function of one number."""
        if self.number(0, 1):
            return graph.add(Requantize(to=self.element()), [self.view(x)])
        self.count += 1
        table = self.random.integers(0, 256, 256)
        constant = Constant.of(f"table{self.count}", table, U8)
        return graph.add(Lookup(to=self.element()), [self.view(x), constant])

    def resized(self, graph: Graph, x: Value) -> Node:
        size = (self.number(2, 7), self.number(2, 7))
        if self.number(0, 1):
            return graph.add(Resize(size, "nearest", "asymmetric"), [x])
        return graph.add(Resize(size, to=self.element()), [x])

    def padded(self, graph: Graph, x: Value) -> Node:
        value = float(self.random.uniform(-1, 1))
        return graph.add(Pad((0, 1, 0, 0), (0, 0, 1, 0), value), [x])

    def combined(self, graph: Graph, x: Value, images: list[Value]) -> Node:
        """Arithmetic on equal shapes, or with a mean of the images."""
        kind = self.any_of([Add, Sub, Mul, Min, Max])
        if self.number(0, 1):
            mean = graph.add(ReduceMean((1, 2), to=self.element()), [self.view(x)]).result
            return graph.add(kind(to=self.element(), act=self.act()), [self.view(x), mean])
        other = self.any_of([v for v in images if v.type.shape == x.type.shape])
        op = kind(to=self.element(), act=self.act())
        return graph.add(op, [self.view(x), self.view(other)])

    def add(self, graph: Graph, x: Value, images: list[Value]) -> Node:
        other = self.any_of([v for v in images if v.type.shape == x.type.shape])
        op = Add(to=self.element(), act=self.act())
        return graph.add(op, [self.view(x), self.view(other)])

    def join(self, graph: Graph, x: Value, images: list[Value]) -> Node:
        alike = [v for v in images if v.type.with_channels(1) == x.type.with_channels(1)]
        return graph.add(Concat(), [x, self.any_of(alike)])

    def head(self, graph: Graph, x: Value) -> list[Value]:
        """Logits in f32, and codes as real numbers."""
        mean = graph.add(GlobalAvgPool(to=self.element()), [x]).result
        weight = TensorType((x.type.channels, 5), S8)
        constants = [
            self.constant("weight", weight.shape, S8, weight),
            self.constant("bias", (5,), S32, weight),
            self.constant("multiplier", (5,), F32, weight),
        ]
        logits = graph.add(Dense(act=self.act()), [mean, *constants]).result
        return [logits, graph.add(Dequantize(), [mean]).result]
