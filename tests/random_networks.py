"""Random networks in the manner of ShuffleNet and MobileNet: stages of units that split, join,
shuffle, pool and add channels in any order. Weights are such that no float sum rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hypothesis import strategies as st

from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.ops.elementwise import Activate, Add, BatchNorm, Max, Min, Mul, Prelu, Sub
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.resize import Resize
from mbc.ops.transposed import TransposedConv
from tests.activations import ACTS
from tests.exact import bind_exact

SIDE = 8  # of the input; halved by each stage, so that all means divide by powers of 2
WIDTHS = (6, 8, 12, 24)


@st.composite
def networks(draw: st.DrawFn, max_stages: int = 3, max_units: int = 4) -> Graph:
    """A network with bound constants."""
    graph = Graph("random")
    width = draw(st.sampled_from(WIDTHS))
    builder = _Builder(draw, graph)
    x = graph.add_input("x", TensorType((1, SIDE, SIDE, width)))
    for stage in range(draw(st.integers(1, max_stages))):
        builder.earlier = [x]
        for _ in range(draw(st.integers(1, max_units))):
            x = builder.unit(x, depth=2)
            builder.earlier.append(x)
        if stage < max_stages - 1 and draw(st.booleans()):
            x = builder.downsample(x)
    outputs = [builder.head(x)]
    if draw(st.integers(0, 3)) == 0:
        outputs.append(draw(st.sampled_from(builder.earlier)))
    graph.set_outputs(dict.fromkeys(value for value in outputs if value not in graph.inputs))
    if not graph.outputs:
        graph.set_outputs([builder.put(Activate(RELU), x)])
    bind_exact(graph, draw(st.integers(0, 3)))
    return graph


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


@dataclass
class _Builder:
    draw: st.DrawFn
    graph: Graph
    earlier: list[Value] = field(default_factory=list)
    constants: int = 0

    def put(self, op: Op, *operands: Value | Constant | None) -> Value:
        """The first result of a new node."""
        return self.graph.add(op, operands).results[0]

    def constant(self, *shape: int) -> Constant:
        self.constants += 1
        return Constant(f"c{self.constants}", TensorType(shape))

    def unit(self, x: Value, depth: int) -> Value:
        """One of the building blocks; those that branch hold others."""
        simple: list[Callable[[Value], Value]] = [
            *(self.pointwise, self.depthwise, self.conv, self.activation, self.batch_norm),
            *(self.shuffle, self.shuffle, self.written_shuffle, self.pool),
            *(self.join_earlier, self.add_earlier, self.swap),
            *(self.arithmetic, self.resized, self.transposed),
        ]
        branching: list[Callable[[Value], Value]] = [
            partial(make, depth=depth - 1)
            for make in (self.split_unit, self.residual, self.two_branches)
        ]
        make = self.draw(st.sampled_from([*simple, *(branching * 2 if depth else ())]))
        made: Value = make(x)
        return made

    def branch(self, x: Value, depth: int) -> Value:
        """A few units, one after the other."""
        for _ in range(self.draw(st.integers(1, 3))):
            x = self.unit(x, depth)
        return x

    def pointwise(self, x: Value, width: int | None = None) -> Value:
        channels = x.type.channels
        outputs = width or self.draw(st.sampled_from([channels, *WIDTHS]))
        both = [g for g in _divisors(channels) if outputs % g == 0]
        groups = self.draw(st.sampled_from(both))
        return self.conv2d(x, 1, groups, outputs)

    def conv2d(self, x: Value, kernel: int, groups: int, outputs: int, stride: int = 1) -> Value:
        pad = (kernel // 2,) * 4
        op = Conv2d((stride, stride), pad, groups=groups, act=self.draw(st.sampled_from(ACTS)))
        weight = self.constant(kernel, kernel, x.type.channels // groups, outputs)
        bias = self.constant(outputs) if self.draw(st.booleans()) else None
        return self.put(op, x, weight, bias)

    def depthwise(self, x: Value, stride: int = 1) -> Value:
        channels = x.type.channels
        multiplier = self.draw(st.sampled_from([1, 1, 1, 2, 4])) if channels < 24 else 1
        return self.conv2d(x, 3, channels, channels * multiplier, stride)

    def conv(self, x: Value) -> Value:
        groups = self.draw(st.sampled_from(_divisors(x.type.channels)))
        return self.conv2d(x, 3, groups, x.type.channels)

    def activation(self, x: Value) -> Value:
        return self.put(self.draw(st.sampled_from([Activate(RELU), Activate(RELU6)])), x)

    def batch_norm(self, x: Value) -> Value:
        return self.put(BatchNorm(), x, *(self.constant(x.type.channels) for _ in range(4)))

    def shuffle(self, x: Value) -> Value:
        return self.put(ChannelShuffle(self.draw(st.sampled_from(_divisors(x.type.channels)))), x)

    def written_shuffle(self, x: Value) -> Value:
        """As reshape, transpose, reshape."""
        groups = self.draw(st.sampled_from(_divisors(x.type.channels)))
        *outer, channels = x.type.shape
        split = self.put(Reshape((*outer, groups, channels // groups)), x)
        return self.put(Reshape(x.type.shape), self.put(Transpose((0, 1, 2, 4, 3)), split))

    def pool(self, x: Value) -> Value:
        """A window that keeps the size; means are over 1, 2 or 4."""
        if self.draw(st.booleans()):
            return self.put(MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), x)
        act, count_pad = self.draw(st.sampled_from(ACTS)), self.draw(st.booleans())
        return self.put(AvgPool((2, 2), (1, 1), (1, 0, 0, 1), count_pad, act), x)

    def resized(self, x: Value) -> Value:
        """Made larger, where means are over 2 or 4, and smaller again."""
        sides = (2 * x.type.shape[1], 2 * x.type.shape[2])
        mode = self.draw(st.sampled_from(["nearest", "bilinear"]))
        large = self.put(Resize(sides, mode, "asymmetric"), x)
        return self.put(MaxPool(), large)

    def transposed(self, x: Value) -> Value:
        """Made larger by a filter, and smaller again."""
        channels = x.type.channels
        groups = self.draw(st.sampled_from(_divisors(channels)))
        op = TransposedConv((2, 2), groups=groups, act=self.draw(st.sampled_from(ACTS)))
        bias = self.constant(channels) if self.draw(st.booleans()) else None
        weight = self.constant(2, 2, channels // groups, channels)
        return self.put(MaxPool(), self.put(op, x, weight, bias))

    def like(self, x: Value) -> list[Value]:
        """Earlier values of the same height and width."""
        return [v for v in self.earlier if v.type.shape[:-1] == x.type.shape[:-1]]

    def join_earlier(self, x: Value) -> Value:
        parts = [x, *self.draw(st.lists(st.sampled_from(self.like(x) or [x]), max_size=2))]
        if sum(part.type.channels for part in parts) > 48:
            return x
        return self.put(Concat(), *self.draw(st.permutations(parts)))

    def add_earlier(self, x: Value) -> Value:
        same = [v for v in self.like(x) if v.type == x.type] or [x]
        act = self.draw(st.sampled_from(ACTS))
        return self.put(
            Add(act), *self.draw(st.permutations([x, self.draw(st.sampled_from(same))]))
        )

    def arithmetic(self, x: Value) -> Value:
        """With a constant of each channel, pixel, or all, on either side, or with means."""
        whole, act = x.type.shape, self.draw(st.sampled_from(ACTS))
        op = self.draw(st.sampled_from([Add(act), Sub(act), Mul(act), Min(act), Max(act)]))
        forms = [(whole[-1],), (1,), (1, *whole[1:3], 1), (1, 1, 1, whole[-1])]
        other: Value | Constant = self.constant(*self.draw(st.sampled_from(forms)))
        if self.draw(st.booleans()):
            other = self.put(MaxPool((whole[1], whole[2]), (1, 1)), x)
            op = op if isinstance(op, Add | Sub) else Min(act)
            return self.put(op, *self.draw(st.permutations([x, other])))
        if self.draw(st.booleans()):
            return self.put(Prelu(act), x, other)
        return self.put(op, *self.draw(st.permutations([x, other])))

    def split(self, x: Value) -> list[Value]:
        channels = x.type.channels
        if channels < 2:
            return [x]
        cut = self.draw(st.sampled_from([channels // 2, channels // 2, 1, channels - 1]))
        return list(self.graph.add(Split((cut, channels - cut)), [x]).results)

    def swap(self, x: Value) -> Value:
        """Parts joined in another order."""
        return self.put(Concat(), *reversed(self.split(x)))

    def split_unit(self, x: Value, depth: int) -> Value:
        """Figure 3c of ShuffleNetV2: some channels pass, the others are worked on."""
        *kept, worked = self.split(x)
        joined = self.put(Concat(), *kept, self.branch(worked, depth))
        return self.shuffle(joined) if self.draw(st.booleans()) else joined

    def residual(self, x: Value, depth: int) -> Value:
        """A branch that comes back to the width of x, added to it."""
        y = self.branch(x, depth)
        if y.type != x.type:
            y = self.pointwise(y, x.type.channels)
        y = self.shuffle(y) if self.draw(st.booleans()) else y
        operands = self.draw(st.permutations([x, y]))
        return self.put(Add(self.draw(st.sampled_from(ACTS))), *operands)

    def two_branches(self, x: Value, depth: int) -> Value:
        """Figure 3d: both are joined."""
        return self.put(Concat(), self.branch(x, depth), self.branch(x, depth))

    def downsample(self, x: Value) -> Value:
        """Half the height and width, in one of the ways of the papers."""
        match self.draw(st.sampled_from(["max", "avg", "depthwise", "both"])):
            case "max":
                return self.put(MaxPool((3, 3), (2, 2), (0, 1, 0, 1)), x)
            case "avg":
                return self.put(AvgPool(), x)
            case "depthwise":
                return self.depthwise(x, stride=2)
        worked = self.depthwise(self.pointwise(x), stride=2)
        return self.put(Concat(), self.put(AvgPool(), x), worked)

    def head(self, x: Value) -> Value:
        """A classifier, or what there is."""
        if self.draw(st.booleans()):
            return x
        pooled = self.put(GlobalAvgPool(), x)
        if self.draw(st.booleans()):
            pooled = self.put(ChannelShuffle(x.type.channels), pooled)
        return self.put(Dense(), pooled, self.constant(x.type.channels, 5), self.constant(5))
