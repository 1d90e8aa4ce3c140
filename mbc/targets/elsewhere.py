"""Names of targets that are not supported, with reasons, and other names of those that are."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Patterns match whole names, in lower case and with "-" for "_".
_REASONS: Mapping[str, tuple[str, ...]] = {
    "its ARM1176 (ARMv6) has no NEON, which the kernels need": (
        r"(rpi|raspberry-?pi)-?(0|1|zero)-?(w|a|b)?\+?",
        r"rpi-?cm1|bcm2835",
    ),
    "ARMv6 and older have no NEON, which the kernels need": (
        r"arm-?v?[2-6][a-z]*",
        r"arm(7tdmi|9|1[01]).*",
    ),
    "mbc compiles for little-endian systems only": (
        r"(aarch64|arm64|arm|armv7)-?(be|eb)",
        r"(armeb|armv7b).*",
    ),
    "a soft-float system promises no NEON, which the kernels need": (
        r"armel.*",
        r"arm(v7)?-.*gnueabi",
    ),
    "a microcontroller has no vector unit that the kernels could use": (
        r"arm-?v[678]-?e?m.*|thumb.*|cortex-[mr]\d.*",
        r"(rp2040|rp2350|pico|esp32|stm32|avr).*",
    ),
    "mbc compiles for 64-bit x86 only": (r"i?[3-6]86.*|x86|x86-32|ia32",),
    "mbc does not know that ABI": (r"x32|x86-64-x32|(aarch64|arm64)-?(32|ilp32)|arm64e.*",),
    "the kernels need SSE4.2, which x86-64-v2 is the first level to have": (r"x86-64-v[01]",),
    "mbc has kernels for x86-64 with SSE4.2, Arm with NEON and 64-bit RISC-V with V": (
        r"(riscv32|rv32|mips|ppc|powerpc|s390|loongarch|sparc|wasm|hexagon).*",
    ),
    "mbc compiles for Linux, Android and macOS": (
        r"(windows|win32|win64|ios|watchos|tvos|freebsd).*",
        r".*-(windows|mingw|ios|freebsd).*",
    ),
    "of Macs, mbc compiles for those with Apple silicon": (
        r"macos-x86-64|x86-64-(macos|darwin|apple).*",
    ),
}

_INSTEAD: Mapping[str, tuple[str, ...]] = {
    "armv7": (r"(rpi|raspberry-?pi)-?2b?", r"bcm2836"),
    "rpi3": (r"(rpi|raspberry-?pi)-?3(a|b)?\+?", r"rpi-?cm3\+?|bcm2837"),
    "rpi4": (r"(rpi|raspberry-?pi)-?4(00|b)?", r"rpi-?cm4|bcm2711"),
    "rpi5": (r"(rpi|raspberry-?pi)-?5(00|b)?", r"rpi-?cm5|bcm2712"),
    "rpi-zero2w": (r"(rpi|raspberry-?pi)-?zero-?2-?w?",),
    "jetson-orin": (r"(jetson-)?orin-nano|jetson-agx-orin|jetson-orin-nx",),
    "arm64, or armv7 where the system is of 32 bits": (r"arm-?v8(-?a)?",),
    "armv7, if the CPU has NEON and VFPv4": (r"arm|arm32",),
    "x86_64": (r"x64|intel64|em64t",),
    "riscv64, if the CPU has V": (r"risc-?v(64)?|riscv64gc|rv64(gc|g|i)?",),
    "macos-arm64": (r"macos|darwin|osx|apple|mac|m[1-5]",),
    "cuda or opencl": (r"gpu|nvidia",),
}


def unsupported(name: str) -> str:
    """Return why mbc does not compile for a board or system; "" for any other name."""
    return _find(name, _REASONS)


def supported_as(name: str) -> str:
    """Return the `--target` for another name of a board or system; "" if there is none."""
    return _find(name, _INSTEAD)


def _find(name: str, table: Mapping[str, tuple[str, ...]]) -> str:
    plain = name.strip().lower().replace("_", "-")
    for said, patterns in table.items():
        if any(re.fullmatch(pattern, plain) for pattern in patterns):
            return said
    return ""
