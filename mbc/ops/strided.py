"""Moves as strided copies: loops whose iterations go a fixed way along one axis of an operand and
one of the result.

    slice             one loop an axis
    gather            the same for each run of numbers with equal differences
    concat_along      the same for each operand
    transpose         the same; an axis of the result for another of x
    depth_to_space    loops over n, y, i, x, j, k: y goes `block` rows of the result, i one
    pad               one for x, and two for each axis that is padded, which store a number
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ops.grid import ConcatAlong, DepthToSpace, Gather, Pad, Slice, SpaceToDepth
from mbc.ops.move import Transpose
from mbc.records import dataclass

Along = tuple[int, int]
"""An axis, and the elements along it from one iteration to the next."""

Index = tuple[int, ...]


@dataclass(frozen=True)
class Loop:
    """A loop of a copy; the innermost comes last."""

    extent: int
    """Iterations."""
    source: Along
    """How it goes through the operand."""
    target: Along
    """How it goes through the result."""


@dataclass(frozen=True)
class Copy:
    """A nest of loops that copies elements of an operand, or stores one number."""

    loops: tuple[Loop, ...]
    source: Index
    """Index of the first element in the operand."""
    target: Index
    """Index of the first element in the result."""
    operand: int | None = 0
    """Number of the operand; None where all elements are `fill`."""
    fill: float = 0.0
    """The number that is stored if no operand is read."""


def copies_of(op: Op, types: Sequence[TensorType]) -> tuple[Copy, ...]:
    """Return copies that store every element of the result once, given the operands' types."""
    first, *_ = types
    x = first.shape
    origin = (0,) * len(x)
    match op:
        case Slice(axis=axis, start=start, step=step):
            (result,) = op.infer(types)
            steps = tuple(step if a == axis else 1 for a in range(len(x)))
            return (Copy(_box(result.shape, steps), _at(origin, axis, start), origin),)
        case Gather(axis=axis, indices=indices):
            return tuple(
                Copy(_runs(x, axis, run), _at(origin, axis, run[0]), _at(origin, axis, place))
                for place, run in runs_of(indices)
            )
        case ConcatAlong(axis=axis):
            starts = accumulate((type.shape[axis] for type in types), initial=0)
            return tuple(
                Copy(_box(type.shape), origin, _at(origin, axis, start), number)
                for number, (type, start) in enumerate(zip(types, starts, strict=False))
            )
        case Pad():
            return (Copy(_box(x), origin, op.before), *_borders(op, x))
        case Transpose(perm=perm):
            loops = (Loop(x[axis], (axis, 1), (place, 1)) for place, axis in enumerate(perm))
            return (Copy(tuple(loops), origin, origin),)
        case DepthToSpace(block=block):
            large, deep = (x[0], x[1] * block, x[2] * block, x[3] // block**2), 1
            return (Copy(_blocks(large, block, deep), origin, origin),)
        case SpaceToDepth(block=block):
            return (Copy(_blocks(x, block, 0), origin, origin),)
        case _:
            raise TypeError(f"{op.mnemonic} is no strided copy")


def _at(origin: Index, axis: int, place: int) -> Index:
    return (*origin[:axis], place, *origin[axis + 1 :])


def runs_of(indices: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
    """Cut a list of numbers into runs of equal differences, each with the place where it begins."""
    start = 0
    while start < len(indices):
        end = start + min(2, len(indices) - start)
        step = indices[end - 1] - indices[start]
        while end < len(indices) and indices[end] - indices[end - 1] == step:
            end += 1
        yield start, indices[start:end]
        start = end


def _runs(x: Index, axis: int, run: Sequence[int]) -> tuple[Loop, ...]:
    """Return loops over all axes of x, but for one only over a run of its elements."""
    step = run[1] - run[0] if len(run) > 1 else 1
    shape = (*x[:axis], len(run), *x[axis + 1 :])
    return _box(shape, tuple(step if a == axis else 1 for a in range(len(x))))


def _box(shape: Sequence[int], steps: Sequence[int] = ()) -> tuple[Loop, ...]:
    """Return loops over all axes of a shape, in steps through the operand."""
    each = zip(shape, steps or (1,) * len(shape), strict=True)
    return tuple(Loop(extent, (axis, step), (axis, 1)) for axis, (extent, step) in enumerate(each))


def _borders(op: Pad, x: Index) -> tuple[Copy, ...]:
    """Return what stores the pads: those of an axis as far as the pads before leave the others."""
    result = [sum(each) for each in zip(op.before, x, op.after, strict=True)]
    made = []
    for axis, extent in enumerate(x):
        inner = [*x[:axis], 0, *result[axis + 1 :]]
        start = [*op.before[:axis], 0, *[0] * (len(x) - axis - 1)]
        sides = ((0, op.before[axis]), (op.before[axis] + extent, op.after[axis]))
        for place, width in sides:
            if width:
                inner[axis], start[axis] = width, place
                where = tuple(start)
                made.append(Copy(_box(inner), where, where, None, op.fill))
    return tuple(made)


def _blocks(large: Index, block: int, deep: int) -> tuple[Loop, ...]:
    """Return loops between an image and one whose channels are blocks of its pixels; `deep` says
    which of them is the result, 0 the blocks and 1 the pixels."""
    images, height, width, channels = large
    loops = (  # extent, along the pixels, along the blocks
        (images, (0, 1), (0, 1)),
        (height // block, (1, block), (1, 1)),
        (block, (1, 1), (3, block * channels)),
        (width // block, (2, block), (2, 1)),
        (block, (2, 1), (3, channels)),
        (channels, (3, 1), (3, 1)),
    )
    if deep == 0:
        return tuple(Loop(extent, pixels, blocks) for extent, pixels, blocks in loops)
    return tuple(Loop(extent, blocks, pixels) for extent, pixels, blocks in loops)
