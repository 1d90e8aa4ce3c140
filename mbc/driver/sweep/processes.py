"""Tasks side by side, each in a process. What the processes leave is removed, and where the sweep
is interrupted they end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from pathlib import Path

from mbc.diag import MbcError, error
from mbc.driver.sweep.work import Found, Task, perform

PATIENCE = 5.0
"""Seconds in which a process ends that is asked to; LLVM hears nothing while it generates code."""


def performed(tasks: Sequence[Task], jobs: int, folder: Path) -> Iterator[Found]:
    """Do tasks in so many processes, whose temporary files lie in a folder; yields what is found as
    it comes. Raises E0902 where the system ends a process."""
    if min(jobs, len(tasks)) < 2:
        yield from map(perform, tasks)
        return
    before = multiprocessing.active_children()  # others' processes
    pool = ProcessPoolExecutor(
        min(jobs, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(folder,),
    )
    try:
        for future in as_completed([pool.submit(perform, task) for task in tasks]):
            yield future.result()
    except BaseException as problem:
        workers = [child for child in multiprocessing.active_children() if child not in before]
        for worker in workers:
            worker.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        _await(workers)
        if isinstance(problem, BrokenProcessPool):
            raise _ended_by_the_system() from None
        raise
    pool.shutdown()


def _ended_by_the_system() -> MbcError:
    message = "the system ended a process that compiled: there may not be enough memory"
    helps = ["--jobs with a smaller number, and --resume, which keeps what is done"]
    return error("E0902", message, helps=helps)


def _begin(folder: Path) -> None:
    """Leave Ctrl-C to the process above, which asks this one to end."""
    tempfile.tempdir = str(folder)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)


def _leave(*_: object) -> None:
    """End, and have the tools that run here end; what Python says of that is of no interest."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(1)


def _await(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
