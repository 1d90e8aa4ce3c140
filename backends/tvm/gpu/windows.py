"""Sliding windows over separate channels: depthwise convolutions and pools.

A thread computes a few outputs of one row, for a vector of channels; columns shared by its windows
are loaded once. Threads of a block lie along the channels first, so that their loads are
contiguous.
"""

from __future__ import annotations

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.epilogue import activated, maximum
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.reader import Reader
from mbc.backends.tvm.gpu.schedule import ceildiv
from mbc.backends.tvm.gpu.sources import Window
from mbc.backends.tvm.gpu.tir import Code, Expr, both, choose, language, spread, zero
from mbc.ir.activations import Activation
from mbc.ops.window import Pair
from mbc.records import dataclass
from mbc.schedules import Strip

UNROLLED = 16  # columns of a filter; wider ones stay a loop, which bounds the size of the code


@dataclass(frozen=True)
class Rule:
    """What a window computes: a weighted sum, the maximum or the mean; then the activation."""

    weight: int | None = None
    """Parameter number of the weights [taps, channels] of a weighted sum."""
    bias: int | None = None
    """Parameter number of its bias."""
    largest: bool = False
    """Whether it is the maximum."""
    mean: bool = False
    """Whether it is the mean."""
    count_pad: bool = False
    """Whether the mean counts the padding."""
    overhang: Pair = (0, 0)
    """Last rows and columns of the padding that are not counted."""
    act: Activation | None = None
    """Activation, applied last."""


@dataclass(frozen=True)
class Sliding:
    """A depthwise convolution or pool."""

    images: int
    """Images of the batch."""
    reader: Reader
    """Reader of the operand."""
    window: Window
    """Geometry of the window."""
    strip: Strip
    """Its schedule."""
    out: int
    """Parameter number of the result."""
    rule: Rule
    """What a window computes."""

    @property
    def vectors(self) -> int:
        """Vectors of a pixel."""
        return self.reader.channels // self.reader.lanes


def sliding_kernel(draft: Draft, layer: Sliding) -> NodeKernel:
    """Make the kernel of a layer whose arguments are all in the draft."""
    strip, (height, width) = layer.strip, layer.window.out
    grid = (
        height * layer.images,
        ceildiv(width, strip.outputs * strip.down),
        ceildiv(layer.vectors, strip.across),
    )
    return draft.finish(grid, (strip.across, strip.down, 1), lambda code: _Body(code, layer).run())


class _Body:
    """The code of one thread."""

    def __init__(self, code: Code, layer: Sliding) -> None:
        self.code, self.layer = code, layer
        self.rule, self.window = layer.rule, layer.window
        self.lanes, self.strip = layer.reader.lanes, layer.strip
        self.vector = code.block[2] * self.strip.across + code.thread[0]
        self.column = (code.block[1] * self.strip.down + code.thread[1]) * self.strip.outputs
        self.row = code.block[0] % self.window.out[0]
        self.image = code.block[0] // self.window.out[0]

    def run(self) -> None:
        code, strip = self.code, self.strip
        whole = self.layer.vectors % strip.across == 0
        exists = True if whole else self.vector < self.layer.vectors
        with code.when(both(exists, self._has_column(0))):
            self.channel = code.bind(self.vector * self.lanes)
            self.top = code.bind(self.row * self.window.stride[0] - self.window.pad[0])
            self.left = code.bind(self.column * self.window.stride[1] - self.window.pad[2])
            self.state = code.registers(strip.outputs, self.lanes)
            for number in range(strip.outputs):
                self.state.store(number, self._initial())
            with code.loop(self.window.kernel[0]) as i:
                self._row(i)
            for number in range(strip.outputs):
                with code.when(self._has_column(number)):
                    self._store(number)

    def _has_column(self, number: int) -> Expr:
        """Whether the thread's output `number` exists."""
        width = self.window.out[1]
        whole = width % (self.strip.outputs * self.strip.down) == 0
        return True if whole else self.column + number < width

    def _initial(self) -> Expr:
        if self.rule.largest:
            return spread(-language().infinity("float32"), self.lanes)
        if self.rule.bias is None:
            return zero(self.lanes)
        return self.code.parameters[self.rule.bias].load(self.channel, self.lanes)

    def _row(self, i: Expr) -> None:
        """Accumulate one row of the filter."""
        window = self.window
        y = self.code.bind(self.top + i * window.dilation[0])
        with self.code.when(window.row_inside(y)):
            if window.kernel[1] <= UNROLLED:
                self._shared_columns(i, y)
                return
            with self.code.loop(window.kernel[1]) as j:
                factor = self._factor(i, j)
                for number in range(self.strip.outputs):
                    at = number * window.stride[1] + j * window.dilation[1]
                    self._take(number, self._input(y, at), factor)

    def _shared_columns(self, i: Expr, y: Expr) -> None:
        """Accumulate all taps of a row, with each input column loaded once."""
        window = self.window
        loaded: dict[int, Expr] = {}
        for j in range(window.kernel[1]):
            factor = self._factor(i, j)
            for number in range(self.strip.outputs):
                at = number * window.stride[1] + j * window.dilation[1]
                if at not in loaded:
                    loaded[at] = self.code.bind(self._input(y, at))
                self._take(number, loaded[at], factor)

    def _factor(self, i: Expr, j: Expr) -> Expr:
        if self.rule.weight is None:
            return None
        tap = i * self.window.kernel[1] + j
        place = tap * self.layer.reader.channels + self.channel
        return self.code.bind(self.code.parameters[self.rule.weight].load(place, self.lanes))

    def _input(self, y: Expr, at: Expr) -> Expr:
        """Load the input `at` columns to the right of the strip's left edge; the neutral element of
        the reduction where there is none."""
        window, x = self.window, self.left + at
        made = self.strip.outputs * self.strip.down
        beyond = ceildiv(window.out[1], made) * made - window.out[1]
        nothing = -language().infinity("float32") if self.rule.largest else 0.0
        return choose(
            window.column_inside(x, beyond),
            lambda: self.layer.reader.load(
                self.code, (self.image * window.height + y) * window.width + x, self.channel
            ),
            spread(nothing, self.lanes),
        )

    def _take(self, number: int, value: Expr, factor: Expr) -> None:
        """Accumulate the input under a tap in the state of an output."""
        state = self.state.load(number)
        if self.rule.largest:
            new = maximum(self.code, state, value)
        else:
            new = state + (value if factor is None else value * factor)
        self.state.store(number, new)

    def _store(self, number: int) -> None:
        value, width = self.state.load(number), self.window.out[1]
        if self.rule.mean:
            value = value / spread(self._count(number), self.lanes)
        pixel = (self.image * self.window.out[0] + self.row) * width + self.column + number
        place = pixel * self.layer.reader.channels + self.channel
        value = activated(self.code, value, self.rule.act, self.lanes)
        self.code.parameters[self.layer.out].store(place, value, self.lanes)

    def _count(self, number: int) -> Expr:
        """Count the inputs by which a mean is divided."""
        window, counted = self.window, self.rule.count_pad
        if (counted and not any(self.rule.overhang)) or not any(window.pad):
            return float(window.kernel[0] * window.kernel[1])
        (top, bottom, left, right), (down, across) = window.pad, self.rule.overhang
        rows, columns = (0, window.height), (0, window.width)
        if counted:
            rows = -top, window.height + bottom - down
            columns = -left, window.width + right - across
        first = self.left + number * window.stride[1]
        high = _overlap(self.top, window.kernel[0], *rows)
        return language().cast(high * _overlap(first, window.kernel[1], *columns), "float32")


def _overlap(start: Expr, length: int, low: int, high: int) -> Expr:
    """Count those of `length` positions from `start` on that lie within low … high-1."""
    T = language()
    return T.min(start + length, high) - T.max(start, low)
