"""Ops that move elements along any axis: slices, gathers, concatenations, pads, and
blocks of pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import ClassVar

from mbc.ir.elements import Q8
from mbc.ir.op import OperandSpec, OpError, require
from mbc.ir.types import TensorType
from mbc.ops.linear import present
from mbc.ops.move import Move
from mbc.records import dataclass

MOST_INDICES = 4096  # of a gather, each of which may be a loop of its own in a kernel


def check_axis(axis: int, x: TensorType) -> None:
    """Check that a tensor has an axis; raises OpError."""
    require(0 <= axis < x.rank, f"there is no axis {axis}", f"x is {x}")


def with_extent(x: TensorType, axis: int, extent: int) -> TensorType:
    """Return the type with another extent along an axis."""
    return TensorType((*x.shape[:axis], extent, *x.shape[axis + 1 :]), x.element)


@dataclass(frozen=True)
class Slice(Move):
    """Elements start, start + step, … before stop along one axis."""

    mnemonic: ClassVar[str] = "slice"

    axis: int = 0
    start: int = 0
    stop: int = 1
    step: int = 1

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type with ceil((stop - start) / step) elements along the axis."""
        x = present(self.by_role(types)["x"])
        check_axis(self.axis, x)
        require(self.step >= 1, f"step must be at least 1, found {self.step}")
        if not 0 <= self.start < self.stop <= x.shape[self.axis]:
            raise OpError(
                f"{self.start}:{self.stop} is no run of axis {self.axis}",
                f"x is {x}",
                f"0 <= start < stop <= {x.shape[self.axis]}",
                code="E0202",
            )
        return (with_extent(x, self.axis, -(-(self.stop - self.start) // self.step)),)


@dataclass(frozen=True)
class ConcatAlong(Move):
    """Concatenation along an axis of any number; `concat` is that of the last."""

    mnemonic: ClassVar[str] = "concat_along"
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", variadic=True),)

    axis: int = 0

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Sum the extents along the axis; all other axes must agree."""
        require(bool(types), "concat_along needs an operand")
        parts = [present(type) for type in types]
        check_axis(self.axis, parts[0])
        for part in parts[1:]:
            same = part.rank == parts[0].rank
            if not same or with_extent(part, self.axis, parts[0].shape[self.axis]) != parts[0]:
                raise OpError(
                    f"concat_along needs equal shapes but for axis {self.axis}",
                    f"found {parts[0]} and {part}",
                    code="E0202",
                )
        total = sum(part.shape[self.axis] for part in parts)
        return (with_extent(parts[0], self.axis, total),)


@dataclass(frozen=True)
class Pad(Move):
    """A constant number around x, of floats or codes; minus infinity with `lowest`."""

    mnemonic: ClassVar[str] = "pad"

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    value: float = 0.0
    lowest: bool = False

    @property
    def fill(self) -> float:
        """The number around x."""
        return -inf if self.lowest else self.value

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Add the pads to the extents; there are two for each axis."""
        x = present(self.by_role(types)["x"])
        known = x.element.is_float or isinstance(x.element, Q8)
        require(known, f"pad takes floats or codes, not {x.element}", f"x is {x}")
        pads = (*self.before, *self.after)
        require(min(pads, default=0) >= 0, f"pads must not be negative, found {pads}")
        if not len(self.before) == len(self.after) == x.rank:
            raise OpError(
                "pad needs two numbers for each axis",
                f"x is {x}, before is {self.before}, after is {self.after}",
                code="E0202",
            )
        sums = (sum(each) for each in zip(self.before, x.shape, self.after, strict=True))
        return (TensorType(tuple(sums), x.element),)


def _check_blocks(block: int, x: TensorType) -> None:
    require(x.rank == 4, f"blocks of pixels need an NHWC tensor, not {x}", f"x is {x}")
    require(block >= 1, f"block must be at least 1, found {block}")


@dataclass(frozen=True)
class DepthToSpace(Move):
    """Channel (i*block + j)*c + k of pixel (y, x) is channel k of pixel (y*block + i, x*block + j)
    of the result, which has c channels."""

    mnemonic: ClassVar[str] = "depth_to_space"

    block: int = 2

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [n,h*block,w*block,c] from [n,h,w,block*block*c]."""
        x = present(self.by_role(types)["x"])
        _check_blocks(self.block, x)
        images, height, width, channels = x.shape
        if channels % self.block**2:
            raise OpError(
                f"{channels} channels are no blocks of {self.block}x{self.block} pixels",
                f"x is {x}",
                f"channels must be a multiple of {self.block**2}",
                code="E0204",
            )
        large = (height * self.block, width * self.block)
        return (TensorType((images, *large, channels // self.block**2), x.element),)


@dataclass(frozen=True)
class SpaceToDepth(Move):
    """Channel k of pixel (y*block + i, x*block + j) is channel (i*block + j)*c + k of pixel (y, x)
    of the result; x has c channels."""

    mnemonic: ClassVar[str] = "space_to_depth"

    block: int = 2

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [n,h/block,w/block,block*block*c] from [n,h,w,c]."""
        x = present(self.by_role(types)["x"])
        _check_blocks(self.block, x)
        images, height, width, channels = x.shape
        if height % self.block or width % self.block:
            raise OpError(
                f"{height}x{width} pixels are no blocks of {self.block}x{self.block}",
                f"x is {x}",
                f"height and width must be multiples of {self.block}",
                code="E0202",
            )
        small = (height // self.block, width // self.block)
        return (TensorType((images, *small, channels * self.block**2), x.element),)


@dataclass(frozen=True)
class Gather(Move):
    """Elements along one axis by their numbers, in any order and any of them several times."""

    mnemonic: ClassVar[str] = "gather"

    axis: int = 0
    indices: tuple[int, ...] = (0,)

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type with as many elements along the axis as there are numbers."""
        x = present(self.by_role(types)["x"])
        check_axis(self.axis, x)
        count = len(self.indices)
        message = f"gather takes 1 to {MOST_INDICES:,} numbers, found {count}"
        require(0 < count <= MOST_INDICES, message)
        extent = x.shape[self.axis]
        if not 0 <= min(self.indices) <= max(self.indices) < extent:
            raise OpError(
                f"axis {self.axis} has no such element",
                f"x is {x}, the numbers are {min(self.indices)} to {max(self.indices)}",
                f"0 <= each <= {extent - 1}",
                code="E0202",
            )
        return (with_extent(x, self.axis, count),)


def reflected(extent: int, before: int, after: int) -> tuple[int, ...]:
    """Return the numbers of elements for an axis that goes on as in a mirror at both ends."""
    last = extent - 1
    return tuple(last - abs(last - abs(index)) for index in range(-before, extent + after))


def extended(extent: int, before: int, after: int) -> tuple[int, ...]:
    """Return the numbers of elements for an axis whose ends are repeated."""
    return tuple(min(max(index, 0), extent - 1) for index in range(-before, extent + after))


MIRRORS: Mapping[str, Callable[[int, int, int], tuple[int, ...]]] = {
    "reflect": reflected,
    "edge": extended,
}
"""The numbers of the elements of a padded axis, by mode: of its extent, and the pads."""


GRID: tuple[type[Move], ...] = (Slice, ConcatAlong, Pad, DepthToSpace, SpaceToDepth, Gather)
"""The ops of this file."""
