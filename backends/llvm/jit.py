"""In-process execution: a lowered network as a callable."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from copy import copy
from ctypes import Array, c_void_p
from time import perf_counter
from typing import Self

import llvmlite.binding as llvm
import numpy as np

from mbc.alignment import ALIGNMENT, round_up
from mbc.backends.llvm.codegen import LOOPS, parse, target_machine
from mbc.backends.llvm.lower import LoweredNet
from mbc.backends.llvm.subnormals import flush_ir, flushing_ir
from mbc.ir.elements import F32
from mbc.runtime.abi import IoSpec
from mbc.runtime.engine import Engine
from mbc.runtime.pool import Pool
from mbc.runtime.tensors import dense_inputs
from mbc.targets.target import Target

HUGE_PAGE = 2 << 20
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def aligned_bytes(size: int) -> np.ndarray:
    """Allocate zeroed bytes aligned to 64. Large arrays ask for huge pages (madvise(2)), since a
    network's weights take more pages of 4 KB than the TLB holds."""
    if size < HUGE_PAGE // 2:
        return _aligned(np.zeros(size + ALIGNMENT, np.uint8), size, ALIGNMENT)
    pages = mmap.mmap(-1, round_up(size, HUGE_PAGE) + HUGE_PAGE, flags=PRIVATE)
    with suppress(AttributeError, OSError):  # not on every system, not in every kernel
        pages.madvise(mmap.MADV_HUGEPAGE)
    return _aligned(np.frombuffer(pages, np.uint8), size, HUGE_PAGE)


def _aligned(raw: np.ndarray, size: int, alignment: int) -> np.ndarray:
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]


class JitModule:
    """A compiled module. It must outlive calls of its functions."""

    def __init__(self, ir: str, target: Target) -> None:
        machine = target_machine(target, jit=True)
        self._engine = llvm.create_mcjit_compiler(parse(ir, target), machine)
        with LOOPS.as_emitted():
            self._engine.finalize_object()

    def function(self, name: str, pointers: int) -> Callable[..., None]:
        """Return a C function that takes `pointers` pointers and returns nothing."""
        prototype = ctypes.CFUNCTYPE(None, *([ctypes.c_void_p] * pointers))
        return prototype(self.address(name))

    def address(self, name: str) -> int:
        """Return the address of a function."""
        return int(self._engine.get_function_address(name))


def _drawn(rng: np.random.Generator, spec: IoSpec) -> np.ndarray:
    """Draw an input: normal numbers, or any codes."""
    if spec.element is F32:
        return rng.standard_normal(spec.shape, np.float32)
    return rng.integers(0, 256, spec.shape, spec.element.numpy.type)


class JitNet(Engine):
    """A network in this process. Weights and an arena are set up once and reused by calls.

    Python threads may call concurrently: each call has its own arena, which later calls reuse. On a
    pool calls are serialized, since a pool serves one caller at a time.
    """

    def __init__(
        self, lowered: LoweredNet, pool: Pool | None = None, more: Sequence[str] = ()
    ) -> None:
        """Compile the network, with `more` LLVM IR, and run it on a pool, if one is given."""
        self.spec = lowered.spec
        net = self.spec.name
        ir = (lowered.ir, *more, flush_ir(lowered.target, net), flushing_ir(net, "invoke", 4))
        self._module = JitModule("\n".join(ir), lowered.target)
        self._invoke = self._module.function(f"{net}_invoke_flushing", pointers=4)
        self._weights = aligned_bytes(len(lowered.weights))
        self._weights[:] = np.frombuffer(lowered.weights, np.uint8)
        self._work_on(pool)

    def _work_on(self, pool: Pool | None) -> None:
        self._pool = pool
        self._turn = pool.turn if pool else nullcontext()
        self._arena_bytes = self.spec.total_bytes(pool.threads if pool else 1)
        self._arenas = [aligned_bytes(self._arena_bytes)]  # free ones

    def on(self, pool: Pool | None) -> Self:
        """Share code and weights with a net on another pool, or on the calling thread."""
        other = copy(self)
        other._work_on(pool)
        return other

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run on NHWC tensors by input name, E0710 if they do not fit; returns outputs by name."""
        given = dense_inputs(self.spec.inputs, inputs).values()
        outputs = dict(zip([spec.name for spec in self.spec.outputs], self._outputs(), strict=True))
        self.time_once([*given, *outputs.values()])
        return outputs

    def inference(self, inputs: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Return a function that runs the network on given inputs; see `bound`."""
        given = dense_inputs(self.spec.inputs, inputs).values()
        return self.bound([*given, *self._outputs()])

    def time_once(self, tensors: list[np.ndarray]) -> float:
        """Run once on prepared tensors (inputs, then outputs); returns seconds."""
        io, arena = self._io(tensors), self._lend()
        addresses = self._arguments(io, arena)
        with self._turn:
            start = perf_counter()
            self._invoke(*addresses)
            seconds = perf_counter() - start
        self._arenas.append(arena)
        return seconds

    def bound(self, tensors: list[np.ndarray]) -> Callable[[], None]:
        """Return a function that runs once on prepared tensors (inputs, then outputs). It computes
        their addresses in advance, which takes Python longer than small layers take. It has its own
        arena, so only one thread may call it at a time."""
        io, arena = self._io(tensors), self._lend()
        addresses = self._arguments(io, arena)

        def run(_kept: object = (io, tensors, arena)) -> None:
            with self._turn:
                self._invoke(*addresses)

        return run

    def _io(self, tensors: list[np.ndarray]) -> Array[c_void_p]:
        """Return the tensors' addresses in the layout of `NET_io`."""
        return (c_void_p * len(tensors))(*(t.ctypes.data for t in tensors))

    def _lend(self) -> np.ndarray:
        """Take a free arena, or allocate one."""
        try:
            return self._arenas.pop()
        except IndexError:
            return aligned_bytes(self._arena_bytes)

    def _arguments(self, io: Array[c_void_p], arena: np.ndarray) -> tuple[int | None, ...]:
        """Return the arguments of an inference; `io` and `arena` must outlive the call."""
        pool = self._pool.address if self._pool else None
        return (ctypes.addressof(io), self._weights.ctypes.data, arena.ctypes.data, pool)

    def tensors(self, seed: int = 0) -> list[np.ndarray]:
        """Make seeded inputs and uninitialised outputs, for `time_once`."""
        rng = np.random.default_rng(seed)
        return [*(_drawn(rng, spec) for spec in self.spec.inputs), *self._outputs()]

    def _outputs(self) -> list[np.ndarray]:
        return [np.empty(spec.shape, spec.element.numpy) for spec in self.spec.outputs]
