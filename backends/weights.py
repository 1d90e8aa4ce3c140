"""Packed weights of a network in one blob."""

from __future__ import annotations

import numpy as np

from mbc.alignment import ALIGNMENT, round_up
from mbc.ir.subnormals import flushed


def packed_array(weights: np.ndarray) -> np.ndarray:
    """Return weights as a dense array without subnormal numbers."""
    return flushed(np.ascontiguousarray(weights))


class WeightsBlob:
    """Packed weights one after the other, each aligned; equal ones are stored once."""

    def __init__(self, alignment: int = ALIGNMENT) -> None:
        self._alignment = alignment
        self._offsets: dict[bytes, int] = {}
        self._size = 0

    def add(self, array: np.ndarray) -> int:
        """Store an array and return its byte offset."""
        data = np.ascontiguousarray(array).tobytes()
        if data not in self._offsets:
            self._offsets[data] = self._size
            self._size += round_up(len(data), self._alignment)
        return self._offsets[data]

    def data(self) -> bytes:
        """Return the whole blob, padded with zeros."""
        padded = (data.ljust(round_up(len(data), self._alignment), b"\0") for data in self._offsets)
        return b"".join(padded)
