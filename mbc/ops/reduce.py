"""Means, maxima and sums over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import ClassVar

from mbc.ir.elements import Q8, Element
from mbc.ir.op import Op, OperandSpec, OpError, require
from mbc.ir.types import TensorType
from mbc.ops.linear import present
from mbc.ops.quantized import check_float, mean_element
from mbc.records import dataclass


@dataclass(frozen=True)
class Reduce(Op):
    """A reduction over axes, in row-major order; with `keep` these stay, of extent 1."""

    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)

    axes: tuple[int, ...] = ()
    """The axes, ascending."""
    keep: bool = False

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x without the axes, or with extent 1 for each."""
        x = present(self.by_role(types)["x"])
        axes = self.axes
        require(
            bool(axes) and axes == tuple(sorted(set(axes))),
            f"axes must be ascending, found {axes}",
        )
        if axes[0] < 0 or axes[-1] >= x.rank:
            message = f"axes must be 0 to {x.rank - 1}, found {axes}"
            raise OpError(message, f"x is {x}", code="E0202")
        shape = tuple(
            1 if axis in axes else extent
            for axis, extent in enumerate(x.shape)
            if self.keep or axis not in axes
        )
        require(bool(shape), "a tensor needs an axis", f"x is {x}", "keep the axes: keep=True")
        return (TensorType(shape, self.element(x)),)

    def element(self, x: TensorType) -> Element:
        """Return the element of the result."""
        return check_float(self.mnemonic, x)

    def specs(self, types: Sequence[TensorType | None]) -> tuple[OperandSpec, ...]:
        """Return the spec of x, which is along no channels if these are reduced."""
        x, (spec,) = present(self.by_role(types)["x"]), self.operands
        return (replace(spec, along=()) if x.rank - 1 in self.axes else spec,)

    def terms(self, x: TensorType) -> int:
        """Count the elements of x for each one of the result."""
        return prod(x.shape[axis] for axis in self.axes)

    def is_over_images(self, x: TensorType) -> bool:
        """Whether all pixels of each image are reduced, channel by channel."""
        return x.rank == 4 and self.axes == (1, 2)


@dataclass(frozen=True)
class ReduceMean(Reduce):
    """Mean over axes. A quantised mean has the element `to`."""

    mnemonic: ClassVar[str] = "reduce_mean"

    to: Q8 | None = None

    def element(self, x: TensorType) -> Element:
        """Return that of x, or `to`."""
        return mean_element(self.mnemonic, self.to, x, self.terms(x))


@dataclass(frozen=True)
class ReduceMax(Reduce):
    """Maximum over axes; NaN where an element is. Of codes it is a code."""

    mnemonic: ClassVar[str] = "reduce_max"

    def element(self, x: TensorType) -> Element:
        """Return that of x."""
        return x.element if isinstance(x.element, Q8) else check_float(self.mnemonic, x)


@dataclass(frozen=True)
class ReduceSum(Reduce):
    """Sum over axes. A quantised sum has the element `to`."""

    mnemonic: ClassVar[str] = "reduce_sum"

    to: Q8 | None = None

    def element(self, x: TensorType) -> Element:
        """Return that of x, or `to`."""
        return mean_element(self.mnemonic, self.to, x, self.terms(x))


REDUCTIONS: tuple[type[Reduce], ...] = (ReduceMean, ReduceMax, ReduceSum)
