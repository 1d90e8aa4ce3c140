"""32-bit Arm with NEON, hard float."""

from __future__ import annotations

from collections.abc import Mapping

from mbc.targets.architecture import (
    FLOW,
    Architecture,
    Baseline,
    Core,
    Instructions,
    cpu_table,
    patterns,
)
from mbc.targets.architectures.aarch64 import AARCH64

# Each feature with those that come with it.
IMPLIED: Mapping[str, tuple[str, ...]] = {
    "fp-armv8": ("vfp4",),
    "vfp4": ("vfp3",),
    "neon": ("vfp3",),
    "aes": ("neon",),
    "sha2": ("neon",),
}

FEATURES = """
    neon vfp3 vfp4 d32 fp64 hwdiv-arm fp-armv8 crc aes sha2 crypto strict-align v8
"""

ANY_CORE = Core(l1=32, l2=512, l3=0, units=2, lanes=4)

SETS = {"v7": "neon vfp4 hwdiv-arm", "v8": "neon fp-armv8 hwdiv-arm crc aes sha2"}

#   name             | L1 L2 L3, KiB  | units  | qemu's CPU     | features
CPUS = """
    generic          | -              | -      | cortex-a9      |
    cortex-a8        | -              | -      | cortex-a8      | neon vfp3
    cortex-a9        | -              | -      | cortex-a9      | neon vfp3
    cortex-a5        | -              | -      | cortex-a7      | neon vfp4
    cortex-a7        | 32 512 0       | 1x2 1  | cortex-a7      | =v7
    cortex-a12       | -              | -      | cortex-a7      | =v7
    cortex-a15       | -              | -      | cortex-a15     | =v7
    cortex-a17       | -              | -      | cortex-a15     | =v7
    cortex-a32       | -              | -      | max            | =v8
    cortex-a35       | =              | =      | max            | =v8
    cortex-a53       | =              | =      | max            | =v8
    cortex-a55       | =              | =      | max            | =v8
    cortex-a57       | =              | =      | max            | =v8
    cortex-a72       | =              | =      | max            | =v8
    cortex-a73       | =              | =      | max            | =v8
    cortex-a75       | =              | =      | max            | =v8
    cortex-a76       | =              | =      | max            | =v8
    cortex-a77       | =              | =      | max            | =v8
    cortex-a78       | =              | =      | max            | =v8
    cortex-x1        | =              | =      | max            | =v8
    krait            | -              | -      | cortex-a15     | =v7
"""

_HWCAP, _HWCAP2 = 16, 26

# The kernel's arch/arm/include/uapi/asm/hwcap.h. It does not tell of ARMv8's floating point; CRC is
# what else all its CPUs have.
ASKED: Mapping[str, tuple[int, ...]] = {
    "neon": (_HWCAP, 0, 12, 0),
    "vfp4": (_HWCAP, 0, 16, 0),
    "vfp3": (_HWCAP, 0, 13, 0),
    "hwdiv-arm": (_HWCAP, 0, 17, 0),
    "fp-armv8": (_HWCAP2, 0, 4, 0),
}

INSTRUCTIONS = Instructions(
    capstone=("CS_ARCH_ARM", "CS_MODE_ARM"),
    base=frozenset(
        f"{FLOW} arm prev8 notmclass v4t v5t v5te v6 v6t2 v7 mulops vfp2 dpvfp fpvmlx".split()
    ),
    groups={"divide": "hwdiv-arm", "fparmv8": "fp-armv8", "v8": "fp-armv8", "crypto": "aes"},
    patterns=patterns({"hwdiv-arm": r"[su]div"}),
    modes={"fp-armv8": "CS_MODE_V8"},
)

ARM = Architecture(
    name="arm",
    aliases=("armv7a", "armv7l", "armv8l"),
    triple="armv7a-unknown-linux-gnueabihf",
    link_triple="arm-linux-musleabihf",
    bits=32,
    elf_machine="EM_ARM",
    page_bytes=65536,
    core=ANY_CORE,
    cpus=cpu_table(CPUS, ANY_CORE, IMPLIED, SETS, AARCH64.cpus),
    features=tuple(FEATURES.split()),
    implied=IMPLIED,
    asked=ASKED,
    instructions=INSTRUCTIONS,
    elf_flags=(0xFF000000, 5 << 24, "EABI version 5"),
    elf_limits={"fp-armv8": (14, 8), "vfp4": (10, 6), "vfp3": (10, 4)},
    android_functions=tuple(
        f"__aeabi_mem{op}{n}" for op in ("clr", "cpy", "set") for n in ("", 4, 8)
    ),
)

ARMV7 = Baseline(
    ARM,
    isa="neon32",
    needs=("neon", "vfp4"),
    implied_by=(("vfp3", "neon"), ("d32", "neon"), ("fp64", "neon")),
)

ARMV7_VFP3 = Baseline(
    ARM,
    isa="neon32-vfp3",
    needs=("neon",),
    implied_by=ARMV7.implied_by,
    besides=("generic",),
)
