"""Where matrix products have A from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mbc.backends.tvm.gpu.epilogue import activated
from mbc.backends.tvm.gpu.reader import Reader
from mbc.backends.tvm.gpu.tir import Code, Expr, both, choose, language, zero
from mbc.ir.activations import Activation
from mbc.ir.types import TensorType
from mbc.ops.linear import Conv2d
from mbc.ops.window import Pad, Pair


@dataclass(frozen=True)
class Pixels:
    """A row is a pixel, and the depth its channels of one group: pointwise and dense layers."""

    reader: Reader
    depth: int

    @property
    def lanes(self) -> int:
        """As the view is read."""
        return self.reader.lanes

    def row(self, code: Code, row: Expr) -> Expr:
        """The pixel."""
        return code.bind(row)

    def fetch(self, code: Code, row: Expr, group: Expr, k: Expr) -> Expr:
        """Channels of the group."""
        return self.reader.load(code, row, group * self.depth + k)


@dataclass(frozen=True)
class Window:
    """The window of a convolution or pool over [batch, height, width] that makes outputs of
    `out` height and width."""

    height: int
    width: int
    out: Pair
    kernel: Pair
    stride: Pair
    pad: Pad
    dilation: Pair = (1, 1)

    @staticmethod
    def of(op: Conv2d, x: TensorType, kernel: Pair, out: TensorType) -> Window:
        """A convolution's."""
        return Window(
            x.shape[1],
            x.shape[2],
            (out.shape[1], out.shape[2]),
            kernel,
            op.stride,
            op.pad,
            op.dilation,
        )

    def corner(self, code: Code, row: Expr) -> tuple[Expr, Expr, Expr]:
        """For the output pixel of a number: the image's first input row, and the row and column
        in the image at which its window begins."""
        across = code.bind(row % self.out[1])
        above = code.bind(row // self.out[1])
        top = code.bind(above % self.out[0] * self.stride[0] - self.pad[0])
        left = code.bind(across * self.stride[1] - self.pad[2])
        return code.bind(above // self.out[0] * self.height), top, left

    def row_inside(self, y: Expr) -> Expr:
        """Whether there is such a row; True where all windows' rows are inside."""
        lowest = (self.out[0] - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0]
        return _inside(y, self.height, self.pad[0] > 0, lowest - self.pad[0])

    def column_inside(self, x: Expr, beyond: int = 0) -> Expr:
        """The same for columns; `beyond`: so many outputs more are asked for."""
        last = self.out[1] - 1 + beyond
        furthest = last * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1]
        return _inside(x, self.width, self.pad[2] > 0, furthest - self.pad[2])

    def load(
        self, code: Code, reader: Reader, place: tuple[Expr, Expr, Expr], channel: Expr
    ) -> Expr:
        """Channels of the input at (image's first row, row, column); zero in the padding."""
        image, y, x = place
        return choose(
            both(self.row_inside(y), self.column_inside(x)),
            lambda: reader.load(code, (image + y) * self.width + x, channel),
            zero(reader.lanes),
        )


def _inside(place: Expr, extent: int, before: bool, furthest: int) -> Expr:
    after = furthest >= extent
    lower = language().GE(place, 0) if before else True
    return both(lower, language().LT(place, extent) if after else True)


@dataclass(frozen=True)
class Patches:
    """A row is the patch under an output pixel: the depth runs over rows, columns and channels of
    the filter. `depth` has the channels of a group."""

    reader: Reader
    depth: int
    window: Window

    @property
    def lanes(self) -> int:
        """As the view is read."""
        return self.reader.lanes

    def row(self, code: Code, row: Expr) -> Expr:
        """Where the patch begins."""
        return self.window.corner(code, row)

    def fetch(self, code: Code, row: Expr, group: Expr, k: Expr) -> Expr:
        """Channels under one tap."""
        window, (image, top, left) = self.window, row
        tap = code.bind(k // self.depth)
        y = code.bind(top + tap // window.kernel[1] * window.dilation[0])
        x = code.bind(left + tap % window.kernel[1] * window.dilation[1])
        channel = group * self.depth + k % self.depth
        return window.load(code, self.reader, (image, y, x), channel)


@dataclass(frozen=True)
class Depthwise:
    """A row is an output pixel of a depthwise convolution, computed when it is fetched; the depth
    is its channels of one group. `weight` and `bias` are numbers of parameters."""

    reader: Reader
    depth: int
    window: Window
    weight: int
    bias: int | None
    act: Activation | None

    @property
    def lanes(self) -> int:
        """As the view is read."""
        return self.reader.lanes

    def row(self, code: Code, row: Expr) -> Expr:
        """Where the window begins."""
        return self.window.corner(code, row)

    def fetch(self, code: Code, row: Expr, group: Expr, k: Expr) -> Expr:
        """Sums over the window, bias, activation."""
        window, (image, top, left) = self.window, row
        channel, weight = code.bind(group * self.depth + k), code.parameters[self.weight]
        total = self._start(code, channel)
        for tap, (i, j) in enumerate(np.ndindex(*window.kernel)):
            place = (image, top + i * window.dilation[0], left + j * window.dilation[1])
            factor = weight.load(tap * self.reader.channels + channel, self.lanes)
            under = window.load(code, self.reader, place, channel)
            total = code.bind(total + under * factor)
        return activated(code, total, self.act, self.lanes)

    def _start(self, code: Code, channel: Expr) -> Expr:
        if self.bias is None:
            return zero(self.lanes)
        return code.parameters[self.bias].load(channel, self.lanes)
