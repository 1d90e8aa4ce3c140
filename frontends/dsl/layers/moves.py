"""Layers that only move data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import inf, prod

from mbc.frontends.dsl.axes import axis_of, bounds_of, pads_of, part_sizes
from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.mistakes import misuse, refuse_list
from mbc.frontends.dsl.window import listed, number, whole
from mbc.ir.views import Value
from mbc.ops.grid import (
    MIRRORS,
    ConcatAlong,
    DepthToSpace,
    Gather,
    Pad,
    Slice,
    SpaceToDepth,
)
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose


class MoveLayers(Builder):
    """Layers that move elements without computing."""

    def concat(self, *parts: Tensor, axis: int = -1) -> Tensor:
        """Concatenate the parts along an axis, the channels by default: `nn.concat(a, b)`."""
        if not parts:
            raise misuse("concat needs at least one tensor: nn.concat(a, b)")
        refuse_list("concat takes its tensors", parts, "write nn.concat(*parts)")
        values = [self.read(part, "each operand") for part in parts]
        along = axis_of(axis, values[0])
        op = Concat() if along == values[0].type.rank - 1 else ConcatAlong(along)
        (result,) = self.emit(op, values, name=self._full("concat"))
        return result

    def split(
        self,
        x: Tensor,
        *,
        parts: int | None = None,
        sizes: Sequence[int] | None = None,
        axis: int = -1,
    ) -> tuple[Tensor, ...]:
        """Split x along an axis, the channels by default, into `parts` equal parts, or into parts
        of the given sizes."""
        value = self.read(x)
        along = axis_of(axis, value)
        each = part_sizes(parts, sizes, value, along)
        if along == value.type.rank - 1:
            return self.emit(Split(each), [value])
        return self._sliced(value, along, each)

    def _sliced(self, value: Value, axis: int, sizes: Sequence[int]) -> tuple[Tensor, ...]:
        """Cut an axis into parts that make up all of it."""
        if sum(sizes) != value.type.shape[axis]:
            extent = value.type.shape[axis]
            message = f"the sizes add up to {sum(sizes)}, axis {axis} of x has {extent}"
            raise misuse(message)
        made: list[Tensor] = []
        for start, size in zip(accumulate(sizes, initial=0), sizes, strict=False):
            name = self._full(f"split.{len(made)}")
            made += self.emit(Slice(axis, start, start + size), [value], name=name)
        return tuple(made)

    def slice(
        self, x: Tensor, axis: int, start: int, stop: int | None = None, step: int = 1
    ) -> Tensor:
        """Take elements start, start + step, … before stop along an axis.

        Bounds that are negative count from the end, and so does an axis; without `stop` all the
        rest is taken. A slice of the channels with step 1 costs nothing.
        """
        value = self.read(x)
        along = axis_of(axis, value)
        first, end = bounds_of(value.type.shape[along], start, stop)
        op = Slice(along, first, end, whole("step", step))
        name, whole_pixels = self._full("slice"), along == value.type.rank - 1 and op.step == 1
        if not whole_pixels or not 0 <= first < end <= value.type.channels:
            (result,) = self.emit(op, [value], name=name)
            return result
        sizes = (first, end - first, value.type.channels - end)
        cut = self.emit(Split(tuple(filter(None, sizes))), [value], name=name)
        return cut[1 if first else 0]

    def gather(self, x: Tensor, axis: int, indices: Sequence[int]) -> Tensor:
        """Take elements of an axis by their numbers, in any order; negative ones count from the
        end."""
        value = self.read(x)
        along = axis_of(axis, value)
        extent = value.type.shape[along]
        each = (whole("an index", index, least=-extent) for index in listed("indices", indices))
        op = Gather(along, tuple(index + extent * (index < 0) for index in each))
        (result,) = self.emit(op, [value])
        return result

    def pad(
        self,
        x: Tensor,
        padding: int | Sequence[object],
        value: float = 0.0,
        *,
        mode: str = "constant",
    ) -> Tensor:
        """Put a number around x: on each side of an image's height and width, on its (top, bottom,
        left, right), or (before, after) for each axis. The number may be -inf.

        With mode="reflect" x goes on as in a mirror at its first and last elements, with
        mode="edge" these are repeated.
        """
        read = self.read(x)
        before, after = pads_of(padding, read)
        if mode != "constant":
            return self._mirrored(read, before, after, mode)
        lowest = value == -inf
        op = Pad(before, after, 0.0 if lowest else number("value", value), lowest)
        (result,) = self.emit(op, [read])
        return result

    def _mirrored(
        self, value: Value, before: Sequence[int], after: Sequence[int], mode: str
    ) -> Tensor:
        """Gather the elements of each axis that is padded."""
        if mode not in MIRRORS:
            raise misuse(f"mode must be 'constant', 'reflect' or 'edge', found {mode!r}")
        made = Tensor(value, self)
        for axis, (first, last) in enumerate(zip(before, after, strict=True)):
            extent = value.type.shape[axis]
            if mode == "reflect" and max(first, last) >= extent:
                wanted = max(first, last)
                raise misuse(f"axis {axis} has {extent} elements, too few to reflect {wanted}")
            if first or last:
                op = Gather(axis, MIRRORS[mode](extent, first, last))
                (made,) = self.emit(op, [made.value], name=self._full("pad"))
        return made

    def depth_to_space(self, x: Tensor, block: int, *, mode: str = "dcr") -> Tensor:
        """Spread the channels of each pixel over block x block pixels: [n,h,w,block*block*c] gives
        [n,h*block,w*block,c].

        Channels are pixel after pixel of a block (TensorFlow, ONNX's DCR), or with mode="crd"
        channel after channel (PyTorch's PixelShuffle).
        """
        value, size = self.read(x), whole("block", block)
        if mode not in ("dcr", "crd"):
            raise misuse(f"mode must be 'dcr' or 'crd', found {mode!r}")
        op, cells = DepthToSpace(size), size * size
        if mode == "crd" and value.type.channels % cells == 0:
            shuffle = ChannelShuffle(value.type.channels // cells)
            value = self.emit(shuffle, [value])[0].value
        (result,) = self.emit(op, [value])
        return result

    def space_to_depth(self, x: Tensor, block: int) -> Tensor:
        """Gather block x block pixels in the channels of one, pixel after pixel: [n,h,w,c] gives
        [n,h/block,w/block,block*block*c]."""
        (result,) = self.emit(SpaceToDepth(whole("block", block)), [self.read(x)])
        return result

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
