"""The index of the largest element, the only op whose result are integers that are no codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from mbc.ir.elements import S32
from mbc.ir.op import Op, OperandSpec, require
from mbc.ir.types import TensorType
from mbc.ops.grid import check_axis, with_extent
from mbc.ops.linear import present
from mbc.ops.quantized import check_float
from mbc.records import dataclass


@dataclass(frozen=True)
class ArgMax(Op):
    """Index along an axis of the largest element: of the first of equal ones, and of the first NaN
    if there is one. With `keep` the axis stays, of extent 1."""

    mnemonic: ClassVar[str] = "argmax"
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)

    axis: int = 0
    keep: bool = False

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return s32 without the axis, or with extent 1 for it."""
        x = present(self.by_role(types)["x"])
        check_float(self.mnemonic, x)
        check_axis(self.axis, x)
        if self.keep:
            return (TensorType(with_extent(x, self.axis, 1).shape, S32),)
        require(x.rank > 1, "a tensor needs an axis", f"x is {x}", "keep the axis")
        return (TensorType((*x.shape[: self.axis], *x.shape[self.axis + 1 :]), S32),)

    def specs(self, types: Sequence[TensorType | None]) -> tuple[OperandSpec, ...]:
        """Return the spec of x, which is along no channels if the index is one of these."""
        x, (spec,) = present(self.by_role(types)["x"]), self.operands
        return (replace(spec, along=()) if self.axis == x.rank - 1 else spec,)
