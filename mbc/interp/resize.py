"""Resizing in numpy, with coordinates in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from mbc.ops.resize import Resize

Array: TypeAlias = np.ndarray

COORDINATES: dict[str, Callable[[Array, int, int], Array]] = {
    "asymmetric": lambda i, size, out: i * size / out,
    "half_pixel": lambda i, size, out: ((2 * i + 1) * size - out) / (2 * out),
    "align_corners": lambda i, size, out: i * (size - 1) / max(out - 1, 1),
}
"""Where pixel i of the result lies on an axis; one division, so that whole numbers are exact."""

ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
}


def resize(op: Resize, x: Array) -> tuple[Array, ...]:
    """Resize the columns of each row, then the rows."""
    return (_along(op, _along(op, x, 2), 1),)


def _along(op: Resize, x: Array, axis: int) -> Array:
    size, out = x.shape[axis], op.size[axis - 1]
    at = COORDINATES[op.coordinates](np.arange(out, dtype=np.float64), size, out)
    at = np.clip(at, 0, size - 1)
    if op.mode == "nearest":
        return x.take(ROUNDINGS[op.rounding](at).astype(np.int64), axis)
    low = np.floor(at)
    shape = [-1 if each == axis else 1 for each in range(x.ndim)]
    share = (at - low).astype(x.dtype).reshape(shape)
    first = x.take(low.astype(np.int64), axis)
    second = x.take(np.minimum(low + 1, size - 1).astype(np.int64), axis)
    between: Array = first * (1 - share) + second * share
    return np.where(share == 0, first, between)
