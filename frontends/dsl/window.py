"""Kernel, stride and padding: from what users write to what the IR takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from mbc.frontends.dsl.mistakes import describe, misuse
from mbc.frontends.dsl.numbers import as_bool, as_float, as_integer
from mbc.ir.types import TensorType
from mbc.ops.window import Pad, Pair, same_padding

Extent: TypeAlias = int | tuple[int, int]
Padding: TypeAlias = int | Literal["same", "half"] | tuple[int, int, int, int]


def whole(what: str, given: object, *, least: int = 1) -> int:
    """Check that an argument is an integer of at least `least`; raises E0218."""
    value = as_integer(given)
    if value is None:
        rounded = as_float(given)
        helps = (f"write int({rounded!r})",) if rounded is not None else ()
        raise misuse(f"{what} must be an integer, found {describe(given)}", *helps)
    if value < least:
        raise misuse(f"{what} must be at least {least}, found {value}")
    return value


def number(what: str, given: object) -> float:
    """Check that an argument is a finite number; raises E0218."""
    value = as_float(given)
    if value is None:
        raise misuse(f"{what} must be a number, found {describe(given)}")
    return value


def flag(what: str, given: object) -> bool:
    """Check that an argument is True or False; raises E0218."""
    value = as_bool(given)
    if value is None:
        raise misuse(f"{what} must be True or False, found {describe(given)}")
    return value


def choice(what: str, given: object, words: Sequence[str]) -> str:
    """Check that an argument is one of some words; raises E0218."""
    if isinstance(given, str) and given in words:
        return given
    quoted = ", ".join(f"'{word}'" for word in words)
    raise misuse(f"{what} must be one of {quoted}, found {describe(given)}")


def listed(what: str, given: object) -> tuple[object, ...]:
    """Return the items of a list or tuple; raises E0218 for anything that is not iterable."""
    if not isinstance(given, Iterable):
        raise misuse(f"{what} must be a tuple of integers, found {describe(given)}")
    return tuple(given)


def pair(what: str, given: object, *, least: int = 1) -> Pair:
    """Read one number for both axes, or (height, width); raises E0218."""
    if isinstance(given, tuple | list | np.ndarray):
        if len(given) != 2:
            raise misuse(f"{what} must be one integer or (height, width), found {given}")
        return whole(what, given[0], least=least), whole(what, given[1], least=least)
    value = whole(what, given, least=least)
    return value, value


def sides(given: object, x: TensorType, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Pad:
    """Return (top, bottom, left, right) of a padding.

    It is given as "same" (TensorFlow's rule), as "half" (what reaches beyond the middle of the
    kernel on each side, as PyTorch's networks have it), as an integer for each side, or as these
    four; raises E0218 for anything else.
    """
    if isinstance(given, str) and given == "same":
        return _same(x, kernel, stride, dilation)
    if isinstance(given, str) and given == "half":
        rows, columns = ((k - 1) // 2 * d for k, d in zip(kernel, dilation, strict=True))
        return rows, rows, columns, columns
    if as_integer(given) is not None:
        each = whole("padding", given, least=0)
        return each, each, each, each
    if isinstance(given, tuple | list | np.ndarray) and len(given) == 4:
        top, bottom, left, right = (whole("padding", side, least=0) for side in given)
        return top, bottom, left, right
    raise misuse(
        "padding must be 'same', 'half', an integer or (top, bottom, left, right), "
        f"found {given!r}",
        *_padding_hints(given),
    )


def _padding_hints(given: object) -> tuple[str, ...]:
    """Suggest what to write for a padding in another framework's notation."""
    match given:
        case str() if given.lower() == "same":
            return ("write padding='same'",)
        case str() if given.lower() == "valid":
            return ("write padding=0, which is the same",)
        case (vertical, horizontal):
            each = f"{vertical}, {vertical}, {horizontal}, {horizontal}"
            return (f"for (vertical, horizontal) write padding=({each})",)
    return ()


def _same(x: TensorType, kernel: Pair, stride: Pair, dilation: Pair) -> Pad:
    if x.rank != 4:  # the op itself will refuse it
        return 0, 0, 0, 0
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    top, bottom = same_padding(x.shape[1], reach[0], stride[0])
    left, right = same_padding(x.shape[2], reach[1], stride[1])
    return top, bottom, left, right
