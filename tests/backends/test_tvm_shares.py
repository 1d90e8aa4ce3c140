"""How the TVM backend's kernels divide their units among TVM's threads: each is run once, whoever
is there and in whatever order threads come."""

from __future__ import annotations

import ctypes
from collections import Counter

import pytest

from mbc.backends.llvm.jit import JitModule
from mbc.backends.tvm.cpu.kernels import MOST_THREADS, SHARES, _casts
from tests.backends.kernel_check import host_target

WORD = "i64" if ctypes.sizeof(ctypes.c_void_p) == 8 else "i32"
RUN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
UNITS = ((1, 1), (2, 2), (7, 7), (9, 33), (64, 200), (1024, 4000))


@pytest.fixture(scope="module")
def module() -> JitModule:
    text = SHARES.format(word=WORD, **_casts(WORD)).replace("define internal", "define")
    return JitModule(text, host_target())


class Launch:
    """A launch on so many threads; while one runs its first range, the first of those that
    `during` names comes and goes, and likewise the next."""

    def __init__(self, module: JitModule, members: int, units: int, tasks: int) -> None:
        words = [ctypes.c_void_p] * 3 + [ctypes.c_uint32] * 4
        address = module.address("mbc_run_shares")
        self._function = ctypes.CFUNCTYPE(ctypes.c_int32, *words)(address)
        self._taken = (ctypes.c_uint64 * MOST_THREADS)()
        self._counts = (members, units, tasks)
        self.ranges: list[list[tuple[int, int]]] = [[] for _ in range(members)]
        self.done: Counter[int] = Counter()

    def come(self, number: int, *during: int, status: int = 0) -> int:
        """Let a thread run until nothing is left for it."""

        def run(_: int, begin: int, end: int) -> int:
            self.ranges[number].append((begin, end))
            self.done.update(range(begin, end))
            if len(self.ranges[number]) == 1 and during:
                self.come(*during)
            return status

        context = RUN(run)
        address = ctypes.cast(context, ctypes.c_void_p)
        return int(self._function(address, None, self._taken, number, *self._counts))


@pytest.mark.parametrize("members", [1, 2, 3, 4, MOST_THREADS])
@pytest.mark.parametrize(("units", "tasks"), UNITS)
def test_each_task_is_run_once(module: JitModule, members: int, units: int, tasks: int) -> None:
    for first in range(min(members, 4)):
        launch = Launch(module, members, units, tasks)
        others = [number for number in range(members) if number != first]
        assert launch.come(first, *others[::2]) == 0
        assert set(launch.done) == set(range(tasks)), "one thread does what others have not begun"
        for number in range(members):
            launch.come(number)
        assert set(launch.done.values()) == {1}


def test_a_thread_begins_its_own_share_and_takes_halves_of_others(module: JitModule) -> None:
    launch = Launch(module, 2, 64, 64)
    launch.come(1)
    assert launch.ranges[1][:3] == [(32, 64), (16, 32), (8, 16)]
    together = Launch(module, 2, 64, 64)
    together.come(0, 1)
    assert together.ranges == [[(0, 32)], [(32, 64)]]


def test_shares_are_equal_where_units_allow(module: JitModule) -> None:
    launch = Launch(module, 3, 8, 100)
    launch.come(0, 1, 2)
    assert launch.ranges == [[(0, 33)], [(33, 66)], [(66, 100)]], "of 6 units, 2 each"


def test_a_failure_is_reported(module: JitModule) -> None:
    assert Launch(module, 2, 8, 8).come(0, status=-1) == -1
