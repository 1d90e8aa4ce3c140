"""Strided slices: masks, and axes that are added or left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from mbc.frontends.lowering.model import Shape
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.model import Operator
from mbc.frontends.tflite.options import flag, whole

Bounds: TypeAlias = tuple[int, int, int]
"""First element, the one after the last (or before it, backwards), and step."""

MASKS = ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask")


class Strided(NamedTuple):
    """What a strided slice takes."""

    bounds: tuple[Bounds, ...]
    """Of each axis of the operand."""
    taken: tuple[slice | int | None, ...]
    """The same as an index of numpy, with the axes that it adds and leaves out."""


def strided(
    operator: Operator, shape: Shape, begin: Sequence[int], end: Sequence[int], step: Sequence[int]
) -> Strided:
    """Return what an operator takes of an operand; Unsupported where that makes no sense."""
    begins, ends, ellipsis, news, shrinks = (whole(operator, mask, 0) for mask in MASKS)
    if not len(begin) == len(end) == len(step) or flag(operator, "Offset") or 0 in step:
        raise Unsupported("its bounds do not fit each other")
    index, bounds, axis = list[slice | int | None](), list[Bounds](), 0
    added = [bool(news >> at & 1) for at in range(len(begin))]
    dots = [bool(ellipsis >> at & 1) and not new for at, new in enumerate(added)]
    for at in range(len(begin)):
        if dots[at]:
            rest = max(len(shape) - axis - added[at + 1 :].count(False), 0)
            bounds += [(0, extent, 1) for extent in shape[axis : axis + rest]]
            index += [slice(None)] * rest
            axis += rest
        elif added[at]:
            index.append(None)
        elif axis < len(shape):
            first = None if begins >> at & 1 else begin[at]
            last = None if ends >> at & 1 else end[at]
            is_one = bool(shrinks >> at & 1)
            own = slice(first, last, step[at])
            bounds.append(_one(begin[at], shape[axis]) if is_one else own.indices(shape[axis]))
            index.append(begin[at] if is_one else own)
            axis += 1
        else:
            raise Unsupported("it has bounds for more axes than its operand")
    bounds += [(0, extent, 1) for extent in shape[axis:]]
    return Strided(tuple(bounds), tuple(index))


def _one(place: int, extent: int) -> Bounds:
    if not -extent <= place < extent:
        raise Unsupported(f"it takes element {place} of {extent}")
    return place % extent, place % extent + 1, 1
