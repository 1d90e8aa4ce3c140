"""The CPU and feature names that we let through to LLVM, by architecture.

LLVM itself only warns about a name that it does not know, and then compiles for a generic CPU. The
lists are those of LLVM 22, without the CPUs that lack what the kernels of the vector unit need.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Architecture:
    """One instruction set: its triple, the vector unit that kernels are written for, LLVM's names.

    `needs` are the features without which no kernel runs; `implied_by` maps a feature that may be
    switched off to the one of `needs` that LLVM removes with it; `maskable` are those that a
    virtual machine may hide although the CPU's name promises them. With all of `better_needs` and
    none of `better_not`, the vector unit is `better`.
    """

    name: str
    triple: str
    isa: str
    link_triple: str
    cpus: tuple[str, ...]
    features: tuple[str, ...]
    needs: tuple[str, ...]
    implied_by: tuple[tuple[str, str], ...] = ()
    maskable: tuple[str, ...] = ()
    better: str = ""
    better_needs: tuple[str, ...] = ()
    better_not: tuple[str, ...] = ()


_ARM64_CPUS = """
    generic
    a64fx ampere1 ampere1a ampere1b ampere1c
    apple-a7 apple-a8 apple-a9 apple-a10 apple-a11 apple-a12 apple-a13 apple-a14 apple-a15 apple-a16
    apple-a17 apple-a18 apple-a19 apple-m1 apple-m2 apple-m3 apple-m4 apple-m5
    c1-nano c1-premium c1-pro c1-ultra carmel cobalt-100
    cortex-a34 cortex-a35 cortex-a53 cortex-a55 cortex-a57 cortex-a65 cortex-a65ae cortex-a72
    cortex-a73 cortex-a75 cortex-a76 cortex-a76ae cortex-a77 cortex-a78 cortex-a78ae cortex-a78c
    cortex-a320 cortex-a510 cortex-a520 cortex-a520ae cortex-a710 cortex-a715 cortex-a720
    cortex-a720ae cortex-a725 cortex-x1 cortex-x1c cortex-x2 cortex-x3 cortex-x4 cortex-x925
    cyclone exynos-m3 exynos-m4 exynos-m5 falkor fujitsu-monaka gb10 grace kryo
    neoverse-512tvb neoverse-e1 neoverse-n1 neoverse-n2 neoverse-n3 neoverse-v1 neoverse-v2
    neoverse-v3 neoverse-v3ae olympus oryon-1 saphira
    thunderx thunderx2t99 thunderx3t110 thunderxt81 thunderxt83 thunderxt88 tsv110
"""

_X86_64_CPUS = """
    x86-64-v3 x86-64-v4
    haswell broadwell skylake skylake-avx512 skx cascadelake cooperlake cannonlake
    icelake-client icelake-server tigerlake rocketlake alderlake raptorlake gracemont
    sapphirerapids emeraldrapids graniterapids graniterapids-d sierraforest grandridge
    meteorlake arrowlake arrowlake-s lunarlake pantherlake clearwaterforest diamondrapids
    bdver4 znver1 znver2 znver3 znver4 znver5
"""

_X86_64_V2_CPUS = """
    x86-64-v2
    nehalem westmere sandybridge ivybridge silvermont goldmont goldmont-plus tremont
    bdver1 bdver2 bdver3 btver2
"""

_ARMV7_CPUS = """
    cortex-a5 cortex-a7 cortex-a12 cortex-a15 cortex-a17
    cortex-a32 cortex-a35 cortex-a53 cortex-a55 cortex-a57 cortex-a72 cortex-a73 cortex-a75
    cortex-a76 cortex-a77 cortex-a78 cortex-x1 krait
"""

_ARMV7_FEATURES = """
    neon vfp3 vfp4 d32 fp64 hwdiv-arm fp-armv8 crc aes sha2 crypto strict-align v8
"""

_ARM64_FEATURES = """
    neon fp-armv8 aes sha2 sha3 sm4 crc lse rdm rcpc rcpc-immo dotprod fullfp16 fp16fml i8mm bf16
    complxnum jsconv flagm dit ssbs sb predres pauth bti mte rand sve sve2
    outline-atomics reserve-x18 strict-align v8.1a v8.2a v8.3a v8.4a v8.5a v8.6a v9a
"""

_X86_64_FEATURES = """
    sse3 ssse3 sse4.1 sse4.2 sse4a avx avx2 fma f16c bmi bmi2 lzcnt popcnt movbe adx aes pclmul sha
    gfni vaes vpclmulqdq avxvnni avxifma avx512f avx512bw avx512cd avx512dq avx512vl avx512vnni
    avx512bf16 avx512fp16 avx512vbmi avx512vbmi2 avx512bitalg avx512ifma avx512vpopcntdq
    prfchw clflushopt clwb
"""

_X86_64_TUNING = ("prefer-128-bit", "prefer-256-bit")

ARM64 = Architecture(
    name="aarch64",
    triple="aarch64-unknown-linux-gnu",
    isa="neon",
    link_triple="aarch64-linux-musl",
    cpus=tuple(_ARM64_CPUS.split()),
    features=tuple(_ARM64_FEATURES.split()),
    needs=("neon",),
    implied_by=(("fp-armv8", "neon"),),
    maskable=("sve", "sve2"),
)

X86_64 = Architecture(
    name="x86_64",
    triple="x86_64-unknown-linux-gnu",
    isa="avx2",
    link_triple="x86_64-linux-musl",
    cpus=tuple(_X86_64_CPUS.split()),
    features=(*_X86_64_FEATURES.split(), *_X86_64_TUNING),
    needs=("avx2", "fma"),
    implied_by=tuple((name, "avx2") for name in ("sse3", "ssse3", "sse4.1", "sse4.2", "avx")),
    maskable=tuple(_X86_64_FEATURES.split()),
    better="avx512",
    better_needs=("avx512f", "avx512vl"),
    better_not=_X86_64_TUNING,
)

X86_64_V2 = replace(
    X86_64,
    isa="sse",
    better="",
    cpus=(*_X86_64_V2_CPUS.split(), *_X86_64_CPUS.split()),
    needs=("sse4.1",),
    implied_by=(("sse3", "sse4.1"), ("ssse3", "sse4.1")),
)

ARMV7 = Architecture(
    name="arm",
    triple="armv7a-unknown-linux-gnueabihf",
    isa="neon32",
    link_triple="arm-linux-musleabihf",
    cpus=tuple(_ARMV7_CPUS.split()),
    features=tuple(_ARMV7_FEATURES.split()),
    needs=("neon", "vfp4"),
    implied_by=(("vfp3", "neon"), ("d32", "neon"), ("fp64", "neon")),
)

ARMV7_VFP3 = replace(
    ARMV7,
    isa="neon32-vfp3",
    cpus=("generic", "cortex-a8", "cortex-a9", *_ARMV7_CPUS.split()),
    needs=("neon",),
)

# Where one machine has two, `native` takes the first that it can run.
ARCHITECTURES: tuple[Architecture, ...] = (ARM64, X86_64, X86_64_V2, ARMV7, ARMV7_VFP3)
