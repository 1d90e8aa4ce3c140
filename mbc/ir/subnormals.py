"""Flushing of subnormal numbers, of magnitude below 2^-126, to zero of the same sign.

The oracle flushes constants, inputs and results; backends flush weights when they pack them;
threads flush while they run a network, if their caller allows it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

LEAST = np.finfo(np.float32).smallest_normal
SIGN, LEAST_BITS = np.uint32(1 << 31), np.uint32(1 << 23)
PIECE = 1 << 20  # elements examined at a time, which bounds temporary memory


def is_subnormal(array: np.ndarray) -> np.ndarray:
    """Return a mask of the nonzero floats that are smaller than every normal f32."""
    where: np.ndarray
    if array.dtype.kind != "f":
        where = np.zeros(array.shape, np.bool_)
    elif array.dtype == np.float32:  # as integers: comparing subnormal floats is slow
        bits = array.view(np.uint32) & ~SIGN
        where = (bits != 0) & (bits < LEAST_BITS)
    else:
        where = (array != 0) & (np.abs(array) < LEAST)
    return where


def count_subnormals(array: np.ndarray) -> int:
    """Count the subnormal elements of an array."""
    return sum(int(np.count_nonzero(is_subnormal(piece))) for piece in _pieces(array))


def flushed(array: np.ndarray) -> np.ndarray:
    """Return a copy with subnormals flushed; the array itself if it has none or holds integers."""
    if array.dtype.kind != "f" or not count_subnormals(array):
        return array
    copy = np.array(array, order="C")
    flush(copy)
    return copy


def flush(array: np.ndarray) -> None:
    """Replace subnormals by zeros of the same sign, in place."""
    for piece in _pieces(array):
        where = is_subnormal(piece)
        if where.any():
            piece[where] = np.copysign(0, piece[where])


def _pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    """Split an array into views of at most `PIECE` elements, if it is contiguous."""
    if not array.flags.c_contiguous:
        yield array
        return
    flat = array.reshape(-1)
    yield from (flat[start : start + PIECE] for start in range(0, flat.size, PIECE))
