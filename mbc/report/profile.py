"""Where the time of a network goes, layer by layer, beside what the machine could do at most.

Of two limits that were measured along with the kernels the higher time is a layer's roof: that of
its multiply-adds at the FMA peak, and that of its bytes at the rate at which memory is read
(Williams, Waterman, Patterson: "Roofline", 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mbc.ops.cost import Layer


@dataclass(frozen=True)
class Limits:
    """The most that so many threads reached: GFLOP/s of one core, two operations a multiply-add,
    and GB/s at which all of them together read memory."""

    threads: int
    peak_gflops: float
    memory_gbs: float

    @property
    def gflops(self) -> float:
        """The FMA peak of all threads together."""
        return self.threads * self.peak_gflops

    @property
    def ridge(self) -> float:
        """FLOP per byte from which on multiply-adds take longer than memory."""
        return self.gflops / self.memory_gbs


@dataclass(frozen=True)
class LayerTime:
    """A layer as it runs. `ms` is the median over the rounds; `peak_fraction` the share of the FMA
    peak, `roof_fraction` that of what its bound allows: "compute" or "memory"."""

    name: str
    op: str
    shape: tuple[int, ...]
    ms: float
    ms_min: float
    macs: int
    gflops: float
    peak_fraction: float
    bytes: int
    gbs: float
    intensity: float
    bound: str
    roof_fraction: float

    @staticmethod
    def of(layer: Layer, ms: float, ms_min: float, limits: Limits) -> LayerTime:
        """Rates and shares, from the median and the least time of a layer."""
        gflops, gbs = 2 * layer.macs / ms / 1e6, layer.bytes / ms / 1e6
        peak, memory = gflops / limits.gflops, gbs / limits.memory_gbs
        return LayerTime(
            layer.name,
            layer.op,
            layer.shape,
            ms=round(ms, 5),
            ms_min=round(ms_min, 5),
            macs=layer.macs,
            gflops=round(gflops, 2),
            peak_fraction=round(peak, 4),
            bytes=layer.bytes,
            gbs=round(gbs, 2),
            intensity=layer.intensity,
            bound="compute" if peak >= memory else "memory",
            roof_fraction=round(max(peak, memory), 4),
        )


@dataclass(frozen=True)
class Profile:
    """Times of a network: `ms_min` and `ms_median` of inferences without clocks between the
    kernels, and `ms_kernels`, the sum of the layers' medians in the same rounds. `macs` are of the
    network as written."""

    network: str
    parameters: Mapping[str, Any]
    target: str
    macs: int
    rounds: int
    ms_min: float
    ms_median: float
    ms_kernels: float
    limits: Limits
    layers: tuple[LayerTime, ...]

    @property
    def gflops(self) -> float:
        """Of the whole network, over the fastest round."""
        return 2 * self.macs / self.ms_min / 1e6

    @property
    def peak_fraction(self) -> float:
        """The same as a share of the FMA peak, 0 to 1."""
        return self.gflops / self.limits.gflops

    def to_json(self) -> dict[str, Any]:
        """As `mbc profile --json` prints it (docs/cli.md)."""
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
            "gflops": round(self.gflops, 2),
            "peak_fraction": round(self.peak_fraction, 4),
            "peak_gflops": round(self.limits.peak_gflops, 2),
            "memory_gbs": round(self.limits.memory_gbs, 2),
            "layers": [asdict(layer) for layer in self.layers],
        }


def layer_times(
    layers: Sequence[Layer], medians: Sequence[float], least: Sequence[float], limits: Limits
) -> tuple[LayerTime, ...]:
    """A row for each layer; times are in milliseconds."""
    rows = zip(layers, medians, least, strict=True)
    return tuple(LayerTime.of(layer, ms, ms_min, limits) for layer, ms, ms_min in rows)
