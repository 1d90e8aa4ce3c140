"""Kernel, stride and padding as users write them, as the IR wants them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

from mbc.frontends.dsl.builder import describe, misuse
from mbc.ir.types import TensorType
from mbc.ops.window import Pad, Pair, same_padding

Extent: TypeAlias = int | tuple[int, int]
Padding: TypeAlias = int | Literal["same"] | tuple[int, int, int, int]


def whole(what: str, given: object, *, least: int = 1) -> int:
    """An integer of at least `least`; raises E0218."""
    if isinstance(given, bool) or not isinstance(given, int):
        helps = (f"write int({given!r})",) if isinstance(given, float) else ()
        raise misuse(f"{what} must be an integer, found {describe(given)}", *helps)
    if given < least:
        raise misuse(f"{what} must be at least {least}, found {given}")
    return given


def number(what: str, given: object) -> float:
    """A finite number; raises E0218."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < math.inf:
        raise misuse(f"{what} must be a number, found {describe(given)}")
    return given


def flag(what: str, given: object) -> bool:
    """True or False; raises E0218."""
    if not isinstance(given, bool):
        raise misuse(f"{what} must be True or False, found {describe(given)}")
    return given


def listed(what: str, given: object) -> tuple[object, ...]:
    """What a list or tuple holds; raises E0218."""
    if not isinstance(given, Iterable):
        raise misuse(f"{what} must be a tuple of integers, found {describe(given)}")
    return tuple(given)


def pair(what: str, given: object) -> Pair:
    """One number for both axes, or (height, width); raises E0218."""
    if isinstance(given, tuple | list):
        if len(given) != 2:
            raise misuse(f"{what} must be one integer or (height, width), found {given}")
        return whole(what, given[0]), whole(what, given[1])
    return whole(what, given), whole(what, given)


def sides(given: object, x: TensorType, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Pad:
    """Four sides (top, bottom, left, right) from "same" (TensorFlow), an integer (PyTorch: so
    much on each side) or the four sides themselves; raises E0218."""
    if given == "same":
        return _same(x, kernel, stride, dilation)
    if isinstance(given, int):
        each = whole("padding", given, least=0)
        return each, each, each, each
    if isinstance(given, tuple | list) and len(given) == 4:
        top, bottom, left, right = (whole("padding", side, least=0) for side in given)
        return top, bottom, left, right
    raise misuse(
        f"padding must be 'same', an integer or (top, bottom, left, right), found {given!r}"
    )


def _same(x: TensorType, kernel: Pair, stride: Pair, dilation: Pair) -> Pad:
    if x.rank != 4:  # the op itself will refuse it
        return 0, 0, 0, 0
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    top, bottom = same_padding(x.shape[1], reach[0], stride[0])
    left, right = same_padding(x.shape[2], reach[1], stride[1])
    return top, bottom, left, right
