"""Resizes that are no kernel's: products with a matrix along each axis.

Row i of a matrix weighs the elements of an axis that element i of the result is made of, as the
definition of ONNX's Resize says: cubic, antialiased, of any scale, and of a region.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np

from mbc.frontends.lowering.problems import Unsupported
from mbc.records import dataclass

Array = np.ndarray


@dataclass(frozen=True)
class Sampling:
    """How an axis is resized."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    """How mode nearest rounds."""
    cubic: float = -0.75
    """The coefficient a of mode cubic."""
    antialias: bool = False
    """Whether filters are as wide as the distance of the elements of the result."""
    exclude_outside: bool = False
    """Whether what is outside weighs nothing, and the rest as much more."""


def matrix_of(
    how: Sampling, size: int, out: int, scale: float, region: tuple[float, float]
) -> tuple[Array, Array]:
    """Return the matrix [out,size] of an axis, and which elements of the result lie outside x."""
    places, outside = _places(how, size, out, scale, region)
    low = np.floor(places)
    ratios = np.where(places == low, 1.0, places - low)  # from the element on the left
    weights = np.array([_weights(how, float(ratio), scale) for ratio in ratios])
    taps = weights.shape[1]
    indices = (np.ceil(places).astype(np.int64) - taps // 2)[:, None] + np.arange(taps)
    if how.exclude_outside:
        weights = np.where((indices < 0) | (indices >= size), 0.0, weights)
        weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((out, size))
    rows = np.broadcast_to(np.arange(out)[:, None], indices.shape)
    np.add.at(matrix, (rows, np.clip(indices, 0, size - 1)), weights)
    return np.where(outside[:, None], 0.0, matrix), outside


def _places(
    how: Sampling, size: int, out: int, scale: float, region: tuple[float, float]
) -> tuple[Array, Array]:
    """Return the coordinate in x of each element of the result, and which lie outside."""
    number, extent = np.arange(out, dtype=np.float64), scale * size
    inside = np.zeros(out, bool)
    match how.coordinates:
        case "align_corners":
            step = 0.0 if extent == 1 else (size - 1) / (extent - 1)
            return number * step, inside
        case "asymmetric":
            return number / scale, inside
        case "tf_crop_and_resize":
            start, end = region
            span = (end - start) * (size - 1)
            found = np.full(out, span / 2) if extent == 1 else number * span / (extent - 1)
            found = found + start * (size - 1)
            return found, (found < 0) | (found > size - 1)
        case "pytorch_half_pixel" if out == 1:
            return np.zeros(1), inside
        case "half_pixel" | "pytorch_half_pixel":
            return (number + 0.5) / scale - 0.5, inside
        case "half_pixel_symmetric":
            offset = size / 2 * (1 - out / extent)
            return offset + (number + 0.5) / scale - 0.5, inside
    raise Unsupported(f"its coordinate_transformation_mode is {how.coordinates}")


def _weights(how: Sampling, ratio: float, scale: float) -> Array:
    """Return the weights of the elements around a coordinate, which is a ratio beyond the last of
    the first half of them."""
    if how.mode == "nearest":
        return _nearest(how.rounding, ratio)
    if how.mode not in ("linear", "cubic"):
        raise Unsupported(f"its mode is {how.mode}")
    reach, filtered = (1, _linear) if how.mode == "linear" else (2, _cubic(how.cubic))
    narrow = min(scale, 1.0) if how.antialias else 1.0
    half = ceil(reach / narrow)
    weights = filtered((np.arange(1 - half, 1 + half) - ratio) * narrow)
    return np.asarray(weights / weights.sum() if how.antialias else weights)


def _nearest(rounding: str, ratio: float) -> Array:
    second = {
        "floor": ratio == 1,
        "ceil": True,
        "round_prefer_floor": ratio > 0.5,
        "round_prefer_ceil": ratio >= 0.5,
    }
    if rounding not in second:
        raise Unsupported(f"its nearest_mode is {rounding}")
    return np.array([0.0, 1.0] if second[rounding] else [1.0, 0.0])


def _linear(distances: Array) -> Array:
    return np.asarray(np.clip(1 - np.abs(distances), 0, 1))


def _cubic(a: float) -> Callable[[Array], Array]:
    def filtered(distances: Array) -> Array:
        x = np.abs(distances)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

    return filtered
