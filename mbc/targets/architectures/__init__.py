"""The architectures that mbc compiles for: a file each, and a row of `ARCHITECTURES`."""

from __future__ import annotations

from functools import cache

from mbc.targets.architecture import Architecture, Baseline, Core
from mbc.targets.architectures.aarch64 import ARM64
from mbc.targets.architectures.arm import ARMV7, ARMV7_VFP3
from mbc.targets.architectures.riscv64 import RV64GCV
from mbc.targets.architectures.x86_64 import X86_64, X86_64_V2

BASELINES: tuple[Baseline, ...] = (ARM64, X86_64, X86_64_V2, ARMV7, ARMV7_VFP3, RV64GCV)
"""Vector units; where a machine has two, `native` takes the first that it can run."""

ARCHITECTURES: tuple[Architecture, ...] = tuple(
    {baseline.name: baseline.architecture for baseline in BASELINES}.values()
)


@cache
def find_architecture(name: str) -> Architecture | None:
    """The architecture that uname, a compiler or the first word of a triple calls so."""
    return next((known for known in ARCHITECTURES if name.lower() in known.names), None)


def core_of(cpu: str) -> Core:
    """The core of a CPU of any architecture; ValueError for one that no table has."""
    for architecture in ARCHITECTURES:
        if cpu in architecture.cpus:
            return architecture.cpus[cpu].core
    raise ValueError(f"no table has the CPU {cpu}")
