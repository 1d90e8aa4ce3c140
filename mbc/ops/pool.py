"""Max and average pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mbc.ir.activations import Activation
from mbc.ir.elements import Q8, Element
from mbc.ir.op import Activated, Op, OperandSpec, require
from mbc.ir.types import TensorType
from mbc.ops.linear import present
from mbc.ops.quantized import check_codes_act, mean_element
from mbc.ops.window import Pad, Pair, window_extent, window_output
from mbc.records import dataclass


@dataclass(frozen=True)
class Pool(Op):
    """Common attributes of window pools."""

    per_channel: ClassVar[bool] = True

    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)

    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    pad: Pad = (0, 0, 0, 0)

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [n,oh,ow,c] from [n,h,w,c]; no window may lie entirely in the padding."""
        x = present(self.by_role(types)["x"])
        dilation = self.spacing
        height, width = window_output(x, self.kernel, self.stride, self.pad, dilation)
        for axis, (size, count) in enumerate(zip(x.shape[1:3], (height, width), strict=True)):
            reach = (self.kernel[axis] - 1) * dilation[axis] + 1
            require(
                max(self.pad[2 * axis : 2 * axis + 2]) < reach,
                f"padding {self.pad} must be smaller than the kernel {self.kernel}",
            )
            require(
                dilation[axis] == 1 or self._all_read(axis, size, count),
                f"a window of kernel {self.kernel} and dilation {dilation} reads padding alone",
            )
        return (TensorType((x.shape[0], height, width, x.channels), self.element(x)),)

    @property
    def spacing(self) -> Pair:
        """Distances of the taps along height and width."""
        return 1, 1

    def _all_read(self, axis: int, size: int, count: int) -> bool:
        """Whether each of `count` windows has a tap within the input along an axis."""
        step = self.spacing[axis]
        first = np.arange(count, dtype=np.int64) * self.stride[axis] - self.pad[2 * axis]
        skipped = np.maximum(-(first // step), 0)  # taps before the input
        return bool(np.all((skipped < self.kernel[axis]) & (first + skipped * step < size)))

    def element(self, x: TensorType) -> Element:
        """Return the element of the result."""
        return x.element


@dataclass(frozen=True)
class MaxPool(Pool):
    """Maximum over each window, of any elements; padding is excluded."""

    mnemonic: ClassVar[str] = "max_pool"

    dilation: Pair = (1, 1)

    @property
    def spacing(self) -> Pair:
        """Distances of the taps along height and width."""
        return self.dilation


@dataclass(frozen=True)
class AvgPool(Pool, Activated):
    """Mean over each window, then the activation. With `count_pad` padding counts as zeros, but
    for `overhang`, otherwise it is excluded. A quantised mean has the element `to`."""

    mnemonic: ClassVar[str] = "avg_pool"

    count_pad: bool = False
    act: Activation | None = None
    to: Q8 | None = None
    overhang: Pair = (0, 0)
    """Last rows and columns of the padding that never count."""

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer as for any pool; the overhang is part of the padding that counts."""
        sides = (self.pad[1], self.pad[3])
        fits = all(0 <= o <= side for o, side in zip(self.overhang, sides, strict=True))
        require(fits, f"overhang {self.overhang} must be within the padding {self.pad}")
        require(
            self.count_pad or self.overhang == (0, 0),
            "an overhang needs count_pad, without which no padding counts",
        )
        return super().infer(types)

    def counts(self, x: TensorType) -> np.ndarray:
        """Return the cells that each mean counts, [oh,ow]."""
        down, across = (self._counted(axis, x.shape[1 + axis]) for axis in (0, 1))
        counts: np.ndarray = down[:, None] * across
        return counts

    def _counted(self, axis: int, size: int) -> np.ndarray:
        """Count the cells of each window along an axis."""
        kernel, (before, after) = self.kernel[axis], self.pad[2 * axis : 2 * axis + 2]
        outputs = window_extent(size, kernel, self.stride[axis], before + after)
        first = np.arange(outputs) * self.stride[axis] - before
        low, high = 0, size
        if self.count_pad:
            low, high = -before, size + after - self.overhang[axis]
        counted: np.ndarray = np.minimum(first + kernel, high) - np.maximum(first, low)
        return counted

    def element(self, x: TensorType) -> Element:
        """Return the element of the result."""
        if isinstance(x.element, Q8):
            check_codes_act(self.mnemonic, self.act)
        return mean_element(self.mnemonic, self.to, x, self.kernel[0] * self.kernel[1])


@dataclass(frozen=True)
class GlobalAvgPool(Op):
    """Mean over height and width: [n,h,w,c] gives [n,c]. A quantised mean has the element `to`."""

    mnemonic: ClassVar[str] = "global_avg_pool"
    per_channel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)

    to: Q8 | None = None

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [n,c] from [n,h,w,c]."""
        x = present(self.by_role(types)["x"])
        require(x.rank == 4, f"a pool needs an NHWC tensor, not {x}", f"x is {x}")
        element = mean_element(self.mnemonic, self.to, x, x.shape[1] * x.shape[2])
        return (TensorType((x.shape[0], x.channels), element),)
