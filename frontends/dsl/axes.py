"""Axes, bounds, sizes and pads: from what users write to what the IR takes."""

from __future__ import annotations

from mbc.frontends.dsl.mistakes import misuse
from mbc.frontends.dsl.numbers import as_integer
from mbc.frontends.dsl.window import listed, whole
from mbc.ir.views import Value

Pads = tuple[tuple[int, ...], tuple[int, ...]]
"""The pads before each axis, and those after."""


def axis_of(given: object, x: Value) -> int:
    """Read an axis, which may count from the end; raises E0218."""
    rank = x.type.rank
    axis = whole("axis", given, least=-rank)
    if axis >= rank:
        raise misuse(f"axis must be below {rank}, found {axis}: the tensor is {x.type}")
    return axis % rank


def part_sizes(parts: object, sizes: object, x: Value, axis: int) -> tuple[int, ...]:
    """Return the sizes of the parts of an axis, of which either is given; raises E0218."""
    if (parts is None) == (sizes is None):
        raise misuse("split needs either parts or sizes: nn.split(x, parts=2)")
    if sizes is not None:
        return tuple(whole("a size", size) for size in listed("sizes", sizes))
    count, extent = whole("parts", parts), x.type.shape[axis]
    if extent % count:
        what = "channels" if axis == x.type.rank - 1 else f"elements of axis {axis}"
        raise misuse(f"{extent} {what} do not split into {count} equal parts")
    return (extent // count,) * count


def bounds_of(extent: int, start: object, stop: object) -> tuple[int, int]:
    """Return start and stop, counted from the front; raises E0218."""
    first = whole("start", start, least=-extent)
    end = extent if stop is None else whole("stop", stop, least=-extent)
    return first + extent * (first < 0), end + extent * (end < 0)


def pads_of(given: object, x: Value) -> Pads:
    """Read the pads of all axes: one integer or (top, bottom, left, right) of an image, or a pair
    for each axis; raises E0218."""
    sides = (given,) * 4 if as_integer(given) is not None else listed("padding", given)
    numbers = all(as_integer(side) is not None for side in sides)
    if numbers and len(sides) == x.type.rank == 4:
        top, bottom, left, right = (whole("a pad", side, least=0) for side in sides)
        return (0, top, left, 0), (0, bottom, right, 0)
    pairs = [] if numbers else [listed("a pad", side) for side in sides]
    if len(pairs) != x.type.rank or any(len(pair) != 2 for pair in pairs):
        raise misuse(
            "padding must be an integer or (top, bottom, left, right) of an image, or "
            f"(before, after) for each axis, found {given!r} for {x.type}"
        )
    before, after = (tuple(whole("a pad", pair[i], least=0) for pair in pairs) for i in (0, 1))
    return before, after
