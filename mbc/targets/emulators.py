"""Which qemu runs code for a target, and as which CPU: Debian's qemu-user 7.2 and later.

qemu refuses the instructions that its CPU lacks, as the board would; one exception is known, VFMA
on vectors, which it lets a Cortex-A9 have. Where it has not the very CPU, it is the nearest one, of
the same extensions as far as our code could use them.
"""

from __future__ import annotations

from mbc.targets.features import features_of
from mbc.targets.target import Target

PACKAGE = "qemu-user-static"  # as Debian, Ubuntu and Fedora call it


def emulated_cpu(target: Target) -> str | None:
    """qemu's CPU for a target; None if no qemu has its instructions (AVX-512)."""
    architecture = target.architecture
    if architecture.not_emulated & features_of(target):
        return None
    cpu = architecture.cpus.get(target.cpu)
    return cpu.qemu if cpu else architecture.emulated
