"""Random small graphs for property tests: every op, channel views, fused bodies, placements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView, Place, Value
from mbc.ops.elementwise import Activate, Add, BatchNorm, Softmax
from mbc.ops.fused import Fused
from mbc.ops.grid import ConcatAlong, DepthToSpace, Pad, Slice, SpaceToDepth
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from tests.activations import ACTS

ACTIVATIONS = st.sampled_from(ACTS)


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 8) -> Graph:
    """A well-formed graph with bound constants of small integers."""
    return _Builder(draw).build(max_nodes)


@st.composite
def orders(draw: st.DrawFn, channels: int) -> ChannelMap:
    """A permutation: the identity, a shuffle, or any."""
    groups = [g for g in range(1, channels + 1) if channels % g == 0]
    shuffle = st.sampled_from(groups).map(lambda g: ChannelMap.shuffle(g, channels))
    anything = st.permutations(range(channels)).map(lambda p: ChannelMap(tuple(p)))
    return draw(shuffle | anything)


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


@dataclass
class _Builder:
    draw: st.DrawFn
    constants: list[Constant] = field(default_factory=list)

    def build(self, max_nodes: int) -> Graph:
        graph = Graph(
            "random", self.draw(st.dictionaries(st.text(max_size=4), st.text(max_size=4)))
        )
        for name in self.draw(st.sampled_from([("x",), ("x", "y"), ("a_b", "_c2", "Z")])):
            graph.add_input(name, self.image())
        self.fill(graph, self.draw(st.integers(0, max_nodes)), nested=True)
        if self.draw(st.booleans()):
            self.place(graph)
        return graph

    def image(self) -> TensorType:
        return TensorType(tuple(self.draw(st.integers(1, 6)) for _ in range(4)))

    def fill(self, graph: Graph, count: int, *, nested: bool) -> None:
        """Add nodes, and return some values, at least the last."""
        values = list(graph.inputs)
        for _ in range(count):
            values += self.node(graph, values, nested=nested).results
        more = self.draw(st.lists(st.sampled_from(values), max_size=2))
        outputs = [self.view(value) for value in [values[-1], *more]]
        names = [f"out{i}" for i in range(len(outputs))]
        graph.set_outputs(outputs, names if self.draw(st.booleans()) else None)

    def node(self, graph: Graph, values: list[Value], *, nested: bool) -> Node:
        """A node on a random value."""
        x = self.view(self.draw(st.sampled_from(values)))
        makers: list[Callable[[Graph, ChannelView], Node]] = [self.elementwise, self.move]
        if x.type.rank == 4:
            makers += [self.conv, self.pool, self.join]
        if x.type.rank == 2:
            makers.append(self.dense)
        if nested:
            makers.append(self.fused)
        return self.draw(st.sampled_from(makers))(graph, x)

    def view(self, value: Value) -> ChannelView:
        """A value: plain, in another order, or a part of its channels."""
        view = ChannelView.of(value)
        channels = value.type.channels
        match self.draw(st.sampled_from(["plain", "plain", "order", "slice", "both"])):
            case "order":
                return view.through(self.draw(orders(channels)))
            case "slice":
                start = self.draw(st.integers(0, channels - 1))
                return view.slice(start, self.draw(st.integers(1, channels - start)))
            case "both":
                return view.through(self.draw(orders(channels))).slice(0, -(-channels // 2))
        return view

    def constant(self, *shape: int) -> Constant:
        numbers = np.arange(np.prod(shape)) * 7 % 11 - 4
        name = self.draw(st.sampled_from(["w", "blocks.3.dw.weight", "a/b:0", 'q"\\ü'])) + str(
            len(self.constants)
        )
        self.constants.append(Constant.of(name, numbers.reshape(shape)))
        return self.constants[-1]

    def elementwise(self, graph: Graph, x: ChannelView) -> Node:
        channels = x.type.channels
        match self.draw(st.integers(0, 4)):
            case 0:
                return graph.add(Activate(RELU), [x])
            case 1:
                return graph.add(Activate(RELU6), [x])
            case 2:
                return graph.add(Softmax(), [x])
            case 3:
                return graph.add(
                    Add(act=self.draw(ACTIVATIONS)), [x, x.through(ChannelMap.identity(channels))]
                )
        epsilon = self.draw(st.sampled_from([1e-5, 1e-3, 1.0]))
        variance = Constant.of(f"var{len(self.constants)}", np.full(channels, 2.0))
        vectors = [self.constant(channels) for _ in range(3)]
        return graph.add(BatchNorm(epsilon=epsilon), [x, *vectors, variance])

    def move(self, graph: Graph, x: ChannelView) -> Node:
        channels = x.type.channels
        match self.draw(st.integers(0, 6)):
            case 5:
                return graph.add(self.slice(x.type), [x])
            case 6:
                return self.grid(graph, x)
            case 0:
                return graph.add(
                    ChannelShuffle(groups=self.draw(st.sampled_from(divisors(channels)))), [x]
                )
            case 1:
                first = self.draw(st.integers(1, channels))
                sizes = (first, channels - first) if first < channels else (channels,)
                return graph.add(Split(sizes=sizes), [x])
            case 2:
                return graph.add(
                    Reshape(shape=(x.type.shape[0], x.type.elements // x.type.shape[0])), [x]
                )
            case 3:
                return graph.add(
                    Transpose(perm=tuple(self.draw(st.permutations(range(x.type.rank))))), [x]
                )
        return graph.add(Concat(), [x] * self.draw(st.integers(1, 3)))

    def slice(self, type: TensorType) -> Slice:
        axis = self.draw(st.integers(0, type.rank - 1))
        start = self.draw(st.integers(0, type.shape[axis] - 1))
        stop = self.draw(st.integers(start + 1, type.shape[axis]))
        return Slice(axis, start, stop, self.draw(st.integers(1, 3)))

    def grid(self, graph: Graph, x: ChannelView) -> Node:
        shape = x.type.shape
        fitting: list[Op] = [ConcatAlong(self.draw(st.integers(0, len(shape) - 1)))]
        before, after = (tuple(self.draw(st.integers(0, 2)) for _ in shape) for _ in range(2))
        fitting.append(Pad(before, after, self.draw(st.sampled_from([0.0, -1.5]))))
        if len(shape) == 4:
            fitting += [DepthToSpace(2)] if shape[3] % 4 == 0 else []
            fitting += [SpaceToDepth(2)] if shape[1] % 2 == shape[2] % 2 == 0 else []
        op = self.draw(st.sampled_from(fitting))
        return graph.add(op, [x] * (2 if isinstance(op, ConcatAlong) else 1))

    def conv(self, graph: Graph, x: ChannelView) -> Node:
        channels = x.type.channels
        groups = self.draw(st.sampled_from(divisors(channels)))
        outputs = groups * self.draw(st.integers(1, 3))
        kernel = self.draw(st.sampled_from([1, 2, 3]))
        pad = (kernel - 1, kernel // 2, kernel // 2, kernel - 1)
        stride = (self.draw(st.integers(1, 2)), self.draw(st.integers(1, 2)))
        op = Conv2d(stride=stride, pad=pad, groups=groups, act=self.draw(ACTIVATIONS))
        weight = self.constant(kernel, kernel, channels // groups, outputs)
        bias = self.constant(outputs) if self.draw(st.booleans()) else None
        node = graph.add(op, [x, weight, bias])
        if self.draw(st.booleans()):
            return graph.add(op, [x, weight, bias, self.view_like(node.result)])
        return node

    def view_like(self, value: Value) -> ChannelView:
        return ChannelView.of(value).through(self.draw(orders(value.type.channels)))

    def pool(self, graph: Graph, x: ChannelView) -> Node:
        match self.draw(st.integers(0, 2)):
            case 0:
                return graph.add(GlobalAvgPool(), [x])
            case 1:
                return graph.add(MaxPool(kernel=(2, 3), stride=(1, 2), pad=(1, 0, 1, 1)), [x])
        count_pad = self.draw(st.booleans())
        return graph.add(
            AvgPool(kernel=(3, 2), stride=(2, 1), pad=(1, 1, 0, 1), count_pad=count_pad), [x]
        )

    def join(self, graph: Graph, x: ChannelView) -> Node:
        """A view that joins two values."""
        other = graph.add(Activate(RELU), [x]).result
        joined = ChannelView.concat([ChannelView.of(other), x])
        return graph.add(Activate(RELU6), [joined.through(self.draw(orders(len(joined.order))))])

    def dense(self, graph: Graph, x: ChannelView) -> Node:
        outputs = self.draw(st.integers(1, 4))
        weight = self.constant(x.type.channels, outputs)
        return graph.add(Dense(act=self.draw(ACTIVATIONS)), [x, weight])

    def fused(self, graph: Graph, x: ChannelView) -> Node:
        body = Graph("body")
        body.add_input("x", x.type)
        self.fill(body, self.draw(st.integers(1, 3)), nested=False)
        return graph.add(Fused(kind="random_body", body=body), [x])

    def place(self, graph: Graph) -> None:
        offset = 0
        for node in graph.topo():
            for result in node.results:
                channels = result.type.channels
                pitch = self.draw(st.none() | st.integers(channels, channels + 5))
                result.place = Place(offset, pitch)
                offset += 4 * (pitch or channels) * (result.type.elements // channels)
            node.scratch = self.draw(st.none() | st.integers(0, offset))
        graph.arena_bytes = offset
