"""A pool that deals tasks out as none would choose to: what kernels may rely on is the contract."""

from __future__ import annotations

import ctypes
from itertools import pairwise
from random import Random
from threading import Lock

from mbc.runtime.pool import RUN, TASK, Pool


class _Head(ctypes.Structure):
    """`mbc_pool` in pool.h."""

    _fields_ = (("run", RUN), ("threads", ctypes.c_uint32))


class Scatter(Pool):
    """So many threads, all of them this one: ranges of any length, whatever the grain, in any
    order, each under some thread's number."""

    def __init__(self, threads: int, seed: int = 0) -> None:
        self.threads, self.turn, self._random = threads, Lock(), Random(seed)
        self._head = _Head(RUN(self._deal), threads)
        self.address = ctypes.addressof(self._head)

    def _deal(self, _: int, task: int, context: int, count: int, __: int) -> None:
        cuts = self._random.sample(range(1, count), min(count - 1, self._random.randrange(5)))
        edges = [0, *sorted(cuts), count]
        ranges = list(pairwise(edges))
        self._random.shuffle(ranges)
        for begin, end in ranges:
            TASK(task)(context, self._random.randrange(self.threads), begin, end)

    def close(self) -> None:
        """There is nothing to end."""
        self.address = None
