"""Thread pools for networks in this process: the C pool, compiled once and cached."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from mbc import caches
from mbc.diag import error
from mbc.records import dataclass
from mbc.runtime.abi import POOL_H

POOL_C = POOL_H.with_name("pool.c")
METER_C = POOL_C.with_name("meter.c")
HEADERS = ("pool.h", "subnormals.h", "waiting.h", "meter.h")
SOURCES = (POOL_C, METER_C, *map(POOL_H.with_name, HEADERS))
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared")


class Pool:
    """A pool of `threads` threads including the calling one, pinned to `cpus` (one each) if given.

    It serves one caller at a time, which holds the lock `turn` meanwhile. Raises E0605 if the pool
    cannot be compiled or loaded, E0606 if threads cannot be started.
    """

    def __init__(self, threads: int, cpus: Sequence[int] | None = None) -> None:
        self.threads, self.turn = threads, Lock()
        self._library = _loaded(_library())
        create, destroy = self._library.mbc_pool_create, self._library.mbc_pool_destroy
        create.restype, create.argtypes = ctypes.c_void_p, [ctypes.c_uint32, ctypes.c_void_p]
        destroy.restype, destroy.argtypes = None, [ctypes.c_void_p]
        self._destroy = destroy
        array = (ctypes.c_int * threads)(*cpus) if cpus is not None else None
        self.address: int | None = create(threads, array)
        if self.address is None:
            where = f" on CPUs {', '.join(map(str, cpus))}" if cpus is not None else ""
            raise error("E0606", f"{threads} threads cannot be started{where}")

    def run(self, task: int, context: int, count: int, grain: int = 1) -> None:
        """Distribute the tasks 0 … count-1 of the C function at address `task` over the threads, in
        ranges of at least `grain`."""
        if self.address is None:
            raise ValueError("the pool is closed")
        (run,) = ctypes.cast(self.address, ctypes.POINTER(RUN * 1)).contents
        with self.turn:
            run(self.address, task, context, count, grain)

    def close(self) -> None:
        """End the threads."""
        if self.address is not None:
            self._destroy(self.address)
            self.address = None

    def __del__(self) -> None:
        if getattr(self, "address", None) is not None:
            self.close()


class Meter:
    """A pool on which a network runs while it is profiled: it notes for how long each thread of
    another one computes in each of so many steps."""

    def __init__(self, pool: Pool, steps: int) -> None:
        self._pool, self._library = pool, pool._library
        create, destroy = self._library.mbc_meter_create, self._library.mbc_meter_destroy
        create.restype, create.argtypes = ctypes.c_void_p, [ctypes.c_void_p] * 2
        destroy.restype, destroy.argtypes = None, [ctypes.c_void_p]
        self._rows = np.zeros((steps + 1, 1 + pool.threads))
        self.address: int | None = create(pool.address, self._rows.ctypes.data)
        if self.address is None:
            raise MemoryError
        tick = ctypes.cast(self._library.mbc_meter_tick, ctypes.c_void_p).value
        assert tick is not None
        self.tick: int = tick
        """Address of the function that ends a step, whose first parameter is `address`."""

    def steps(self) -> np.ndarray:
        """Return the seconds of each step, and those that each thread computed in it: of a step
        that was not dealt out the first thread all."""
        found: np.ndarray = np.diff(self._rows, axis=0)
        alone = ~found[:, 1:].any(axis=1)
        found[alone, 1] = found[alone, 0]
        return found

    def __del__(self) -> None:
        if getattr(self, "address", None) is not None:
            self._library.mbc_meter_destroy(self.address)


@dataclass(frozen=True)
class Team:
    """The threads that a network is to run on."""

    threads: int = 1
    """Number of threads."""
    cpus: tuple[int, ...] | None = None
    """CPU of each thread; None if they are not pinned."""

    def gather(self) -> Pool | None:
        """Start the threads; None if the calling one suffices. Raises E0605 and E0606."""
        if self.threads == 1 and self.cpus is None:
            return None
        return Pool(self.threads, self.cpus)


RUN = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_uint32, ctypes.c_uint32)
TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)


def deal(pool: Pool | None, task: int, context: int, count: int) -> None:
    """Run the tasks 0 … count-1 of a C function on a pool, or on the calling thread without one."""
    if pool is None:
        TASK(task)(context, 0, 0, count)
    else:
        pool.run(task, context, count)


def _loaded(library: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(library))
    except OSError as failure:  # its disk holds no code that may be run, for one
        helps = [caches.HELP]
        raise error(
            "E0605", "the thread pool cannot be loaded", label=str(failure), helps=helps
        ) from None


def _library() -> Path:
    """Return the compiled pool, from the cache if source, compiler and flags are unchanged."""
    words = compiler()
    key = hashlib.sha256()
    for source in SOURCES:
        key.update(source.read_bytes())
    key.update(" ".join((*words, *FLAGS)).encode())
    library = caches.cache_folder() / f"pool-{key.hexdigest()[:16]}.so"
    try:
        caches.make_folder(library.parent)
        if not library.exists():
            _compile(words, library)
    except subprocess.CalledProcessError as failure:
        said = failure.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise error("E0605", "the thread pool cannot be compiled", label=said[0]) from None
    except OSError as failure:
        helps = [] if failure.filename == words[0] else [caches.HELP]
        raise error(
            "E0605", "the thread pool cannot be compiled", label=str(failure), helps=helps
        ) from None
    return library


def compiler() -> tuple[str, ...]:
    """Choose the C compiler: $CC, or cc, or zig."""
    named = os.environ.get("CC")
    if named:
        return tuple(shlex.split(named))
    return ("cc",) if shutil.which("cc") else (sys.executable, "-m", "ziglang", "cc")


def _compile(words: tuple[str, ...], library: Path) -> None:
    """Compile beside the target, then rename: two processes may do this at the same time."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        command = [*words, *FLAGS, "-o", str(made), str(POOL_C), str(METER_C), "-lpthread"]
        zig = {"ZIG_GLOBAL_CACHE_DIR": str(caches.zig_folder()), "ZIG_LOCAL_CACHE_DIR": folder}
        environment = {**os.environ, **zig, "TMPDIR": folder}
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        made.replace(library)
