"""64-bit RISC-V with vectors of at least 128 bits (RV64GCV)."""

from __future__ import annotations

from collections.abc import Mapping

from mbc.targets.architecture import (
    Architecture,
    Baseline,
    Core,
    Instructions,
    cpu_table,
    patterns,
)

# Each feature with those that come with it.
IMPLIED: Mapping[str, tuple[str, ...]] = {"d": ("f",), "v": ("d",)}

FEATURES = "m a f d c v zba zbb zbs zicond"

ANY_CORE = Core(l1=32, l2=512, l3=0, units=1, lanes=4)

#   name             | L1 L2 L3, KiB  | units  | qemu's CPU             | features
CPUS = """
    generic-rv64     | -              | -      | rv64,v=true,vlen=128   |
"""

_HWCAP = 16

# A bit for each letter; the kernel's arch/riscv/include/uapi/asm/hwcap.h.
ASKED: Mapping[str, tuple[int, ...]] = {
    name: (_HWCAP, 0, ord(name) - ord("a"), 0) for name in ("v", "d", "f", "m", "a", "c")
}

# Mnemonics of LLVM's assembly, and its aliases of instructions.
INSTRUCTIONS = Instructions(
    capstone=None,
    base=frozenset({"i"}),
    patterns=patterns(
        {
            "v": r"v\w+(\.\w+)* ",
            "d": r"f\w+\.d(\.\w+)? |f[ls]d |fcvt\.\w+\.d |fmv\.(x\.d|d\.x) ",
            "f": r"f\w+\.[swx](\.\w+)? |f[ls]w |fcvt\.\w+\.[swl]u? |[cf]s?r(rm|flags|csr) ",
            "a": r"amo\w+\.|(lr|sc)\.",
            "m": r"(mul|div|rem)\w* ",
            "zba": r"sh[123]add|(add|slli)\.uw ",
            "zbb": r"c[lt]zw? |cpopw? |(max|min)u? |sext\.[bh] |zext\.h |ro[lr]\w* |rev8 |orc\.b "
            r"|(andn|orn|xnor) ",
            "zbs": r"b(clr|ext|inv|set)i? ",
            "zicond": r"czero\.",
            "i": r"(add|sub|s[lr]l|sra)i?w? |(and|or|xor|slti?)i?u? |(l[bhw]u?|ld|s[bhwd]) "
            r"|(li|la|lla|lui|auipc|mv|neg|negw|not|sext\.w|zext\.[bw]|s(eq|ne|lt|gt)z) "
            r"|(b\w+|j|jr|jal|jalr|call|tail) |(ret|nop|fence|ebreak|unimp)\b|csr\w+ ",
        }
    ),
)

RISCV64 = Architecture(
    name="riscv64",
    aliases=(),
    triple="riscv64-unknown-linux-gnu",
    link_triple="riscv64-linux-musl",
    bits=64,
    elf_machine="EM_RISCV",
    page_bytes=4096,
    core=ANY_CORE,
    cpus=cpu_table(CPUS, ANY_CORE, IMPLIED, {}),
    features=tuple(FEATURES.split()),
    implied=IMPLIED,
    asked=ASKED,
    instructions=INSTRUCTIONS,
    abi="lp64d",
    elf_flags=(0x6, 0x4, "the ABI that passes doubles in registers"),
    emulated="rv64,v=true,vlen=128",
)

RV64GCV = Baseline(
    RISCV64,
    isa="rvv128",
    needs=("d", "v"),
    implied_by=(("f", "d"),),
    besides=("generic-rv64",),
)
