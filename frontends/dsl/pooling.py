"""Pools whose extents are rounded up, and what their means count."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

from mbc.frontends.dsl.mistakes import describe, misuse
from mbc.frontends.dsl.numbers import as_bool
from mbc.frontends.dsl.window import flag
from mbc.ir.types import TensorType
from mbc.ops.window import Pad, Pair, ceil_overhang

Counting: TypeAlias = bool | Literal["overhang"]


class Counted(TypedDict):
    """Attributes of an average pool."""

    count_pad: bool
    overhang: Pair


def overhang_of(
    given: object, x: TensorType, kernel: Pair, stride: Pair, pad: Pad, dilation: Pair = (1, 1)
) -> Pair:
    """Return the rows and columns beyond the padding that `ceil_mode` adds; raises E0218 for what
    is neither True nor False."""
    if not flag("ceil_mode", given) or x.rank != 4:  # the op itself will refuse another rank
        return 0, 0
    down, across = (
        ceil_overhang(x.shape[1 + axis], (k - 1) * d + 1, step, (pad[2 * axis], pad[2 * axis + 1]))
        for axis, (k, d, step) in enumerate(zip(kernel, dilation, stride, strict=True))
    )
    return down, across


def counting(given: object, pad: Pad, overhang: Pair) -> Counted:
    """Read what a mean counts: nothing but data, the padding, or also what hangs over it; raises
    E0218 for anything else."""
    if given == "overhang":
        return {"count_pad": any(pad) or any(overhang), "overhang": (0, 0)}
    counted = as_bool(given)
    if counted is None:
        words = "count_pad must be True, False or 'overhang'"
        raise misuse(f"{words}, found {describe(given)}")
    if any(overhang):
        counted = counted and any(pad)  # else no cell of the padding counts
    return {"count_pad": counted, "overhang": overhang if counted else (0, 0)}
