"""64-bit x86, from SSE4.2 to AVX-512.

Caches are from the makers' data sheets, units from instruction tables (throughput of VFMADD on the
longest vectors; without it, of multiplications and additions).
"""

from __future__ import annotations

from collections.abc import Mapping

from mbc.targets.architecture import (
    FLOW,
    Architecture,
    Baseline,
    Core,
    Instructions,
    Twin,
    cpu_table,
    patterns,
)

# Each feature with those that come with it.
IMPLIED: Mapping[str, tuple[str, ...]] = {
    "ssse3": ("sse3",),
    "sse4.1": ("ssse3",),
    "sse4.2": ("sse4.1",),
    "sse4a": ("sse3",),
    "avx": ("sse4.2",),
    "avx2": ("avx",),
    "fma": ("avx",),
    "f16c": ("avx",),
    "avx512f": ("avx2", "fma", "f16c"),
    "avx512bw": ("avx512f",),
    "avx512cd": ("avx512f",),
    "avx512dq": ("avx512f",),
    "avx512vl": ("avx512f",),
    "avx512fp16": ("avx512bw",),
    "avx512vnni": ("avx512f",),
    "avxvnni": ("avx2",),
    "x86-64-v2": ("sse4.2", "popcnt"),
    "x86-64-v3": ("x86-64-v2", "avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"),
    "x86-64-v4": ("x86-64-v3", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}

FEATURES = """
    sse3 ssse3 sse4.1 sse4.2 sse4a avx avx2 fma f16c bmi bmi2 lzcnt popcnt movbe adx aes pclmul sha
    gfni vaes vpclmulqdq avxvnni avxifma avx512f avx512bw avx512cd avx512dq avx512vl avx512vnni
    avx512bf16 avx512fp16 avx512vbmi avx512vbmi2 avx512bitalg avx512ifma avx512vpopcntdq
    prfchw clflushopt clwb
"""
TUNING = ("prefer-128-bit", "prefer-256-bit")

ANY_CORE = Core(l1=32, l2=512, l3=32768, units=2, lanes=8, memory=6.0)

SETS = {
    "bdver": "x86-64-v2 pclmul avx sse4a aes lzcnt",
    "vnni": "x86-64-v4 pclmul adx aes avx512vnni",
    "avxvnni": "x86-64-v3 pclmul adx aes sha avxvnni",
}

#   name             | L1 L2 L3, KiB  | units  | qemu's CPU     | features
CPUS = """
    x86-64-v2        | 32 256 8192    | 2x4 2  | Nehalem        | x86-64-v2
    nehalem          | -              | -      | Nehalem        | x86-64-v2
    westmere         | -              | -      | Westmere       | x86-64-v2 pclmul
    sandybridge      | -              | -      | SandyBridge    | x86-64-v2 pclmul avx
    ivybridge        | -              | -      | IvyBridge      | x86-64-v2 pclmul avx f16c
    silvermont       | -              | -      | Denverton      | x86-64-v2 pclmul movbe
    goldmont         | -              | -      | Denverton      | x86-64-v2 pclmul movbe aes sha
    goldmont-plus    | -              | -      | Denverton      | x86-64-v2 pclmul movbe aes sha
    tremont          | -              | -      | Denverton      | x86-64-v2 pclmul movbe aes sha
    bdver1           | -              | -      | max            | =bdver
    bdver2           | -              | -      | max            | =bdver f16c bmi fma
    bdver3           | -              | -      | max            | =bdver f16c bmi fma
    btver2           | -              | -      | max            | =bdver f16c bmi movbe
    x86-64-v3        | -              | -      | Haswell        | x86-64-v3
    x86-64-v4        | -              | -      | max            | x86-64-v4
    haswell          | 32 256 8192    | 2x8 2  | Haswell        | x86-64-v3 pclmul
    broadwell        | 32 256 8192    | 2x8 2  | Broadwell      | x86-64-v3 pclmul adx
    skylake          | 32 256 8192    | 2x8 2  | Skylake-Client | x86-64-v3 pclmul adx aes
    skylake-avx512   | 32 1024 24576  | 2x16 2 | max            | x86-64-v4 pclmul adx aes
    skx              | 32 1024 24576  | 2x16 2 | max            | x86-64-v4 pclmul adx aes
    cascadelake      | 32 1024 32768  | 2x16 2 | max            | =vnni
    cooperlake       | 32 1024 32768  | 2x16 2 | max            | =vnni
    cannonlake       | -              | -      | max            | x86-64-v4 pclmul adx aes sha
    icelake-client   | -              | -      | max            | =vnni sha
    icelake-server   | 48 1280 32768  | 2x16 2 | max            | =vnni sha
    tigerlake        | -              | -      | max            | =vnni sha
    rocketlake       | -              | -      | max            | =vnni sha
    alderlake        | -              | -      | max            | =avxvnni
    raptorlake       | -              | -      | max            | =avxvnni
    gracemont        | -              | -      | max            | =avxvnni
    sapphirerapids   | 48 2048 65536  | 2x16 2 | max            | =vnni sha avxvnni
    emeraldrapids    | 48 2048 65536  | 2x16 2 | max            | =vnni sha avxvnni
    graniterapids    | 48 2048 65536  | 2x16 2 | max            | =vnni sha avxvnni
    graniterapids-d  | 48 2048 65536  | 2x16 2 | max            | =vnni sha avxvnni
    sierraforest     | -              | -      | max            | =avxvnni
    grandridge       | -              | -      | max            | =avxvnni
    meteorlake       | -              | -      | max            | =avxvnni
    arrowlake        | -              | -      | max            | =avxvnni
    arrowlake-s      | -              | -      | max            | =avxvnni
    lunarlake        | -              | -      | max            | =avxvnni
    pantherlake      | -              | -      | max            | =avxvnni
    clearwaterforest | -              | -      | max            | =avxvnni
    diamondrapids    | -              | -      | max            | =vnni sha avxvnni
    bdver4           | -              | -      | max            | x86-64-v3 pclmul sse4a aes
    znver1           | -              | -      | EPYC           | x86-64-v3 pclmul sse4a aes adx sha
    znver2           | -              | -      | EPYC-Rome      | x86-64-v3 pclmul sse4a aes adx sha
    znver3           | -              | -      | EPYC-Milan     | x86-64-v3 pclmul sse4a aes adx sha
    znver4           | 32 1024 32768  | 2x8 2  | max            | =vnni sha sse4a
    znver5           | 48 1024 32768  | 2x16 2 | max            | =vnni sha sse4a avxvnni
"""

_EAX, _EBX, _ECX, _EDX = 0, 1, 2, 3
_YMM, _ZMM = 0x6, 0xE6  # of XCR0: the registers that the system saves

# Leaf and register of CPUID, bit, state, and subleaf unless it is 0. Intel's manual, volume 2A,
# CPUID.
ASKED: Mapping[str, tuple[int, ...]] = {
    "avx512f": (7, _EBX, 16, _ZMM),
    "avx512vl": (7, _EBX, 31, _ZMM),
    "avxvnni": (7, _EAX, 4, _YMM, 1),
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


def _of_vex(opcode: int, name: str) -> Twin:
    """Return an instruction of AVX-VNNI: three bytes of VEX, of which R, X, B, vvvv and L may be
    anything, an opcode, and operands like VPMADDUBSW's."""
    bits = bytes([0xC4, 0x02, 0x01, opcode])
    return Twin(f"{{vex}} {name}", bytes.fromhex("ff 1f 83 ff"), bits, 0x04)


# Assemblers tell them by a prefix from those of AVX-512.
TWINS = (
    _of_vex(0x50, "vpdpbusd"),
    _of_vex(0x51, "vpdpbusds"),
    _of_vex(0x52, "vpdpwssd"),
    _of_vex(0x53, "vpdpwssds"),
)

INSTRUCTIONS = Instructions(
    capstone=("CS_ARCH_X86", "CS_MODE_64"),
    base=frozenset(f"{FLOW} mode64 cmov sse1 sse2 fpu novlx".split()),
    groups={
        "sse41": "sse4.1",
        "sse42": "sse4.2",
        "fc16": "f16c",
        "avx512": "avx512f",
        "vlx": "avx512vl",
        "cdi": "avx512cd",
        "dqi": "avx512dq",
        "bwi": "avx512bw",
    },
    patterns=patterns(
        {
            "avx": r"v\w+ .*[xyz]mm",
            "fma": r"vfn?m(add|sub)",
            "avx512f": r".*(zmm|\bk[0-7]\b|[xy]mm(1[6-9]|[23]\d))",
            "avx512vl": r".*[xy]mm(1[6-9]|[23]\d)|vpdp\w+ (?!.*zmm)",
            "avx512vnni": r"vpdp",
            "avxvnni": r"\{vex\} vpdp",
            "gfni": r"v?gf2p8",
            "popcnt": r"popcnt",
            "lzcnt": r"lzcnt",
            "bmi": r"tzcnt",
            "movbe": r"movbe",
        }
    ),
    twins=TWINS,
)

_ARCHITECTURE = Architecture(
    name="x86_64",
    aliases=("amd64",),
    triple="x86_64-unknown-linux-gnu",
    link_triple="x86_64-linux-musl",
    bits=64,
    elf_machine="EM_X86_64",
    page_bytes=4096,
    core=ANY_CORE,
    cpus=cpu_table(CPUS, ANY_CORE, IMPLIED, SETS),
    features=(*FEATURES.split(), *TUNING),
    implied=IMPLIED,
    asked=ASKED,
    instructions=INSTRUCTIONS,
    maskable=tuple(FEATURES.split()),
    not_emulated={"avx512f": "AVX-512", "avxvnni": "AVX-VNNI"},
)

X86_64 = Baseline(
    _ARCHITECTURE,
    isa="avx2",
    needs=("avx2", "fma"),
    implied_by=tuple((name, "avx2") for name in ("sse3", "ssse3", "sse4.1", "sse4.2", "avx")),
    better="avx512",
    better_needs=("avx512f", "avx512vl"),
    better_not=TUNING,
)

X86_64_V2 = Baseline(
    _ARCHITECTURE,
    isa="sse",
    needs=("sse4.1",),
    implied_by=(("sse3", "sse4.1"), ("ssse3", "sse4.1")),
)
