"""Memory for weights and arenas in this process."""

import mmap

import numpy as np
import pytest

from mbc.backends.llvm.jit import HUGE_PAGE, aligned_bytes

SIZES = [1, 100, HUGE_PAGE // 2 - 1, HUGE_PAGE // 2, 2 * HUGE_PAGE + 3]


def check(size: int) -> np.ndarray:
    """Zeroed bytes of our own, aligned to a line of the cache."""
    found = aligned_bytes(size)
    assert found.shape == (size,)
    assert found.dtype == np.uint8
    assert found.ctypes.data % 64 == 0
    assert not found.any()
    found[:] = 1
    return found


@pytest.mark.parametrize("size", SIZES)
def test_memory_is_zeroed_and_aligned(size: int) -> None:
    found = check(size)
    assert size < HUGE_PAGE // 2 or found.ctypes.data % HUGE_PAGE == 0


class Refused(mmap.mmap):
    """Memory of a kernel without huge pages."""

    def madvise(self, option: int, start: int = 0, length: int | None = None) -> None:
        raise OSError(22, "Invalid argument")


def test_huge_pages_may_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmap, "mmap", Refused)
    check(3 * HUGE_PAGE)
