"""Profiling: a network with clock readings between kernels, and the limits of the machine.

The profile's module is linked with that of the network: `NET_profile` calls the same kernels in the
same order and memory as `NET_invoke`. `NET_peak`, `NET_peak_int8` and `NET_stream` are tasks for a
pool, so limits are measured with as many threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import CLOCK_MONOTONIC, perf_counter

import numpy as np

from mbc.alignment import ALIGNMENT, round_up
from mbc.backends.llvm.interface import stamped
from mbc.backends.llvm.invoke import TASK_PARAMETERS, callees, profile_ir
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.jit import JitNet, aligned_bytes
from mbc.backends.llvm.lower import LoweredNet, declarations
from mbc.backends.llvm.peak import (
    BLOCK_BYTES,
    chains_of,
    operations_of,
    peak_bytes,
    stream,
)
from mbc.backends.llvm.subnormals import flushing_ir
from mbc.runtime.pool import Meter, Pool, deal
from mbc.runtime.timing import FMA, TimedPeak

LEAST_BYTES = 1 << 20  # reading fewer takes too little time to measure

PEAK = """\
define hidden void @{task}({parameters}) nounwind {{
  %offset = mul i32 %thread, {stride}
  %data = getelementptr i8, ptr %context, i32 %offset
  br label %piece
piece:
  %at = phi i32 [ %begin, %0 ], [ %next, %piece ]
  call void @{chains}(ptr %data)
  %next = add i32 %at, 1
  %more = icmp ult i32 %next, %end
  br i1 %more, label %piece, label %done
done:
  ret void
}}
"""

STREAM = """\
define hidden void @{net}_stream({parameters}) nounwind {{
  %data = load ptr, ptr %context
  %line = add i32 %thread, 1
  %offset = mul i32 %line, {line}
  %sink = getelementptr i8, ptr %context, i32 %offset
  %first = {widen} i32 %begin to {word}
  %last = {widen} i32 %end to {word}
  call void @{net}_loads(ptr %data, ptr %sink, {word} %first, {word} %last)
  ret void
}}
"""

CLOCK = """\
declare i32 @clock_gettime(i32, ptr)

define void @mbc_tick(ptr %clock, i32 %step) nounwind {{
  %at = getelementptr [2 x {word}], ptr %clock, i32 %step
  %status = call i32 @clock_gettime(i32 {clock}, ptr %at)
  ret void
}}
"""


def _task(kind: str) -> str:
    """Return what the name of the task that measures a peak ends in."""
    return "peak" if kind == FMA else f"peak_{kind}"


def meter_stride(isa: Isa) -> int:
    """Return the bytes of a thread's memory in `NET_peak`: whole cache lines."""
    return round_up(peak_bytes(isa))


def meters_ir(lowered: LoweredNet) -> str:
    """Emit the measuring tasks. `NET_peak(context, thread, begin, end)` computes on the thread's
    part of `context`, once a task, and so does `NET_peak_int8`; a network has those of its kernels.
    `NET_stream(context, …)` reads blocks begin … end-1 of the memory that the first word of
    `context` points to, and writes to cache line `1 + thread` of `context`."""
    isa, net = isa_of(lowered.target), lowered.spec.name
    loads = stream(isa).text(f"{net}_loads", "nounwind")
    text = STREAM.format(
        net=net,
        parameters=TASK_PARAMETERS,
        line=ALIGNMENT,
        word=isa.word,
        widen="bitcast" if isa.word == "i32" else "zext",
    )
    return "\n".join([*_peaks(lowered, isa), loads, text])


def _peaks(lowered: LoweredNet, isa: Isa) -> Iterator[str]:
    """Emit a task for each peak, and the chains that it runs."""
    for kind, unit in lowered.peaks.items():
        task = f"{lowered.spec.name}_{_task(kind)}"
        yield chains_of(isa, unit).text(f"{task}_chains", "nounwind")
        stride, parameters = meter_stride(isa), TASK_PARAMETERS
        yield PEAK.format(task=task, chains=f"{task}_chains", parameters=parameters, stride=stride)


def timed_peaks(lowered: LoweredNet) -> tuple[TimedPeak, ...]:
    """List the peaks that a network's kernels may reach, that of most multiply-adds first."""
    isa = isa_of(lowered.target)
    return tuple(
        TimedPeak(kind, _task(kind), operations_of(isa, unit))
        for kind, unit in lowered.peaks.items()
    )


def profile_module(lowered: LoweredNet) -> str:
    """Return the profile's module, for a separate object that is linked with the network's."""
    isa, spec, calls = isa_of(lowered.target), lowered.spec, lowered.calls
    functions = callees(spec, calls).items()
    declared = (f"declare hidden void @{name}({types})" for name, types in functions)
    units = [unit for unit in lowered.peaks.values() if unit]
    dots = (line for unit in units for line in unit.declared)
    parts = (profile_ir(isa, spec, calls), meters_ir(lowered))
    return stamped("\n".join([*declarations(isa), *dots, *declared, "", *parts]), spec)


class ProfiledNet(JitNet):
    """A network in this process whose kernels can be timed, by one calling thread at a time."""

    def __init__(self, lowered: LoweredNet, pool: Pool | None = None) -> None:
        isa, spec = isa_of(lowered.target), lowered.spec
        clock = CLOCK.format(word=isa.word, clock=CLOCK_MONOTONIC)
        timed = (profile_ir(isa, spec, lowered.calls), flushing_ir(spec.name, "profile", 6))
        parts = (*timed, meters_ir(lowered), clock)
        super().__init__(lowered, pool, parts)
        self._threads = pool.threads if pool else 1
        self.peaks = timed_peaks(lowered)
        self._profile = self._module.function(f"{spec.name}_profile_flushing", pointers=6)
        self._tick = self._module.address("mbc_tick")
        self._ticks = np.zeros((len(lowered.calls) + 1, 2), np.intp)
        self._meter = Meter(pool, len(lowered.calls)) if pool else None
        self._registers = aligned_bytes(self._threads * meter_stride(isa))
        self._sinks = aligned_bytes((self._threads + 1) * ALIGNMENT)
        self._stretch = self._weights
        if len(self._stretch) < LEAST_BYTES:
            self._stretch = aligned_bytes(LEAST_BYTES)
            self._stretch.fill(1)  # pages never written to all map to one zero page
        self._sinks.view(np.uintp)[0] = self._stretch.ctypes.data

    def time_kernels(self, tensors: list[np.ndarray]) -> np.ndarray:
        """Run once on prepared tensors (inputs, then outputs); returns a row for each kernel: its
        seconds, then those that each thread computed."""
        io, arena = self._io(tensors), self._lend()
        *addresses, _ = self._arguments(io, arena)
        if self._meter:
            self._profile(*addresses, self._meter.address, self._meter.tick, self._meter.address)
        else:
            self._profile(*addresses, None, self._tick, self._ticks.ctypes.data)
        self._arenas.append(arena)
        if self._meter:
            return self._meter.steps()
        seconds, nanoseconds = np.diff(self._ticks, axis=0).T
        result: np.ndarray = np.repeat((seconds + 1e-9 * nanoseconds)[:, None], 2, axis=1)
        return result

    def peak_gflops(self, peak: TimedPeak) -> float:
        """Measure GFLOP/s of all threads together, in registers, in about a millisecond."""
        work = self._threads * peak.operations
        return work / self._time(peak.task, self._registers, self._threads) / 1e9

    def memory_gbs(self) -> float:
        """Measure GB/s at which all threads together read the weights from cache or memory, or a
        megabyte if the weights are smaller."""
        blocks = len(self._stretch) // BLOCK_BYTES
        return blocks * BLOCK_BYTES / self._time("stream", self._sinks, blocks) / 1e9

    def _time(self, task: str, context: np.ndarray, count: int) -> float:
        """Run `count` tasks on the pool; returns seconds."""
        address = self._module.address(f"{self.spec.name}_{task}")
        start = perf_counter()
        deal(self._pool, address, context.ctypes.data, count)
        return perf_counter() - start
