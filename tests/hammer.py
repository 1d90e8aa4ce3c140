"""Calls from several Python threads at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

CALLERS = 4


def hammer(
    answer: Callable[[np.ndarray], np.ndarray], questions: Sequence[np.ndarray], calls: int
) -> int:
    """How many answers differ from those given to one caller, when `CALLERS` ask so many times."""
    alone = [answer(x).copy() for x in questions]
    assert not any(np.array_equal(a, alone[0]) for a in alone[1:])
    together = Barrier(CALLERS)

    def ask(caller: int) -> int:
        which = caller % len(questions)
        together.wait()
        return sum(not np.array_equal(answer(questions[which]), alone[which]) for _ in range(calls))

    with ThreadPoolExecutor(CALLERS) as callers:
        return sum(callers.map(ask, range(CALLERS)))
