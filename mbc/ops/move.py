"""Ops that only move data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import ClassVar

from mbc.ir.op import Op, OperandSpec, OpError, require
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView
from mbc.ops.linear import present
from mbc.records import dataclass


@dataclass(frozen=True)
class Move(Op):
    """An op that moves data without computing."""

    moves_data_only: ClassVar[bool] = True


@dataclass(frozen=True)
class Concat(Move):
    """Concatenation along the channel axis."""

    mnemonic: ClassVar[str] = "concat"
    per_pixel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", variadic=True),)

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Sum the channels; all other axes must agree."""
        require(bool(types), "concat needs an operand")
        parts = [present(type) for type in types]
        for part in parts[1:]:
            if part.shape[:-1] != parts[0].shape[:-1] or part.element != parts[0].element:
                raise OpError(
                    "concat needs equal shapes but for the channels",
                    f"found {parts[0]} and {part}",
                    code="E0202",
                )
        return (parts[0].with_channels(sum(part.channels for part in parts)),)


@dataclass(frozen=True)
class Split(Move):
    """Split along the channel axis into parts of the given sizes."""

    mnemonic: ClassVar[str] = "split"
    per_pixel: ClassVar[bool] = True

    sizes: tuple[int, ...] = ()

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return one type a part; the sizes must add up to the channels of x."""
        x = present(self.by_role(types)["x"])
        require(
            len(self.sizes) > 0 and min(self.sizes) > 0,
            f"sizes must be positive, found {self.sizes}",
        )
        if sum(self.sizes) != x.channels:
            raise OpError(
                "split sizes do not add up to the channels",
                f"x has {x.channels} channels, the sizes add up to {sum(self.sizes)}",
                code="E0202",
            )
        return tuple(x.with_channels(size) for size in self.sizes)


@dataclass(frozen=True)
class ChannelShuffle(Move):
    """Channel c of the result is channel (c mod g)*(C/g) + c floordiv g of x (1707.01083 §3.1)."""

    mnemonic: ClassVar[str] = "channel_shuffle"
    per_pixel: ClassVar[bool] = True

    groups: int = 1

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x; groups must divide its channels."""
        x = present(self.by_role(types)["x"])
        if self.groups < 1 or x.channels % self.groups:
            raise OpError(
                f"groups do not divide the channels: {self.groups} groups, {x.channels} channels",
                f"x has {x.channels} channels",
                "groups must divide the channels",
                code="E0204",
            )
        return (x,)


@dataclass(frozen=True)
class Reshape(Move):
    """Another shape for the same elements in row-major order."""

    mnemonic: ClassVar[str] = "reshape"

    shape: tuple[int, ...] = ()

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the given shape, which must have as many elements as x."""
        x = present(self.by_role(types)["x"])
        require(
            len(self.shape) > 0 and min(self.shape) > 0,
            f"a shape needs positive extents, found {self.shape}",
        )
        if prod(self.shape) != x.elements:
            raise OpError(
                "reshape changes the number of elements",
                f"x has {x.elements}, {self.shape} has {prod(self.shape)}",
                code="E0202",
            )
        return (TensorType(self.shape, x.element),)


@dataclass(frozen=True)
class Transpose(Move):
    """Axis i of the result is axis perm[i] of x."""

    mnemonic: ClassVar[str] = "transpose"

    perm: tuple[int, ...] = ()

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the permuted shape."""
        x = present(self.by_role(types)["x"])
        if sorted(self.perm) != list(range(x.rank)):
            raise OpError(
                "perm must name each axis once", f"x is {x}, perm is {self.perm}", code="E0202"
            )
        return (TensorType(tuple(x.shape[axis] for axis in self.perm), x.element),)


def moved_views(op: Op, operands: Sequence[ChannelView]) -> tuple[ChannelView, ...]:
    """Return each result of a concat, split or channel_shuffle as a view of its operands."""
    match op:
        case Concat():
            return (ChannelView.concat(operands),)
        case ChannelShuffle(groups=groups):
            (x,) = operands
            return (x.through(ChannelMap.shuffle(groups, x.type.channels)),)
        case Split(sizes=sizes):
            (x,), starts = operands, accumulate(sizes, initial=0)
            return tuple(x.slice(start, size) for start, size in zip(starts, sizes, strict=False))
        case _:
            raise TypeError(f"{op.mnemonic} does not move channels")
