"""What the integers of a model stand for: elements of values, and the steps of weights.

Values have codes of 8 bits, with one scale and zero point a tensor. In mbc codes have no sign, so
those of int8 are 128 more. Weights may have a scale for each place of an axis.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.scales import dequantised, quantised
from mbc.frontends.tflite.arrays import DTYPES, malformed
from mbc.frontends.tflite.model import Tensor
from mbc.ir.elements import Q8, SMALLEST_SCALE

CODES = {"INT8": 128, "UINT8": 0}
"""The types of codes, and what is added to make them begin at 0."""

LIMITS = {"INT16": (-(2**15), 2**15 - 1), "INT4": (-8, 7), "INT8": (-128, 127), "UINT8": (0, 255)}
"""The types of integers that stand for real numbers by a scale, with their least and largest."""

LARGEST_WEIGHT = 127
LARGEST_SCALE = float(np.finfo(np.float32).max) / 2**16
SAME = 1e-5
"""How far scales may be apart, of themselves, that a converter has rounded in two ways."""


class Steps(NamedTuple):
    """Weights as whole steps of scales."""

    weight: np.ndarray
    """The numbers that they stand for, float32."""
    scale: np.ndarray
    """The scale of each output channel, in float64."""
    given: np.ndarray
    """The same as the file has it."""
    rounded: int
    """How many channels had steps beyond 127, and were rounded to fewer."""


def stands_for_numbers(tensor: Tensor) -> bool:
    """Whether a tensor has integers that stand for real numbers."""
    return tensor.element in LIMITS and tensor.scales.scale.size > 0


def check_scales(tensor: Tensor) -> None:
    """Raise E0806 where what integers stand for makes no sense."""
    scale, zero, axis = tensor.scales.scale, tensor.scales.zero, tensor.scales.axis
    low, high = LIMITS[tensor.element]
    if zero.size not in (0, scale.size):
        raise malformed(tensor, f"it has {scale.size:,} scales and {zero.size:,} zero points")
    least = SMALLEST_SCALE if tensor.data is None else 0.0  # of channels of a weight that are dead
    wrong = ~((scale >= least) & (scale <= LARGEST_SCALE))  # true of NaN
    if wrong.any():
        raise malformed(tensor, f"its scale is {scale[wrong][0]:g}")
    if zero.size and not low <= zero.min() <= zero.max() <= high:
        found = zero.min() if zero.min() < low else zero.max()
        raise malformed(tensor, f"its zero point is {found}, which is no {tensor.element.lower()}")
    if scale.size == 1:
        return
    if not 0 <= axis < len(tensor.shape):
        raise malformed(tensor, f"it has scales along axis {axis} of {len(tensor.shape)}")
    if scale.size != tensor.shape[axis]:
        raise malformed(tensor, f"it has {scale.size:,} scales for {tensor.shape[axis]:,} places")


def element_of(tensor: Tensor) -> Q8 | None:
    """Return the element of a value; None of one that has none. Unsupported for scales by axes."""
    if tensor.element not in CODES or not stands_for_numbers(tensor):
        return None
    _check_details(tensor)
    scale, zero = tensor.scales.scale, tensor.scales.zero
    if scale.size != 1:
        raise Unsupported(f"'{tensor.name}' is quantised by channels")
    if scale[0] < SMALLEST_SCALE:
        raise Unsupported(f"'{tensor.name}' has the scale {scale[0]:g}")
    offset = CODES[tensor.element]
    return Q8(float(scale[0]), int(zero[0]) + offset if zero.size else offset)


def _check_details(tensor: Tensor) -> None:
    if tensor.scales.details:
        raise Unsupported(f"'{tensor.name}' has codes that mbc does not know")


def range_of(element: Q8) -> tuple[float, float]:
    """Return the least and the largest number that codes stand for."""
    scale = np.float32(element.scale)
    low, high = (np.float32(code - element.zero) * scale for code in (0, 255))
    return float(low), float(high)


def near(a: Q8, b: Q8) -> bool:
    """Whether two elements are the same, but for rounding."""
    return a.zero == b.zero and abs(a.scale - b.scale) <= SAME * b.scale


def numbers_of(tensor: Tensor, array: np.ndarray) -> np.ndarray:
    """Return what the elements of a constant stand for, as float32; Unsupported where that is not
    said."""
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    if not stands_for_numbers(tensor):
        raise Unsupported(f"'{tensor.name}' has integers that stand for no numbers")
    _check_details(tensor)
    zero = tensor.scales.zero if tensor.scales.zero.size else None
    return dequantised(array, tensor.scales.scale, zero, tensor.scales.axis)


def codes_of(tensor: Tensor, numbers: np.ndarray) -> np.ndarray:
    """Return the integers that a tensor has for numbers; Unsupported where that is not said."""
    if not stands_for_numbers(tensor) or tensor.element not in CODES:
        raise Unsupported(f"its result is {tensor.element.lower()} without a scale")
    kind, zero = DTYPES[tensor.element], tensor.scales.zero
    zero = (zero if zero.size else np.zeros(tensor.scales.scale.size)).astype(kind)
    return quantised(numbers, tensor.scales.scale, zero, tensor.scales.axis)


def steps_of(tensor: Tensor, array: np.ndarray, axis: int) -> Steps:
    """Return the weights of a layer, whose output channels are an axis of the file. What is more
    than 127 steps from its zero point is rounded to 127 steps of a larger scale, but -128 is -127.
    Steps below the least normal float32 are 0."""
    scales = tensor.scales
    if not stands_for_numbers(tensor):
        raise Unsupported(f"'{tensor.name}' has integers that stand for no numbers")
    _check_details(tensor)
    if scales.scale.size > 1 and scales.axis != axis:
        raise Unsupported(f"'{tensor.name}' has scales along axis {scales.axis}, not its outputs")
    others = tuple(each for each in range(array.ndim) if each != axis)
    along = [-1 if each == axis else 1 for each in range(array.ndim)]
    zero = scales.zero.reshape(along if scales.zero.size > 1 else ()) if scales.zero.size else 0
    steps = array.astype(np.int64) - zero
    reach = np.abs(steps).max(axis=others)
    steps = np.where(steps == -LARGEST_WEIGHT - 1, -LARGEST_WEIGHT, steps)
    most = np.abs(steps).max(axis=others)
    given = np.broadcast_to(scales.scale.astype(np.float64), most.shape)
    given = np.where(given < SMALLEST_SCALE, 0.0, given)  # what they add to a sum is nothing
    scale = np.where(given == 0, 1.0, given) * np.maximum(most / LARGEST_WEIGHT, 1)
    ratio, own = (given / scale).reshape(along), scale.reshape(along)
    weight = (np.rint(steps * ratio) * own).astype(np.float32)
    return Steps(weight, scale, given, int((reach > LARGEST_WEIGHT).sum()))
