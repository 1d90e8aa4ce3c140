"""The architectures that mbc compiles for: one file and one row of `ARCHITECTURES` each."""

from __future__ import annotations

from functools import cache

from mbc.targets.architecture import Architecture, Baseline, Core
from mbc.targets.architectures.aarch64 import ARM64
from mbc.targets.architectures.arm import ARMV7, ARMV7_VFP3
from mbc.targets.architectures.riscv64 import RV64GCV
from mbc.targets.architectures.x86_64 import X86_64, X86_64_V2

BASELINES: tuple[Baseline, ...] = (ARM64, X86_64, X86_64_V2, ARMV7, ARMV7_VFP3, RV64GCV)
"""Vector units; where an architecture has two, `native` takes the first that the CPU supports."""

ARCHITECTURES: tuple[Architecture, ...] = tuple(
    {baseline.name: baseline.architecture for baseline in BASELINES}.values()
)


@cache
def find_architecture(name: str) -> Architecture | None:
    """Find an architecture by its name in uname, in a compiler, or at the beginning of a triple."""
    return next((known for known in ARCHITECTURES if name.lower() in known.names), None)


def core_of(cpu: str) -> Core:
    """Return the core of a CPU of any architecture; ValueError if no table lists it."""
    for architecture in ARCHITECTURES:
        if cpu in architecture.cpus:
            return architecture.cpus[cpu].core
    raise ValueError(f"no table has the CPU {cpu}")
