"""Max and average pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mbc.ir.activations import Activation
from mbc.ir.elements import Q8, Element
from mbc.ir.op import Activated, Op, OperandSpec, require
from mbc.ir.types import TensorType
from mbc.ops.linear import present
from mbc.ops.quantized import check_codes_act, mean_element
from mbc.ops.window import Pad, Pair, window_output


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
        height, width = window_output(x, self.kernel, self.stride, self.pad)
        require(
            max(self.pad[:2]) < self.kernel[0] and max(self.pad[2:]) < self.kernel[1],
            f"padding {self.pad} must be smaller than the kernel {self.kernel}",
        )
        return (TensorType((x.shape[0], height, width, x.channels), self.element(x)),)

    def element(self, x: TensorType) -> Element:
        """Return the element of the result."""
        return x.element


@dataclass(frozen=True)
class MaxPool(Pool):
    """Maximum over each window, of any elements; padding is excluded."""

    mnemonic: ClassVar[str] = "max_pool"


@dataclass(frozen=True)
class AvgPool(Pool, Activated):
    """Mean over each window, then the activation. With `count_pad` padding counts as zeros,
    otherwise it is excluded. A quantised mean has the element `to`."""

    mnemonic: ClassVar[str] = "avg_pool"

    count_pad: bool = False
    act: Activation | None = None
    to: Q8 | None = None

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
