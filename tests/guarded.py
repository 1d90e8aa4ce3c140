"""Memory between pages that nobody may touch: who goes a byte too far, dies of it."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

LIBC = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE


class Guarded:
    """Memory of exactly so many bytes between pages that nobody may touch: it ends where the second
    begins or, `low`, begins where the first ends."""

    def __init__(self, size: int, *, low: bool = False) -> None:
        room = -(-size // PAGE) * PAGE
        self._map = mmap.mmap(-1, room + 2 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        for page in (start, start + PAGE + room):
            assert LIBC.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0) == 0
        offset = PAGE if low else PAGE + room - size
        self.address = start + offset
        self.bytes = np.frombuffer(self._map, np.uint8, size, offset)

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        """The memory as floats."""
        return self.bytes.view(np.float32).reshape(shape)
