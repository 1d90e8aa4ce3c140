"""How fast a network runs in this process, beside the machine's own limit.

The limit is the FMA peak of one core, measured between the network's own rounds: both then see the
same clock and the same neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.peak import PeakMeter
from mbc.driver.build import lower_graph
from mbc.driver.pipeline import Compiled
from mbc.driver.request import Observer

WARM_UP_ROUNDS = 3


@dataclass(frozen=True)
class BenchResult:
    """Times in milliseconds; GFLOP/s count two operations a multiply-add of conv and dense layers,
    over the fastest round, and the peak is the highest that was measured."""

    rounds: int
    ms_min: float
    ms_median: float
    gflops: float
    peak_gflops: float

    @property
    def peak_fraction(self) -> float:
        """Share of the peak, 0 to 1."""
        return self.gflops / self.peak_gflops

    @staticmethod
    def of(seconds: Sequence[float], peaks: Sequence[float], macs: int) -> BenchResult:
        """From the times of the rounds and the peaks between them."""
        fastest = min(seconds)
        return BenchResult(
            rounds=len(seconds),
            ms_min=fastest * 1e3,
            ms_median=median(seconds) * 1e3,
            gflops=2 * macs / fastest / 1e9,
            peak_gflops=max(peaks),
        )

    def to_json(self) -> dict[str, Any]:
        """As `mbc bench --json` prints it (docs/cli.md)."""
        return {
            "mbc": {
                "ms_min": self.ms_min,
                "ms_median": self.ms_median,
                "gflops": self.gflops,
                "peak_fraction": self.peak_fraction,
            },
            "engines": {},
            "ratio": {},
            "peak_gflops": self.peak_gflops,
            "rounds": self.rounds,
            "threads": 1,
        }


def bench(compiled: Compiled, rounds: int, observer: Observer) -> BenchResult:
    """Time a network on random input, one thread, the peak in turns with it."""
    lowered = lower_graph(compiled, observer)
    observer.step("generating code")
    net, meter = JitNet(lowered), PeakMeter(compiled.target)
    tensors = net.tensors()
    observer.step(f"running {rounds} rounds")
    for _ in range(WARM_UP_ROUNDS):
        net.time_once(tensors)
    seconds, peaks = [], []
    for _ in range(rounds):
        peaks.append(meter.measure())
        seconds.append(net.time_once(tensors))
    return BenchResult.of(seconds, peaks, compiled.source.totals.macs)
