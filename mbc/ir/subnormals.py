"""Subnormal numbers, whose magnitude is below 2^-126, count as zero, with their sign.

The oracle holds to it for constants, inputs and results, backends when they pack weights, and
threads while they run a network, if their caller lets them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

LEAST = np.finfo(np.float32).smallest_normal
SIGN, LEAST_BITS = np.uint32(1 << 31), np.uint32(1 << 23)
PIECE = 1 << 20  # elements that are looked at together: what that takes of memory


def is_subnormal(array: np.ndarray) -> np.ndarray:
    """Where an array holds floats that no normal f32 is as small as."""
    where: np.ndarray
    if array.dtype.kind != "f":
        where = np.zeros(array.shape, np.bool_)
    elif array.dtype == np.float32:  # as integers, since to compare subnormal floats takes long
        bits = array.view(np.uint32) & ~SIGN
        where = (bits != 0) & (bits < LEAST_BITS)
    else:
        where = (array != 0) & (np.abs(array) < LEAST)
    return where


def count_subnormals(array: np.ndarray) -> int:
    """How many there are."""
    return sum(int(np.count_nonzero(is_subnormal(piece))) for piece in _pieces(array))


def flushed(array: np.ndarray) -> np.ndarray:
    """The array with zeros in their place; the same one if it has none, or is not of floats."""
    if array.dtype.kind != "f" or not count_subnormals(array):
        return array
    copy = np.array(array, order="C")
    flush(copy)
    return copy


def flush(array: np.ndarray) -> None:
    """Put zeros in their place."""
    for piece in _pieces(array):
        where = is_subnormal(piece)
        if where.any():
            piece[where] = np.copysign(0, piece[where])


def _pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    """Views of all of an array."""
    if not array.flags.c_contiguous:
        yield array
        return
    flat = array.reshape(-1)
    yield from (flat[start : start + PIECE] for start in range(0, flat.size, PIECE))
