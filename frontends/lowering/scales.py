"""The arithmetic of quantised tensors: QuantizeLinear and DequantizeLinear, in numpy."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def dequantised(q: Array, scale: Array, zero: Array | None, axis: int = 1, block: int = 0) -> Array:
    """Return (q - zero) * scale in float32. ValueError for operands that do not fit."""
    scales = along(scale, q.shape, axis, block).astype(np.float32)
    exact = q.astype(np.float64)
    if zero is not None:
        exact = exact - along(zero, q.shape, axis, block).astype(np.float64)
    with np.errstate(all="ignore"):
        result: Array = exact.astype(np.float32) * scales
    return result


def quantised(x: Array, scale: Array, zero: Array | None, axis: int = 1, block: int = 0) -> Array:
    """Return x / scale + zero in the type of `zero`, uint8 without it, saturated and rounded to
    even. ValueError for operands that do not fit, TypeError for a type that is no integer."""
    offset = np.zeros((), np.uint8) if zero is None else zero
    if offset.dtype.kind not in "iu":
        raise TypeError(f"{offset.dtype} is no type of integers")
    limits = np.iinfo(offset.dtype)
    with np.errstate(all="ignore"):
        steps = x.astype(np.float32) / along(scale, x.shape, axis, block).astype(np.float32)
        moved = np.rint(np.nan_to_num(steps)) + along(offset, x.shape, axis, block).astype(float)
    result: Array = np.clip(moved, limits.min, limits.max).astype(offset.dtype)
    return result


def along(parameter: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """Return a scale or zero point as it is broadcast to a tensor: one number, one along an axis,
    or one for each block of an axis."""
    if parameter.size == 1:
        return parameter.reshape(())
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"a tensor of {len(shape)} axes has no axis {axis}")
    axis %= len(shape)
    if block > 0:
        return _by_blocks(parameter, shape, axis, block)
    if parameter.shape != (shape[axis],):
        raise ValueError(f"{parameter.size} scales for {shape[axis]} channels")
    return parameter.reshape([-1 if at == axis else 1 for at in range(len(shape))])


def _by_blocks(parameter: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    blocks = -(-shape[axis] // block)
    if parameter.shape != (*shape[:axis], blocks, *shape[axis + 1 :]):
        raise ValueError(f"scales of shape {parameter.shape} do not fit blocks of {block}")
    places = np.arange(shape[axis]) // block
    return parameter.take(places, axis)
