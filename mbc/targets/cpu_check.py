"""What executables ask the CPU for before they run a network, as `c/cpu.h` reads it.

Only features that compilers use unasked are asked for. Those of cryptography are not: a Raspberry
Pi 4 lacks what LLVM's Cortex-A72 has, and none of our code uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mbc.targets.catalogue import ENTRIES, entry_target
from mbc.targets.features import features_of
from mbc.targets.target import Target

_EBX, _ECX, _EDX = 1, 2, 3
_YMM, _ZMM = 0x6, 0xE6  # of XCR0: the registers that the system saves

# Leaf and register of CPUID, bit, state. Intel's manual, volume 2A, CPUID.
_X86_64: Mapping[str, tuple[int, ...]] = {
    "avx512f": (7, _EBX, 16, _ZMM),
    "avx512vl": (7, _EBX, 31, _ZMM),
    "avx2": (7, _EBX, 5, _YMM),
    "fma": (1, _ECX, 12, _YMM),
    "avx": (1, _ECX, 28, _YMM),
    "sse4.2": (1, _ECX, 20, 0),
    "sse4.1": (1, _ECX, 19, 0),
    "ssse3": (1, _ECX, 9, 0),
    "sse3": (1, _ECX, 0, 0),
    "sse4a": (0x80000001, _ECX, 6, 0),
    "popcnt": (1, _ECX, 23, 0),
    "movbe": (1, _ECX, 22, 0),
    "f16c": (1, _ECX, 29, _YMM),
    "bmi": (7, _EBX, 3, 0),
    "bmi2": (7, _EBX, 8, 0),
    "lzcnt": (0x80000001, _ECX, 5, 0),
    "gfni": (7, _ECX, 8, 0),
    "avx512dq": (7, _EBX, 17, _ZMM),
    "avx512cd": (7, _EBX, 28, _ZMM),
    "avx512bw": (7, _EBX, 30, _ZMM),
    "avx512vbmi": (7, _ECX, 1, _ZMM),
    "avx512vbmi2": (7, _ECX, 6, _ZMM),
    "avx512vnni": (7, _ECX, 11, _ZMM),
    "avx512bitalg": (7, _ECX, 12, _ZMM),
    "avx512vpopcntdq": (7, _ECX, 14, _ZMM),
    "avx512fp16": (7, _EDX, 23, _ZMM),
}

_HWCAP, _HWCAP2 = 16, 26

# Vector and bit of the kernel's words; its Documentation/arch/arm64/elf_hwcaps.rst.
_AARCH64: Mapping[str, tuple[int, ...]] = {
    "dotprod": (_HWCAP, 0, 20, 0),
    "fullfp16": (_HWCAP, 0, 10, 0),
    "sve": (_HWCAP, 0, 22, 0),
    "sve2": (_HWCAP2, 0, 1, 0),
    "i8mm": (_HWCAP2, 0, 13, 0),
    "bf16": (_HWCAP2, 0, 14, 0),
    "lse": (_HWCAP, 0, 8, 0),
    "rdm": (_HWCAP, 0, 12, 0),
    "rcpc": (_HWCAP, 0, 15, 0),
    "rcpc-immo": (_HWCAP, 0, 26, 0),
    "fp16fml": (_HWCAP, 0, 23, 0),
    "complxnum": (_HWCAP, 0, 14, 0),
    "jsconv": (_HWCAP, 0, 13, 0),
    "flagm": (_HWCAP, 0, 27, 0),
    "sha3": (_HWCAP, 0, 17, 0),  # exclusive or of three
}

# The kernel's arch/arm/include/uapi/asm/hwcap.h. It does not tell of ARMv8's floating point; CRC is
# what else all its CPUs have.
_ARM: Mapping[str, tuple[int, ...]] = {
    "neon": (_HWCAP, 0, 12, 0),
    "vfp4": (_HWCAP, 0, 16, 0),
    "vfp3": (_HWCAP, 0, 13, 0),
    "hwdiv-arm": (_HWCAP, 0, 17, 0),
    "fp-armv8": (_HWCAP2, 0, 4, 0),
}

_WORDS = {"x86_64": _X86_64, "aarch64": _AARCH64, "arm": _ARM}

# Apple's page "Determining instruction set characteristics"; all its CPUs for Macs have the others.
_MACOS = {"i8mm": "FEAT_I8MM", "bf16": "FEAT_BF16", "sve": "FEAT_SVE", "sve2": "FEAT_SVE2"}


def needs(target: Target) -> tuple[str, ...]:
    """Features that code for the target may use and that a CPU of its kind may lack, the most
    telling first."""
    known = _MACOS if target.system == "macos" else _WORDS[target.family]
    present = features_of(target)
    return tuple(name for name in known if name in present)


def cpu_config(target: Target) -> str:
    """The part of mbc_net.h for `c/cpu.h`; "" if every CPU will do."""
    asked = needs(target)
    if not asked:
        return ""
    others = [other for other in _others(target) if set(needs(other)) < set(asked)]
    names = [f"{target.name} ({target.cpu})", *(other.name for other in others)]
    rows = [row for index, t in enumerate((target, *others)) for row in _rows(index, t)]
    listed = ", ".join(f'"{name}"' for name in names)
    return f"\n#define MBC_CPU_TARGETS {{{listed}}}\n#define MBC_CPU_NEEDS {{{', '.join(rows)}}}\n"


def _rows(index: int, target: Target) -> Iterator[str]:
    for name in needs(target):
        if target.system == "macos":
            yield f'{{{index}, "{name}", "hw.optional.arm.{_MACOS[name]}"}}'
        else:
            words = ", ".join(map(str, _WORDS[target.family][name]))
            yield f'{{{index}, "{name}", {words}}}'


def _others(target: Target) -> Iterator[Target]:
    """Targets of the same kind that are for no board, as the catalogue lists them."""
    for entry in ENTRIES:
        other = entry_target(entry)
        if entry.board is None and (other.family, other.system) == (target.family, target.system):
            yield other
