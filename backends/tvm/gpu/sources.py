"""Sources of A for matrix products."""

from __future__ import annotations

import numpy as np

from mbc.backends.tvm.gpu.epilogue import activated
from mbc.backends.tvm.gpu.reader import Reader
from mbc.backends.tvm.gpu.tir import Code, Expr, both, choose, language, zero
from mbc.ir.activations import Activation
from mbc.ir.types import TensorType
from mbc.ops.linear import Conv2d
from mbc.ops.window import Pad, Pair
from mbc.records import dataclass


@dataclass(frozen=True)
class Pixels:
    """A row is a pixel, and the depth its channels of one group: pointwise and dense layers."""

    reader: Reader
    """Reader of the operand."""
    depth: int
    """Channels of a group."""

    @property
    def lanes(self) -> int:
        """Channels of one load of the view."""
        return self.reader.lanes

    def row(self, code: Code, row: Expr) -> Expr:
        """Compute the pixel's number."""
        return code.bind(row)

    def fetch(self, code: Code, row: Expr, group: Expr, k: Expr) -> Expr:
        """Fetch channels of the group."""
        return self.reader.load(code, row, group * self.depth + k)


@dataclass(frozen=True)
class Window:
    """The window of a convolution or pool."""

    height: int
    """Height of the input."""
    width: int
    """Width of the input."""
    out: Pair
    """Height and width of the result."""
    kernel: Pair
    stride: Pair
    pad: Pad
    dilation: Pair = (1, 1)

    @staticmethod
    def of(op: Conv2d, x: TensorType, kernel: Pair, out: TensorType) -> Window:
        """Make the window of a convolution."""
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
        """Locate the window of the output pixel with number `row`.

        Returns the first input row of its image, counted over the batch, and the row and column in
        the image at which the window begins.
        """
        across = code.bind(row % self.out[1])
        above = code.bind(row // self.out[1])
        top = code.bind(above % self.out[0] * self.stride[0] - self.pad[0])
        left = code.bind(across * self.stride[1] - self.pad[2])
        return code.bind(above // self.out[0] * self.height), top, left

    def row_inside(self, y: Expr) -> Expr:
        """Whether an input row exists; True if the rows of all windows do."""
        lowest = (self.out[0] - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0]
        return _inside(y, self.height, self.pad[0] > 0, lowest - self.pad[0])

    def column_inside(self, x: Expr, beyond: int = 0) -> Expr:
        """Whether an input column exists; True if those of all windows do, and of `beyond` more."""
        last = self.out[1] - 1 + beyond
        furthest = last * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1]
        return _inside(x, self.width, self.pad[2] > 0, furthest - self.pad[2])

    def load(
        self, code: Code, reader: Reader, place: tuple[Expr, Expr, Expr], channel: Expr
    ) -> Expr:
        """Load channels of the input at (image's first row, row, column); zero in the padding."""
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
    """A row is the patch under an output pixel: its depth runs over rows, columns and channels of
    the filter."""

    reader: Reader
    """Reader of the operand."""
    depth: int
    """Channels of a group."""
    window: Window
    """Window of the convolution."""

    @property
    def lanes(self) -> int:
        """Channels of one load of the view."""
        return self.reader.lanes

    def row(self, code: Code, row: Expr) -> Expr:
        """Locate the patch."""
        return self.window.corner(code, row)

    def fetch(self, code: Code, row: Expr, group: Expr, k: Expr) -> Expr:
        """Fetch channels under one tap."""
        window, (image, top, left) = self.window, row
        tap = code.bind(k // self.depth)
        y = code.bind(top + tap // window.kernel[1] * window.dilation[0])
        x = code.bind(left + tap % window.kernel[1] * window.dilation[1])
        channel = group * self.depth + k % self.depth
        return window.load(code, self.reader, (image, y, x), channel)


@dataclass(frozen=True)
class Depthwise:
    """A row is an output pixel of a depthwise convolution, computed when it is fetched; the depth
    is its channels of one group."""

    reader: Reader
    """Reader of the depthwise convolution's operand."""
    depth: int
    """Channels of a group of the product."""
    window: Window
    """Window of the depthwise convolution."""
    weight: int
    """Parameter number of its weights."""
    bias: int | None
    """Parameter number of its bias."""
    act: Activation | None
    """Its activation."""

    @property
    def lanes(self) -> int:
        """Channels of one load of the view."""
        return self.reader.lanes

    def row(self, code: Code, row: Expr) -> Expr:
        """Locate the window."""
        return self.window.corner(code, row)

    def fetch(self, code: Code, row: Expr, group: Expr, k: Expr) -> Expr:
        """Compute sums over the window, bias, activation."""
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
