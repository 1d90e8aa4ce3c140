"""Which qemu runs code for a target, and as which CPU: Debian's qemu-user 7.2 and later.

qemu refuses the instructions that its CPU lacks, as the board would; one exception is known, VFMA
on vectors, which it lets a Cortex-A9 have. Where it has not the very CPU, it is the nearest one, of
the same extensions as far as our code could use them.
"""

from __future__ import annotations

from collections.abc import Mapping

from mbc.targets.features import features_of
from mbc.targets.target import Target

PROGRAMS: Mapping[str, str] = {
    "aarch64": "qemu-aarch64",
    "arm": "qemu-arm",
    "x86_64": "qemu-x86_64",
}
PACKAGE = "qemu-user-static"  # as Debian, Ubuntu and Fedora call it
ANY = "max"  # all that qemu can do

_ARM64 = """
    cortex-a53 | generic cortex-a53
    cortex-a35 | cortex-a34 cortex-a35
    cortex-a57 | cortex-a57
    cortex-a72 | cortex-a72 cortex-a73
    cortex-a76 | cortex-a55 cortex-a75 cortex-a76 cortex-a76ae cortex-a77 cortex-a78 cortex-a78ae
    cortex-a76 | cortex-a78c cortex-x1 cortex-x1c
    neoverse-n1 | neoverse-e1 neoverse-n1
    a64fx | a64fx
"""

_ARM = """
    cortex-a9 | generic cortex-a9
    cortex-a8 | cortex-a8
    cortex-a7 | cortex-a5 cortex-a7 cortex-a12
    cortex-a15 | cortex-a15 cortex-a17 krait
"""

_X86_64 = """
    Nehalem | x86-64-v2 nehalem
    Westmere | westmere
    SandyBridge | sandybridge
    IvyBridge | ivybridge
    Denverton | silvermont goldmont goldmont-plus tremont
    Haswell | x86-64-v3 haswell
    Broadwell | broadwell
    Skylake-Client | skylake
    EPYC | znver1
    EPYC-Rome | znver2
    EPYC-Milan | znver3
"""


def _table(text: str) -> dict[str, str]:
    """qemu's name by LLVM's, from lines "qemu's | LLVM's"."""
    lines = (line.partition("|") for line in text.splitlines() if line.strip())
    return {cpu: qemu.strip() for qemu, _, cpus in lines for cpu in cpus.split()}


CPUS: Mapping[str, Mapping[str, str]] = {
    "aarch64": _table(_ARM64),
    "arm": _table(_ARM),
    "x86_64": _table(_X86_64),
}


def emulated_cpu(target: Target) -> str | None:
    """qemu's CPU for a target; None if no qemu has its instructions (AVX-512)."""
    if "avx512f" in features_of(target):
        return None
    return CPUS[target.family].get(target.cpu, ANY)
