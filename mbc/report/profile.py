"""The profile of a network: the time of each layer, beside the limits of the machine.

A layer is bound by compute or by memory (Williams, Waterman, Patterson: "Roofline", 2009): by the
longer of the times that its multiply-adds take at peak rate and its bytes at peak read rate. The
peak of a layer is that of FMA, or where its kernel multiplies codes that of the unit for these. All
rates are measured along with the kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mbc.ops.cost import Layer
from mbc.records import dataclass


@dataclass(frozen=True)
class Limits:
    """The measured limits of the machine."""

    threads: int
    peaks: Mapping[str, float]
    """GFLOP/s of one core, by what multiplies and adds, that of most of the network first; a
    multiply-add is two operations."""
    memory_gbs: float
    """GB/s at which all threads together read memory."""

    @property
    def kind(self) -> str:
        """What most multiply-adds of the network are computed by."""
        return next(iter(self.peaks))

    def gflops(self, kind: str | None) -> float:
        """Return a peak of all threads together; for layers without one that of `kind`."""
        return self.threads * self.peaks[kind or self.kind]

    def ridge(self, kind: str) -> float:
        """Return the FLOP per byte above which a layer with that peak is bound by compute."""
        return self.gflops(kind) / self.memory_gbs


@dataclass(frozen=True)
class KernelTime:
    """What a kernel took, in milliseconds: medians over the rounds."""

    ms: float
    """All of it."""
    ms_min: float
    """The least of the rounds."""
    imbalance_ms: float = 0.0
    """By how much the thread that computed longest did so longer than the mean of all."""
    pool_ms: float = 0.0
    """What is left: to begin, and to wait until all threads have ended."""


@dataclass(frozen=True)
class LayerTime:
    """The time of a layer."""

    name: str
    origins: tuple[str, ...]
    op: str
    shape: tuple[int, ...]
    peak: str | None
    """What its peak is of; None without multiply-adds."""
    ms: float
    """Median over the rounds."""
    ms_min: float
    imbalance_ms: float
    """By how much the thread that computed longest did so longer than the mean of all."""
    pool_ms: float
    """What the pool itself took."""
    macs: int
    gflops: float
    peak_fraction: float
    """Share of the peak."""
    bytes: int
    gbs: float
    intensity: float
    """FLOP per byte."""
    bound: str
    """ "compute" or "memory"."""
    roof_fraction: float
    """Share of the limit that bounds it."""

    @staticmethod
    def of(layer: Layer, peak: str | None, time: KernelTime, limits: Limits) -> LayerTime:
        """Compute rates and shares from the time of a layer, and what its peak is of."""
        ms = time.ms
        gflops, gbs = 2 * layer.macs / ms / 1e6, layer.bytes / ms / 1e6
        compute, memory = gflops / limits.gflops(peak), gbs / limits.memory_gbs
        return LayerTime(
            layer.name,
            layer.origins,
            layer.op,
            layer.shape,
            peak,
            ms=round(ms, 5),
            ms_min=round(time.ms_min, 5),
            imbalance_ms=round(time.imbalance_ms, 5),
            pool_ms=round(time.pool_ms, 5),
            macs=layer.macs,
            gflops=round(gflops, 2),
            peak_fraction=round(compute, 4),
            bytes=layer.bytes,
            gbs=round(gbs, 2),
            intensity=layer.intensity,
            bound="compute" if compute >= memory else "memory",
            roof_fraction=round(max(compute, memory), 4),
        )


@dataclass(frozen=True)
class Profile:
    """The times of a network."""

    network: str
    parameters: Mapping[str, Any]
    target: str
    macs: int
    """Of the network as written."""
    rounds: int
    ms_min: float
    """Of an inference without clocks between the kernels."""
    ms_median: float
    """Of an inference without clocks between the kernels."""
    ms_kernels: float
    """The sum of the layers' medians in the same rounds."""
    limits: Limits
    layers: tuple[LayerTime, ...]

    @property
    def imbalance_ms(self) -> float:
        """The sum of the layers'."""
        return sum(layer.imbalance_ms for layer in self.layers)

    @property
    def pool_ms(self) -> float:
        """The sum of the layers'."""
        return sum(layer.pool_ms for layer in self.layers)

    @property
    def gflops(self) -> float:
        """The rate of the whole network in the fastest round."""
        return 2 * self.macs / self.ms_min / 1e6

    @property
    def shares(self) -> dict[str, float]:
        """The shares of the layers' multiply-adds by what their peaks are of."""
        work = dict.fromkeys(self.limits.peaks, 0)
        for layer in self.layers:
            if layer.peak:
                work[layer.peak] += layer.macs
        whole = sum(work.values())
        return {kind: macs / whole if whole else 0.0 for kind, macs in work.items()}

    @property
    def peak_gflops(self) -> float:
        """The rate of the whole network if each layer reached its peak, with all threads."""
        time = sum(share / self.limits.gflops(kind) for kind, share in self.shares.items())
        return 1 / time if time else self.limits.gflops(None)

    @property
    def peak_fraction(self) -> float:
        """`gflops` as a share of the peak, 0 to 1."""
        return self.gflops / self.peak_gflops

    def to_json(self) -> dict[str, Any]:
        """Return the object that `mbc profile --json` prints (docs/cli.md)."""
        return {
            "network": self.network,
            "parameters": self.parameters,
            "target": self.target,
            "macs": self.macs,
            "threads": self.limits.threads,
            "rounds": self.rounds,
            "ms_min": round(self.ms_min, 5),
            "ms_median": round(self.ms_median, 5),
            "ms_kernels": round(self.ms_kernels, 5),
            "imbalance_ms": round(self.imbalance_ms, 5),
            "pool_ms": round(self.pool_ms, 5),
            "gflops": round(self.gflops, 2),
            "peak_fraction": round(self.peak_fraction, 4),
            "peak": self.limits.kind,
            "peak_gflops": round(self.limits.peaks[self.limits.kind], 2),
            "peaks": {kind: round(gflops, 2) for kind, gflops in self.limits.peaks.items()},
            "memory_gbs": round(self.limits.memory_gbs, 2),
            "layers": [asdict(layer) for layer in self.layers],
        }


def layer_times(
    layers: Sequence[tuple[Layer, str | None]], times: Sequence[KernelTime], limits: Limits
) -> tuple[LayerTime, ...]:
    """Combine layers, and what their peaks are of, with their times."""
    rows = zip(layers, times, strict=True)
    return tuple(LayerTime.of(layer, peak, time, limits) for (layer, peak), time in rows)
