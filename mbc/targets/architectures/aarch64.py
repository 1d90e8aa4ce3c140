"""64-bit Arm with NEON.

Caches are from Arm's technical reference manuals and the makers' data sheets, units from Arm's
software optimisation guides (throughput of FMLA on 128-bit vectors). A third cache is that of the
chips with the core that are common; 0 where these have none.
"""

from __future__ import annotations

import re
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

# Each feature with those that come with it.
IMPLIED: Mapping[str, tuple[str, ...]] = {
    "sve2": ("sve",),
    "sve": ("fullfp16",),
    "fp16fml": ("fullfp16",),
    "sha3": ("sha2",),
    "v8.1a": ("crc", "lse", "rdm"),
    "v8.2a": ("v8.1a",),
    "v8.3a": ("v8.2a", "rcpc"),
    "v8.4a": ("v8.3a", "dotprod"),
    "v8.5a": ("v8.4a",),
    "v8.6a": ("v8.5a", "i8mm", "bf16"),
    "v9a": ("v8.5a", "fullfp16", "sve2"),
}

FEATURES = """
    neon fp-armv8 aes sha2 sha3 sm4 crc lse rdm rcpc rcpc-immo dotprod fullfp16 fp16fml i8mm bf16
    complxnum jsconv flagm dit ssbs sb predres pauth bti mte rand sve sve2
    outline-atomics reserve-x18 strict-align v8.1a v8.2a v8.3a v8.4a v8.5a v8.6a v9a
"""

ANY_CORE = Core(l1=32, l2=512, l3=0, units=2, lanes=4)

SETS = {
    "v8": "crc aes sha2",
    "v8.2": "crc aes sha2 lse rdm rcpc dotprod fullfp16",
    "v8.6": "crc aes sha2 sha3 lse rdm rcpc dotprod fullfp16 i8mm bf16",
    "v9": "crc lse rdm rcpc dotprod fullfp16 i8mm bf16 sve sve2",
}

#   name             | L1 L2 L3, KiB  | units  | qemu's CPU     | features
CPUS = """
    generic          | -              | -      | cortex-a53     |
    a64fx            | -              | -      | a64fx          | =v8 lse rdm fullfp16 sve
    ampere1          | -              | -      | max            | =v8.6
    ampere1a         | -              | -      | max            | =v8.6 sm4
    ampere1b         | -              | -      | max            | =v8.6 sm4
    ampere1c         | -              | -      | max            | =v8.6 sm4 sve sve2
    apple-a7         | -              | -      | max            | aes sha2
    apple-a8         | -              | -      | max            | aes sha2
    apple-a9         | -              | -      | max            | aes sha2
    apple-a10        | -              | -      | max            | =v8 rdm
    apple-a11        | -              | -      | max            | =v8 lse rdm fullfp16
    apple-a12        | -              | -      | max            | =v8 lse rdm rcpc fullfp16
    apple-a13        | -              | -      | max            | =v8.2 sha3
    apple-a14        | -              | -      | max            | =v8.2 sha3
    apple-a15        | -              | -      | max            | =v8.6
    apple-a16        | -              | -      | max            | =v8.6
    apple-a17        | -              | -      | max            | =v8.6
    apple-a18        | -              | -      | max            | =v8.6 sme
    apple-a19        | -              | -      | max            | =v8.6 sme
    apple-m1         | 128 12288 8192 | 4x4 2  | max            | =v8.2 sha3
    apple-m2         | -              | -      | max            | =v8.6
    apple-m3         | -              | -      | max            | =v8.6
    apple-m4         | -              | -      | max            | =v8.6 sme
    apple-m5         | -              | -      | max            | =v8.6 sme
    c1-nano          | -              | -      | max            | =v9 sme
    c1-premium       | -              | -      | max            | =v9 sme
    c1-pro           | -              | -      | max            | =v9 sme
    c1-ultra         | -              | -      | max            | =v9 sme
    carmel           | -              | -      | max            | =v8 lse rdm fullfp16
    cobalt-100       | -              | -      | max            | =v9
    cortex-a34       | -              | -      | cortex-a35     | =v8
    cortex-a35       | -              | -      | cortex-a35     | =v8
    cortex-a53       | 32 512 0       | 1x4 1  | cortex-a53     | =v8
    cortex-a55       | 32 128 0       | 1x4 1  | cortex-a76     | =v8.2
    cortex-a57       | 32 2048 0      | 1x4 1  | cortex-a57     | =v8
    cortex-a65       | -              | -      | max            | =v8.2
    cortex-a65ae     | -              | -      | max            | =v8.2
    cortex-a72       | 32 1024 0      | 1x4 1  | cortex-a72     | =v8
    cortex-a73       | 32 1024 0      | 1x4 1  | cortex-a72     | =v8
    cortex-a75       | 64 256 2048    | 2x4 2  | cortex-a76     | =v8.2
    cortex-a76       | 64 512 2048    | 2x4 2  | cortex-a76     | =v8.2
    cortex-a76ae     | -              | -      | cortex-a76     | =v8.2
    cortex-a77       | -              | -      | cortex-a76     | =v8.2
    cortex-a78       | 64 512 4096    | 2x4 2  | cortex-a76     | =v8.2
    cortex-a78ae     | 64 256 2048    | 2x4 2  | cortex-a76     | =v8.2
    cortex-a78c      | -              | -      | cortex-a76     | =v8.2
    cortex-a320      | -              | -      | max            | =v9
    cortex-a510      | -              | -      | max            | =v9
    cortex-a520      | -              | -      | max            | =v9
    cortex-a520ae    | -              | -      | max            | =v9
    cortex-a710      | -              | -      | max            | =v9
    cortex-a715      | -              | -      | max            | =v9
    cortex-a720      | -              | -      | max            | =v9
    cortex-a720ae    | -              | -      | max            | =v9
    cortex-a725      | -              | -      | max            | =v9
    cortex-x1        | 64 1024 4096   | 4x4 2  | cortex-a76     | =v8.2
    cortex-x1c       | -              | -      | cortex-a76     | =v8.2
    cortex-x2        | -              | -      | max            | =v9
    cortex-x3        | -              | -      | max            | =v9
    cortex-x4        | -              | -      | max            | =v9
    cortex-x925      | -              | -      | max            | =v9
    cyclone          | -              | -      | max            | aes sha2
    exynos-m3        | -              | -      | max            | =v8
    exynos-m4        | -              | -      | max            | =v8 lse rdm dotprod fullfp16
    exynos-m5        | -              | -      | max            | =v8 lse rdm dotprod fullfp16
    falkor           | -              | -      | max            | =v8 rdm
    fujitsu-monaka   | -              | -      | max            | =v8.6 sm4 sve sve2
    gb10             | -              | -      | max            | =v8.6 sm4 sve sve2
    grace            | -              | -      | max            | =v8.6 sm4 sve sve2
    kryo             | -              | -      | max            | =v8
    neoverse-512tvb  | -              | -      | max            | =v8.6 sm4 sve
    neoverse-e1      | -              | -      | neoverse-n1    | =v8.2
    neoverse-n1      | 64 1024 32768  | 2x4 2  | neoverse-n1    | =v8.2
    neoverse-n2      | 64 1024 32768  | 2x4 2  | max            | =v9
    neoverse-n3      | -              | -      | max            | =v9
    neoverse-v1      | 64 1024 32768  | 4x4 2  | max            | =v8.6 sm4 sve
    neoverse-v2      | 64 2048 32768  | 4x4 2  | max            | =v9
    neoverse-v3      | -              | -      | max            | =v9
    neoverse-v3ae    | -              | -      | max            | =v9
    olympus          | -              | -      | max            | =v8.6 sm4 sve sve2
    oryon-1          | -              | -      | max            | =v8.6 sm4
    saphira          | -              | -      | max            | =v8 lse rdm rcpc dotprod
    thunderx         | -              | -      | max            | =v8
    thunderx2t99     | -              | -      | max            | =v8 lse rdm
    thunderx3t110    | -              | -      | max            | =v8 lse rdm rcpc
    thunderxt81      | -              | -      | max            | =v8
    thunderxt83      | -              | -      | max            | =v8
    thunderxt88      | -              | -      | max            | =v8
    tsv110           | -              | -      | max            | =v8 lse rdm dotprod fullfp16
"""

_HWCAP, _HWCAP2 = 16, 26

# Vector and bit of the kernel's words; its Documentation/arch/arm64/elf_hwcaps.rst.
ASKED: Mapping[str, tuple[int, ...]] = {
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

_ATOMIC = "add|clr|eor|set|smax|smin|umax|umin"

INSTRUCTIONS = Instructions(
    capstone=("CS_ARCH_ARM64", "CS_MODE_ARM"),
    base=frozenset(f"{FLOW} neon fparmv8 crypto".split()),
    groups={"pointer authentication": "pauth"},
    patterns=patterns(
        {
            "sve": r".*\b[zp]\d+\b|(rdvl|addvl|addpl|(cnt|inc|dec)[bhwd]) ",
            "sme": r"smst(art|op)\b|rdsvl|[bfsu]+mop[as] ",
            "dotprod": r"[su]dot ",
            "i8mm": r"(usdot|sudot|smmla|ummla|usmmla) ",
            "bf16": r"bf(dot|mmla|mlal[bt]|cvt\w*) ",
            "lse": rf"(casp?|swp|(ld|st)({_ATOMIC}))a?l?[bh]? ",
            "rcpc": r"ldapr[bh]? ",
            "rcpc-immo": r"(ldapur|stlur)\w* ",
            "rdm": r"sqrdml[as]h ",
            "aes": r"aes|pmull2? .*\.1q",
            "sha2": r"sha(1|256)",
            "sha3": r"eor3 |bcax |rax1 |xar |sha512",
            "sm4": r"sm[34]",
            "complxnum": r"fcmla |fcadd ",
            "fp16fml": r"fml[as]l2? ",
            "jsconv": r"fjcvtzs ",
            "fptoint": r"frint(32|64)",
            "mte": r"(irg|gmi|addg|subg|ldg|stz?2?g) ",
            "flagm": r"setf|rmif|cfinv|[ax]aflag",
        }
    ),
    vectors=re.compile(r"\b[vqdshb]\d+\b"),
    halves=("fullfp16", re.compile(r"\bh\d+\b|\.[48]?h\b")),
    everyones=re.compile(r"mrs x\d+, fpcr|msr fpcr, x\d+"),
)

AARCH64 = Architecture(
    name="aarch64",
    aliases=("arm64",),
    triple="aarch64-unknown-linux-gnu",
    link_triple="aarch64-linux-musl",
    bits=64,
    elf_machine="EM_AARCH64",
    page_bytes=65536,  # Linux may be built for 4, 16 (as for Raspberry Pi 5) or 64 KB
    core=ANY_CORE,
    cpus=cpu_table(CPUS, ANY_CORE, IMPLIED, SETS),
    features=tuple(FEATURES.split()),
    implied=IMPLIED,
    asked=ASKED,
    instructions=INSTRUCTIONS,
    platform_register="x18",
    always=("neon", "fp-armv8"),
    maskable=("sve", "sve2"),
)

ARM64 = Baseline(AARCH64, isa="neon", needs=("neon",), implied_by=(("fp-armv8", "neon"),))
