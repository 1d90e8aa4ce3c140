"""Which CPU has which extensions of its instruction set, as far as instructions can be told apart.

The tables are LLVM 22's, restricted to the features that `mbc.targets.conformance` recognises in
compiled code. They answer one question: may this instruction appear in code for that target?
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mbc.targets.target import Target

# Each feature with those that come with it. Only direct ones: `closure` follows them.
IMPLIED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "aarch64": {
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
    },
    "arm": {
        "fp-armv8": ("vfp4",),
        "vfp4": ("vfp3",),
        "neon": ("vfp3",),
        "aes": ("neon",),
        "sha2": ("neon",),
    },
    "x86_64": {
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
        "x86-64-v2": ("sse4.2", "popcnt"),
        "x86-64-v3": ("x86-64-v2", "avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"),
        "x86-64-v4": ("x86-64-v3", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
    },
}

_ARM64 = """
    | generic
    aes sha2 | apple-a7 apple-a8 apple-a9 cyclone
    crc aes sha2 | cortex-a34 cortex-a35 cortex-a53 cortex-a57 cortex-a72 cortex-a73 exynos-m3
        kryo thunderx thunderxt81 thunderxt83 thunderxt88
    crc aes sha2 rdm | apple-a10 falkor
    crc aes sha2 lse rdm | thunderx2t99
    crc aes sha2 lse rdm fullfp16 | apple-a11 carmel
    crc aes sha2 lse rdm rcpc | thunderx3t110
    crc aes sha2 lse rdm dotprod fullfp16 | exynos-m4 exynos-m5 tsv110
    crc aes sha2 lse rdm fullfp16 sve | a64fx
    crc aes sha2 lse rdm rcpc dotprod | saphira
    crc aes sha2 lse rdm rcpc fullfp16 | apple-a12
    crc aes sha2 lse rdm rcpc dotprod fullfp16 | cortex-a55 cortex-a65 cortex-a65ae cortex-a75
        cortex-a76 cortex-a76ae cortex-a77 cortex-a78 cortex-a78ae cortex-a78c cortex-x1
        cortex-x1c neoverse-e1 neoverse-n1
    crc aes sha2 sha3 lse rdm rcpc dotprod fullfp16 | apple-a13 apple-a14 apple-m1
    crc lse rdm rcpc dotprod fullfp16 i8mm bf16 sve sve2 | cobalt-100 cortex-a320 cortex-a510
        cortex-a520 cortex-a520ae cortex-a710 cortex-a715 cortex-a720 cortex-a720ae cortex-a725
        cortex-x2 cortex-x3 cortex-x4 cortex-x925 neoverse-n2 neoverse-n3 neoverse-v2
        neoverse-v3 neoverse-v3ae
    crc aes sha2 sha3 lse rdm rcpc dotprod fullfp16 i8mm bf16 | ampere1 apple-a15 apple-a16
        apple-a17 apple-m2 apple-m3
    crc lse rdm rcpc dotprod fullfp16 i8mm bf16 sve sve2 sme | c1-nano c1-premium c1-pro c1-ultra
    crc aes sha2 sha3 lse rdm rcpc dotprod fullfp16 i8mm bf16 sme | apple-a18 apple-a19 apple-m4
        apple-m5
    crc aes sha2 sha3 sm4 lse rdm rcpc dotprod fullfp16 i8mm bf16 | ampere1a ampere1b oryon-1
    crc aes sha2 sha3 sm4 lse rdm rcpc dotprod fullfp16 i8mm bf16 sve | neoverse-512tvb neoverse-v1
    crc aes sha2 sha3 sm4 lse rdm rcpc dotprod fullfp16 i8mm bf16 sve sve2 | ampere1c fujitsu-monaka
        gb10 grace olympus
"""

_X86_64 = """
    x86-64-v2 | x86-64-v2 nehalem
    x86-64-v2 pclmul | westmere
    x86-64-v2 pclmul movbe | silvermont
    x86-64-v2 pclmul movbe aes sha | goldmont goldmont-plus tremont
    x86-64-v2 pclmul avx | sandybridge
    x86-64-v2 pclmul avx f16c | ivybridge
    x86-64-v2 pclmul avx sse4a aes lzcnt | bdver1
    x86-64-v2 pclmul avx sse4a aes lzcnt f16c bmi fma | bdver2 bdver3
    x86-64-v2 pclmul avx sse4a aes lzcnt f16c bmi movbe | btver2
    x86-64-v3 | x86-64-v3
    x86-64-v3 pclmul | haswell
    x86-64-v3 pclmul adx | broadwell
    x86-64-v3 pclmul adx aes | skylake
    x86-64-v3 pclmul adx aes sha | alderlake raptorlake gracemont sierraforest grandridge
        meteorlake arrowlake arrowlake-s lunarlake pantherlake clearwaterforest
    x86-64-v3 pclmul sse4a aes | bdver4
    x86-64-v3 pclmul sse4a aes adx sha | znver1 znver2 znver3
    x86-64-v4 | x86-64-v4
    x86-64-v4 pclmul adx aes | skylake-avx512 skx cascadelake cooperlake
    x86-64-v4 pclmul adx aes sha | cannonlake icelake-client icelake-server tigerlake rocketlake
        sapphirerapids emeraldrapids graniterapids graniterapids-d diamondrapids
    x86-64-v4 pclmul adx aes sha sse4a | znver4 znver5
"""

_ARM = """
    | generic
    neon vfp3 | cortex-a8 cortex-a9
    neon vfp4 | cortex-a5
    neon vfp4 hwdiv-arm | cortex-a7 cortex-a12 cortex-a15 cortex-a17 krait
    neon fp-armv8 hwdiv-arm crc aes sha2 | cortex-a32 cortex-a35 cortex-a53 cortex-a55 cortex-a57
        cortex-a72 cortex-a73 cortex-a75 cortex-a76 cortex-a77 cortex-a78 cortex-x1
"""


def closure(features: Iterable[str], family: str) -> frozenset[str]:
    """The features and all that they imply in that architecture."""
    implied, found, waiting = IMPLIED[family], set[str](), list(features)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += implied.get(name, ())
    return frozenset(found)


def _table(text: str, family: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Pairs of CPU and features of lines "features | cpus"; a line without a bar goes on."""
    lines = text.replace("\n        ", " ").splitlines()
    for features, _, cpus in (line.partition("|") for line in lines if line.strip()):
        yield from ((cpu, closure(features.split(), family)) for cpu in cpus.split())


CPU_FEATURES: Mapping[str, Mapping[str, frozenset[str]]] = {
    family: dict(_table(text, family))
    for family, text in (("aarch64", _ARM64), ("x86_64", _X86_64), ("arm", _ARM))
}


def features_of(target: Target) -> frozenset[str]:
    """What code for the target may use: its CPU's features, those added and not those removed; a
    CPU that the tables lack has what the target lists."""
    family = target.family
    added = [word[1:] for word in target.features if word.startswith("+")]
    removed = {word[1:] for word in target.features if word.startswith("-")}
    present = CPU_FEATURES[family].get(target.cpu, frozenset()) | closure(added, family)
    return frozenset(name for name in present if not closure([name], family) & removed)
