"""The CPU models of qemu that run code for a target: Debian's qemu-user 7.2 and later.

qemu refuses instructions that its CPU model lacks, as the board would; the only known exception is
VFMA on vectors, which it allows on a Cortex-A9. Where qemu lacks a CPU, the model is the nearest
one with the same extensions, as far as generated code could use them.
"""

from __future__ import annotations

from mbc.targets.features import features_of
from mbc.targets.target import Target

PACKAGE = "qemu-user-static"  # its name in Debian, Ubuntu and Fedora


def emulated_cpu(target: Target) -> str | None:
    """Return qemu's CPU model for a target; None if qemu lacks instructions of it."""
    if not_emulated(target):
        return None
    cpu = target.architecture.cpus.get(target.cpu)
    return cpu.qemu if cpu else target.architecture.emulated


def not_emulated(target: Target) -> str:
    """Name the instructions of a target that qemu lacks; "" if it has all."""
    known, present = target.architecture.not_emulated, features_of(target)
    return next((name for feature, name in known.items() if feature in present), "")
