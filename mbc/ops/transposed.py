"""Transposed convolution: every pixel of the input adds a filter's worth of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mbc.ir.activations import Activation
from mbc.ir.op import Activated, OperandSpec, OpError, require
from mbc.ir.types import TensorType
from mbc.ops.linear import WEIGHTED, check_groups, check_vectors, present
from mbc.ops.quantized import check_float
from mbc.ops.window import MAX_STEP, Pad, Pair
from mbc.records import dataclass


@dataclass(frozen=True)
class TransposedConv(Activated):
    """Pixel (y, x) of the input, times tap (i, j) of the weight, is added to pixel
    (y * stride + i - top, x * stride + j - left) of the result; then the bias, and the activation.

    x NHWC, weight HWIO (I = input channels / groups), optional bias [O]. `pad` cuts rows and
    columns off the result, `more` adds some at the bottom and on the right. The kernel is no
    smaller than the stride, so that each pixel has a tap.
    """

    mnemonic: ClassVar[str] = "transposed_conv"
    operands: ClassVar[tuple[OperandSpec, ...]] = WEIGHTED

    stride: Pair = (1, 1)
    pad: Pad = (0, 0, 0, 0)
    more: Pair = (0, 0)
    groups: int = 1
    act: Activation | None = None

    @property
    def channel_groups(self) -> int:
        """The attribute `groups`."""
        return self.groups

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [n,oh,ow,o] from [n,h,w,i] and [kh,kw,i/g,o]."""
        named = self.by_role(types)
        x, weight = present(named["x"]), present(named["weight"])
        element = check_float(self.mnemonic, *types)
        require(x.rank == 4, f"a transposed_conv needs an NHWC tensor, not {x}", f"x is {x}")
        require(weight.rank == 4, f"a filter has four axes (HWIO), found {weight}")
        self._check(weight)
        check_groups(x, weight, self.groups)
        check_vectors(self, named, weight.channels)
        extents = zip(x.shape[1:3], self.stride, weight.shape[:2], self._sides, strict=True)
        out = [(size - 1) * step + kernel - cut for size, step, kernel, cut in extents]
        if min(out) < 1:
            found = f"x is {x}, the filter {weight}, the padding {self.pad}"
            message = f"the result would be empty: {out[0]}x{out[1]}"
            raise OpError(message, found, "pad less: padding cuts the result", code="E0205")
        return (TensorType((x.shape[0], *out, weight.channels), element),)

    @property
    def _sides(self) -> Pair:
        """Rows and columns that are cut off, less those that are added."""
        top, bottom, left, right = self.pad
        return top + bottom - self.more[0], left + right - self.more[1]

    def _check(self, weight: TensorType) -> None:
        kernel = weight.shape[:2]
        require(min(self.stride) >= 1, f"a stride must be positive, found {self.stride}")
        require(min(*self.pad, *self.more) >= 0, f"padding must not be negative: {self.pad}")
        if max(*kernel, *self.stride, *self.pad, *self.more) > MAX_STEP:
            message = f"a transposed_conv has a number above {MAX_STEP:,}"
            raise OpError(message, f"stride {self.stride}, pad {self.pad}", code="E0206")
        require(
            all(size >= step for size, step in zip(kernel, self.stride, strict=True)),
            f"a kernel {kernel[0]}x{kernel[1]} is smaller than its stride {self.stride}",
        )
        require(
            all(more < step for more, step in zip(self.more, self.stride, strict=True)),
            f"{self.more} more rows and columns are not fewer than the stride {self.stride}",
        )

    def macs(self, types: Sequence[TensorType | None]) -> int:
        """Count input elements times filter taps times output channels of a group."""
        named = self.by_role(types)
        kh, kw, _, outputs = present(named["weight"]).shape
        return present(named["x"]).elements * kh * kw * outputs // self.groups


def from_iohw(weight: np.ndarray, groups: int) -> np.ndarray:
    """Return a weight [i,o/g,kh,kw], the order of PyTorch and ONNX, as [kh,kw,i/g,o]."""
    inputs, each, kh, kw = weight.shape
    parts = weight.reshape(groups, inputs // groups, each, kh, kw)
    return parts.transpose(3, 4, 1, 0, 2).reshape(kh, kw, -1, groups * each)


def to_iohw(weight: np.ndarray, groups: int) -> np.ndarray:
    """Return a weight [kh,kw,i/g,o] as [i,o/g,kh,kw]."""
    kh, kw, depth, outputs = weight.shape
    parts = weight.reshape(kh, kw, depth, groups, outputs // groups)
    return parts.transpose(3, 2, 4, 0, 1).reshape(-1, outputs // groups, kh, kw)


@dataclass(frozen=True)
class Phase:
    """The rows, or columns, of the result that have the same taps: every `stride`-th.

    Row number q of a phase is row q * stride + first of the result. It is made of input row q with
    tap `taps[0]`, of row q - 1 with tap `taps[1]`, and so on; rows outside add nothing."""

    first: int
    """Row of the result for q = 0; negative if that is cut off."""
    taps: tuple[int, ...]
    """Taps of the filter."""
    start: int
    """The least q whose row is in the result."""
    stop: int
    """One more than the largest."""


def phases(kernel: int, stride: int, before: int, out: int) -> tuple[Phase, ...]:
    """Return the phases of one axis, of whose result `before` pixels are cut off; those that have
    no row are left out."""
    found = []
    for number in range(stride):
        first = number - before
        start, stop = -(-max(-first, 0) // stride), -(-(out - first) // stride)
        if start < stop:
            found.append(Phase(first, tuple(range(number, kernel, stride)), start, stop))
    return tuple(found)
