"""Random networks of all that the DSL accepts: any layer with any of its options on any value.

Each layer takes from a budget of multiply-adds; one that would take too much has fewer channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hypothesis import strategies as st

from mbc.ir.activations import LeakyRelu
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.ops.elementwise import Activate, Add, BatchNorm, Softmax
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.window import Pad, Pair
from tests.activations import ALL_ACTS
from tests.fuzzing.axes import Axis, axes, still
from tests.fuzzing.wide_arithmetic import add, arithmetic, gated, squeezed
from tests.fuzzing.wide_moves import moved
from tests.fuzzing.wide_reductions import hanging_over, labels, reduction
from tests.fuzzing.wide_rows import normalised, squared
from tests.fuzzing.wide_spatial import layer_norm, resized, transposed
from tests.fuzzing.wide_unary import unary

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 24, 31, 32, 48, 61, 64, 96, 128, 160, 192, 199)
SIDES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 16, 17, 23, 28, 32)

Make = Callable[[Value], Value | None]
"""A layer on a value; None if the value is not for it."""


@dataclass(frozen=True)
class Limits:
    """Of one network: multiply-adds, elements of a tensor and of a weight, layers."""

    macs: int
    elements: int
    weights: int
    layers: int


NATIVE = Limits(20_000_000, 120_000, 120_000, 12)
EMULATED = Limits(1_000_000, 20_000, 20_000, 8)


@st.composite
def wide_networks(draw: st.DrawFn, limits: Limits = NATIVE) -> Graph:
    """A network without data for its constants."""
    maker = Maker(draw, limits)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        maker.input()
    for _ in range(draw(st.integers(1, draw(st.sampled_from([3, 5, limits.layers]))))):
        maker.layer()
    maker.finish()
    return maker.graph


def divisors(number: int) -> list[int]:
    """From 1 up."""
    return [d for d in range(1, number + 1) if number % d == 0]


class Maker:
    """A network under construction; the last value is the likeliest to be read."""

    def __init__(self, draw: st.DrawFn, limits: Limits) -> None:
        self.draw, self.limits, self.macs = draw, limits, limits.macs
        self.graph = Graph("random")
        self.batch = draw(st.sampled_from([1, 1, 1, 1, 2, 3, 4, 5]))
        self.streamed = self.flip(3)  # one block after the other, of such as are fused
        self.values: list[Value] = []
        self.constants = 0

    # values

    def input(self) -> None:
        """An image, seldom a vector; at times like the last one."""
        shape: tuple[int, ...] = (self.batch, self.side(), self.side(), self.channels(200))
        if self.values and self.flip(2):
            shape = (*self.values[-1].type.shape[:-1], shape[-1])
        elif self.flip(12):
            shape = (self.batch, shape[-1])
        while TensorType(shape).elements > self.limits.elements:
            shape = tuple(max(extent // 2, 1) for extent in shape[:-1]) + shape[-1:]
            shape = (self.batch, *shape[1:])
        name = f"x{len(self.graph.inputs)}"
        self.values.append(self.graph.add_input(name, TensorType(shape)))

    def layer(self) -> None:
        """One more layer, or a block of some, on the last value or any."""
        if self.streamed and self.values[-1].type.rank == 4:
            blocks: list[Make] = [self.inverted_residual, self.windows, self.separable]
            made = self.draw(st.sampled_from(blocks))(self.values[-1])
        else:
            last = self.flip(4, 3)
            made = self.any_layer(
                self.values[-1] if last else self.draw(st.sampled_from(self.values))
            )
        if made is not None:
            self.values.append(made)

    def any_layer(self, x: Value) -> Value | None:
        """On a value of any rank."""
        image: list[Make] = [
            *(self.pointwise, self.conv, self.conv, self.depthwise, self.grouped, self.pool),
            *(self.multiplied, self.mean, self.global_mean, self.pooled, self.separable),
            *(partial(make, self) for make in (gated, resized, transposed, squeezed, squeezed)),
            *[self.inverted_residual, self.windows, self.large] * 3,
        ]
        flat: list[Make] = [self.dense, self.dense]
        any: list[Make] = [
            *(self.activation, self.softmax, self.batch_norm, self.concat, self.split),
            *(self.shuffle, self.split_unit, self.reshape, self.transpose),
            *(partial(make, self) for make in (add, arithmetic, layer_norm, moved, reduction)),
            *(partial(make, self) for make in (unary, normalised, squared)),
        ]
        rank: list[Make] = {4: image, 2: flat}.get(x.type.rank, [])
        return self.draw(st.sampled_from([*rank, *any]))(x)

    def finish(self) -> None:
        """Choose what is returned: mostly the last value; others, inputs among them, may be too,
        or one twice."""
        last = self.values[-1]
        outputs = [self.softmax(last) if self.flip(8) else last]
        outputs += [labels(self, self.draw(st.sampled_from(self.values)))] if self.flip(4) else []
        while self.flip(3) and len(outputs) < 4:
            outputs.append(self.draw(st.sampled_from(self.values)))
        self.graph.set_outputs(outputs, [f"y{number}" for number in range(len(outputs))])

    # choices

    def flip(self, of: int, true: int = 1) -> bool:
        """True so many times of so many."""
        return self.draw(st.integers(0, of - 1)) >= of - true

    def side(self) -> int:
        """A height or width."""
        return self.draw(st.sampled_from(SIDES) | st.integers(1, 64))

    def channels(self, most: int) -> int:
        """How many, up to some number."""
        fitting = [c for c in CHANNELS if c <= most]
        return self.draw(st.sampled_from(fitting) | st.integers(1, most))

    def put(self, op: Op, *operands: Value | Constant | None) -> Value:
        """The first result of a new node."""
        return self.graph.add(op, operands).results[0]

    def constant(self, *shape: int) -> Constant:
        """A new one."""
        self.constants += 1
        return Constant(f"c{self.constants}", TensorType(shape))

    # layers with weights

    def convolved(
        self, x: Value, down: Axis, across: Axis, groups: int, wanted: int | None = None
    ) -> Value | None:
        """A convolution to some channels, or fewer if there is no room for so many."""
        each = x.type.channels // groups
        depth, pixels = down.kernel * across.kernel * each, self.batch * down.out * across.out
        most = min(
            self.macs // (pixels * depth),
            self.limits.elements // pixels,
            self.limits.weights // depth,
        )
        outputs = min(wanted or self.channels(200), most) // groups * groups
        outputs = outputs or (groups if groups <= most else 0)
        if not outputs:
            return None
        self.macs -= pixels * depth * outputs
        weight = self.constant(down.kernel, across.kernel, each, outputs)
        bias = self.constant(outputs) if self.flip(2) else None
        return self.put(conv_of(down, across, groups), x, weight, bias)

    def tail(self, x: Value | None) -> Value | None:
        """What mostly follows a convolution."""
        if x is None:
            return None
        if self.flip(3):
            x = self.batch_norm(x)
        return self.activation(x) if self.flip(2) else x

    def axes_of(self, x: Value, *, pool: bool = False) -> tuple[Axis, Axis]:
        """How a window slides over an image; half of them are square."""
        _, height, width, _ = x.type.shape
        down = self.draw(axes(height, pool=pool))
        if self.flip(2) and (same := down.over(width)):
            return down, same
        return down, self.draw(axes(width, pool=pool))

    def pointwise(self, x: Value, wanted: int | None = None, groups: int = 1) -> Value | None:
        """1x1."""
        _, height, width, _ = x.type.shape
        return self.tail(self.convolved(x, still(height), still(width), groups, wanted))

    def grouped(self, x: Value) -> Value | None:
        """1x1 in groups, after a shuffle or not."""
        groups = self.draw(st.sampled_from(divisors(x.type.channels)))
        return self.pointwise(self.shuffle(x) if self.flip(2) else x, groups=groups)

    def conv(self, x: Value) -> Value | None:
        """Any filter, mostly in one group."""
        groups = self.draw(st.sampled_from(divisors(x.type.channels))) if self.flip(3) else 1
        return self.tail(self.convolved(x, *self.axes_of(x), groups))

    def depthwise(self, x: Value, multiplier: int = 1) -> Value | None:
        """A filter a channel, or some."""
        channels = x.type.channels
        return self.tail(self.convolved(x, *self.axes_of(x), channels, channels * multiplier))

    def multiplied(self, x: Value) -> Value | None:
        """Some filters a channel."""
        return self.depthwise(x, self.draw(st.integers(2, 3 if x.type.channels > 8 else 8)))

    def dense(self, x: Value) -> Value | None:
        """Of vectors."""
        channels = x.type.channels
        most = min(self.macs // (self.batch * channels), self.limits.weights // channels, 1000)
        if not most:
            return None
        outputs = self.channels(most)
        self.macs -= self.batch * channels * outputs
        bias = self.constant(outputs) if self.flip(2) else None
        return self.put(Dense(), x, self.constant(channels, outputs), bias)

    # blocks

    def large(self, x: Value) -> Value | None:
        """1x1 on so much that Strassen's method pays, or for any other channels that halve."""
        widths = [16, 32, 48, 64, 96, 128, 192]
        wide = self.pointwise(x, self.draw(st.sampled_from(widths)))
        return wide and self.pointwise(wide, self.draw(st.sampled_from(widths)))

    def inverted_residual(self, x: Value) -> Value | None:
        """1x1, depthwise, 1x1, behind another depthwise or not; the input added where it fits."""
        start = (self.depthwise(x) if self.flip(3) else None) or x
        wide = self.pointwise(start, x.type.channels * self.draw(st.integers(1, 6)))
        deep = wide and self.depthwise(wide)
        fits = deep is not None and deep.type.shape[:-1] == x.type.shape[:-1]
        narrow = deep and self.pointwise(deep, x.type.channels if fits else None)
        if narrow is None or narrow.type != x.type:
            return narrow or deep or wide
        return self.put(Add(), *self.draw(st.permutations([narrow, x])))

    def separable(self, x: Value) -> Value | None:
        """Depthwise and 1x1."""
        deep = self.depthwise(x)
        return deep and self.grouped(deep)

    def windows(self, x: Value) -> Value | None:
        """Windows behind a filter, one after the other or with filters between."""
        made = self.pointwise(x) if self.flip(2) else self.conv(x)
        for _ in range(self.draw(st.integers(1, 3))):
            if made is None:
                return None
            slid = self.depthwise(made) if self.flip(3, 2) else self.pool(made)
            made = slid or made
            if self.flip(2):
                made = self.pointwise(made) or made
        return made

    def pooled(self, x: Value) -> Value | None:
        """A stem: a filter and a pool."""
        made = self.conv(x)
        return made and self.pool(made)

    def split_unit(self, x: Value) -> Value | None:
        """Some channels pass, the others are worked on, and all are shuffled."""
        if x.type.channels < 2 or x.type.rank != 4:
            return None
        kept, worked = self.parted(x)[:2]
        makes: list[Make] = [self.pointwise, self.depthwise, self.pool]
        made = self.draw(st.sampled_from(makes))(worked)
        if made is None or made.type.shape[:-1] != kept.type.shape[:-1]:
            return made
        return self.shuffle(self.put(Concat(), kept, made))

    # pools

    def pool(self, x: Value) -> Value | None:
        """Largest or mean."""
        down, across = self.axes_of(x, pool=True)
        if self.batch * down.out * across.out * x.type.channels > self.limits.elements:
            return None
        window = pool_of(down, across)
        if self.flip(2):
            return self.put(MaxPool(*window), x)
        op = AvgPool(*window, count_pad=self.flip(2))
        return self.tail(self.put(hanging_over(self, op), x))

    def mean(self, x: Value) -> Value | None:
        """A mean that rounds nothing."""
        height, width = x.type.shape[1:3]
        if height < 2 or width < 2:
            return None
        return self.put(AvgPool((2, 2), self.draw(st.sampled_from([(1, 1), (2, 2)]))), x)

    def global_mean(self, x: Value) -> Value:
        """Of whole images, at times as an image again."""
        made = self.put(GlobalAvgPool(), x)
        if self.flip(3):
            return self.put(Reshape((self.batch, 1, 1, x.type.channels)), made)
        return made

    # elements and moves

    def activation(self, x: Value) -> Value:
        """Of all that the DSL has."""
        alpha = self.draw(st.sampled_from([0.01, 0.25, 1.5]))
        acts = [*(act for act in ALL_ACTS if act), LeakyRelu(alpha)]
        return self.put(Activate(self.draw(st.sampled_from(acts))), x)

    def softmax(self, x: Value) -> Value:
        """Over the channels."""
        return self.put(Softmax(), x)

    def batch_norm(self, x: Value) -> Value:
        """With any statistics."""
        return self.put(BatchNorm(), x, *(self.constant(x.type.channels) for _ in range(4)))

    def like(self, x: Value) -> list[Value]:
        """Values of the same height and width, the last ones first."""
        return [v for v in self.values[::-1] if v.type.shape[:-1] == x.type.shape[:-1]]

    def concat(self, x: Value) -> Value | None:
        """Of values of the same height and width, at times one twice."""
        like = self.like(x)
        parts = self.draw(
            st.permutations([x, *self.draw(st.lists(st.sampled_from(like), max_size=3))])
        )
        channels = sum(part.type.channels for part in parts)
        if channels > 400 or x.type.elements // x.type.channels * channels > self.limits.elements:
            return None
        return self.put(Concat(), *parts)

    def parted(self, x: Value) -> list[Value]:
        """In two or three parts."""
        channels = x.type.channels
        cut = self.draw(st.sampled_from([channels // 2, channels // 2, 1, channels - 1]))
        sizes = [cut, channels - cut]
        if sizes[1] > 1 and self.flip(3):
            sizes[1:] = [1, sizes[1] - 1]
        return list(self.graph.add(Split(tuple(sizes)), [x]).results)

    def split(self, x: Value) -> Value | None:
        """All parts may be read, or not."""
        if x.type.channels < 2:
            return None
        *others, last = self.draw(st.permutations(self.parted(x)))
        self.values += others
        return last

    def shuffle(self, x: Value) -> Value:
        """By the op, or as reshape, transpose, reshape."""
        groups = self.draw(st.sampled_from(divisors(x.type.channels)))
        if x.type.rank != 4 or self.flip(3, 2):
            return self.put(ChannelShuffle(groups), x)
        *outer, channels = x.type.shape
        apart = self.put(Reshape((*outer, groups, channels // groups)), x)
        return self.put(Reshape(x.type.shape), self.put(Transpose((0, 1, 2, 4, 3)), apart))

    def reshape(self, x: Value) -> Value | None:
        """To vectors, to images, or with other extents."""
        batch, count = self.batch, x.type.elements // self.batch
        channels = self.draw(st.sampled_from(divisors(count)))
        if self.flip(2) or channels > 1000:
            return self.put(Reshape((batch, count)), x) if count <= 2000 else None
        rows = self.draw(st.sampled_from(divisors(count // channels)))
        return self.put(Reshape((batch, rows, count // channels // rows, channels)), x)

    def transpose(self, x: Value) -> Value | None:
        """Any order of the axes after the batch."""
        perm = (0, *self.draw(st.permutations(range(1, x.type.rank))))
        return self.put(Transpose(perm), x) if x.type.shape[perm[-1]] <= 1000 else None


def conv_of(down: Axis, across: Axis, groups: int) -> Conv2d:
    """The op of such windows."""
    stride, pad = (down.stride, across.stride), pads(down, across)
    return Conv2d(stride, pad, (down.dilation, across.dilation), groups)


def pool_of(down: Axis, across: Axis) -> tuple[Pair, Pair, Pad]:
    """Kernel, stride and padding of such windows."""
    stride = (down.stride, across.stride)
    return (down.kernel, across.kernel), stride, pads(down, across)


def pads(down: Axis, across: Axis) -> Pad:
    """Top, bottom, left and right."""
    return (down.before, down.after, across.before, across.after)
