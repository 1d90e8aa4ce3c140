"""The clock of this machine, as code for it runs."""

from __future__ import annotations

from mbc.backends.llvm.peak import PeakMeter
from mbc.driver.platforms import resolve
from mbc.targets.catalogue import NATIVE
from mbc.targets.target import Target

RUNS = 25


def is_here(target: Target) -> bool:
    """Return whether code for a target is what this machine gets by default."""
    return target == resolve(NATIVE)


def measured_mhz(target: Target) -> float:
    """Measure the clock of this machine, in MHz: the rate of multiply-adds by those of a cycle."""
    meter = PeakMeter(target)
    gflops = max(meter.measure() for _ in range(RUNS))
    return gflops * 1e3 / (2 * target.core.fma)
