"""The time of each kernel in its place in the network, on this machine.

In every round the network runs three times: once to have its caches warm, once with a look at the
clock before each kernel, once without. Then the limits are measured, for they change with the clock
and with the neighbours as the kernels' times do.
"""

from __future__ import annotations

from statistics import median

import numpy as np

from mbc.backends.llvm.profile import ProfiledNet
from mbc.driver.producers.llvm import lower_graph
from mbc.driver.producers.producer import Compiled
from mbc.driver.request import Observer
from mbc.records import dataclass
from mbc.report.profile import KernelTime, Limits, Profile, layer_times
from mbc.runtime.pool import Team

WARM_UP_ROUNDS = 3
LEAST_MS = 1e-6
"""A nanosecond: the least time of a kernel, though a coarse clock may show less."""


def profile(compiled: Compiled, rounds: int, team: Team, observer: Observer) -> Profile:
    """Time the kernels of a network on random input."""
    lowered = lower_graph(compiled, observer)
    observer.step("generating code")
    net = ProfiledNet(lowered, team.gather())
    observer.step(f"running {rounds} rounds")
    found = _measure(net, rounds)
    peaks = {kind: gflops / team.threads for kind, gflops in found.peaks.items()}
    limits = Limits(team.threads, peaks, found.memory)
    layers = [(kernel.layer, kernel.peak) for kernel in lowered.kernels]
    source = compiled.source
    return Profile(
        network=source.network,
        parameters=source.parameters,
        target=compiled.target.name,
        macs=source.totals.macs,
        rounds=rounds,
        ms_min=min(found.whole),
        ms_median=median(found.whole),
        ms_kernels=sum(time.ms for time in found.kernels),
        limits=limits,
        layers=layer_times(layers, found.kernels, limits),
    )


@dataclass(frozen=True)
class _Found:
    """Times in milliseconds, and the limits of all threads together."""

    kernels: list[KernelTime]
    whole: list[float]
    """Time of the network in each round."""
    peaks: dict[str, float]
    """Highest GFLOP/s, by what multiplies and adds."""
    memory: float
    """Highest GB/s."""


def _measure(net: ProfiledNet, rounds: int) -> _Found:
    tensors = net.tensors()
    for _ in range(WARM_UP_ROUNDS):
        net.time_once(tensors)
    kernels, whole, memory = [], [], []
    peaks = dict.fromkeys((peak.kind for peak in net.peaks), 0.0)
    for _ in range(rounds):
        net.time_once(tensors)
        kernels.append(net.time_kernels(tensors))
        whole.append(1e3 * net.time_once(tensors))
        for peak in net.peaks:
            peaks[peak.kind] = max(peaks[peak.kind], net.peak_gflops(peak))
        memory.append(net.memory_gbs())
    return _Found(_kernel_times(1e3 * np.array(kernels)), whole, peaks, max(memory))


def _kernel_times(ms: np.ndarray) -> list[KernelTime]:
    """Sum up rounds of kernels' rows, which are their times and those that each thread computed."""
    whole, busy = np.maximum(ms[:, :, 0], LEAST_MS), ms[:, :, 1:]
    longest, mean = busy.max(axis=2), busy.mean(axis=2)
    medians = (np.median(x, axis=0) for x in (whole, longest - mean, whole - longest))
    found = np.maximum([*medians, whole.min(axis=0)], 0.0).T.tolist()
    return [KernelTime(ms, least, idle, pool) for ms, idle, pool, least in found]
