"""Layers that only move data."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.mistakes import misuse, refuse_list
from mbc.frontends.dsl.window import listed, whole
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose


class MoveLayers(Builder):
    """Layers that move elements without computing."""

    def concat(self, *parts: Tensor) -> Tensor:
        """Concatenate the channels of the parts: `nn.concat(a, b)`."""
        if not parts:
            raise misuse("concat needs at least one tensor: nn.concat(a, b)")
        refuse_list("concat takes its tensors", parts, "write nn.concat(*parts)")
        (result,) = self.emit(Concat(), [self.read(part, "each operand") for part in parts])
        return result

    def split(
        self, x: Tensor, *, parts: int | None = None, sizes: Sequence[int] | None = None
    ) -> tuple[Tensor, ...]:
        """Split the channels of x into `parts` equal parts, or into parts of the given sizes."""
        value = self.read(x)
        if (parts is None) == (sizes is None):
            raise misuse("split needs either parts or sizes: nn.split(x, parts=2)")
        if sizes is not None:
            each = tuple(whole("a size", size) for size in listed("sizes", sizes))
            return self.emit(Split(each), [value])
        count = whole("parts", parts)
        if value.type.channels % count:
            raise misuse(f"{value.type.channels} channels do not split into {count} equal parts")
        return self.emit(Split((value.type.channels // count,) * count), [value])

    def channel_shuffle(self, x: Tensor, groups: int) -> Tensor:
        """Channel c of the result is channel (c mod g)*(C/g) + c // g of x (1707.01083 §3.1)."""
        (result,) = self.emit(ChannelShuffle(whole("groups", groups)), [self.read(x)])
        return result

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Reinterpret the elements, in row-major order, as another shape.

        `shape` includes the batch, and may hold one -1.
        """
        value = self.read(x)
        extents = [whole("an extent", e) if e != -1 else -1 for e in listed("a shape", shape)]
        if extents.count(-1) > 1:
            raise misuse(f"only one extent of a shape may be -1, found {tuple(extents)}")
        known = prod(e for e in extents if e != -1)
        filled = tuple(max(value.type.elements // known, 1) if e == -1 else e for e in extents)
        (result,) = self.emit(Reshape(filled), [value])
        return result

    def transpose(self, x: Tensor, perm: Sequence[int]) -> Tensor:
        """Axis i of the result is axis perm[i] of x; the batch is axis 0."""
        axes = tuple(whole("an axis", axis, least=0) for axis in listed("perm", perm))
        (result,) = self.emit(Transpose(axes), [self.read(x)])
        return result
