"""Which extension of the instruction set an instruction belongs to.

Capstone sorts instructions into groups, most of them named after an extension. The younger ones of
64-bit Arm, and fused multiply-adds on x86, it leaves without a group: those are told by how they
are written. What is told by neither is refused: a group that is in no table, and on 64-bit Arm
every instruction on vectors that is in no group and neither loads, stores nor moves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import capstone

from mbc.targets.features import features_of
from mbc.targets.target import Target


@dataclass(frozen=True)
class Family:
    """How capstone reads an architecture: the groups that every CPU has, extensions by group where
    their names differ, and extensions by a pattern of the instruction's text."""

    arch: int
    mode: int
    base: frozenset[str]
    groups: Mapping[str, str]
    patterns: tuple[tuple[re.Pattern[str], str], ...]


def _patterns(table: Mapping[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), name) for name, pattern in table.items())


_FLOW = "jump call return ret branch_relative"
_ATOMIC = "add|clr|eor|set|smax|smin|umax|umin"

ARM64 = Family(
    capstone.CS_ARCH_ARM64,
    capstone.CS_MODE_ARM,
    base=frozenset(f"{_FLOW} neon fparmv8 crypto".split()),
    groups={"pointer authentication": "pauth"},
    patterns=_patterns(
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
)

ARM = Family(
    capstone.CS_ARCH_ARM,
    capstone.CS_MODE_ARM,
    base=frozenset(
        f"{_FLOW} arm prev8 notmclass v4t v5t v5te v6 v6t2 v7 mulops vfp2 dpvfp fpvmlx".split()
    ),
    groups={"divide": "hwdiv-arm", "fparmv8": "fp-armv8", "v8": "fp-armv8", "crypto": "aes"},
    patterns=_patterns({"hwdiv-arm": r"[su]div"}),
)

X86_64 = Family(
    capstone.CS_ARCH_X86,
    capstone.CS_MODE_64,
    base=frozenset(f"{_FLOW} mode64 cmov sse1 sse2 fpu novlx".split()),
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
    patterns=_patterns(
        {
            "avx": r"v\w+ .*[xyz]mm",
            "fma": r"vfn?m(add|sub)",
            "avx512f": r".*(zmm|\bk[0-7]\b|[xy]mm(1[6-9]|[23]\d))",
            "avx512vl": r".*[xy]mm(1[6-9]|[23]\d)",
            "vnni": r"vpdp",
            "gfni": r"v?gf2p8",
            "popcnt": r"popcnt",
            "lzcnt": r"lzcnt",
            "bmi": r"tzcnt",
            "movbe": r"movbe",
        }
    ),
)

FAMILIES: Mapping[str, Family] = {"aarch64": ARM64, "arm": ARM, "x86_64": X86_64}

_VECTOR = re.compile(r"\b[vqdshb]\d+\b")
_FPCR = re.compile(r"mrs x\d+, fpcr|msr fpcr, x\d+")
_HALF = re.compile(r"\bh\d+\b|\.[48]?h\b")


def disassembler(target: Target, *, detail: bool = False) -> capstone.Cs:
    """Capstone for the target's instructions, with their groups or, faster, without."""
    family = FAMILIES[target.family]
    newer = family is ARM and "fp-armv8" in features_of(target)
    engine = capstone.Cs(family.arch, family.mode | (capstone.CS_MODE_V8 if newer else 0))
    engine.detail = detail
    return engine


def extensions(target: Target, engine: capstone.Cs, code: bytes, address: int) -> frozenset[str]:
    """The extensions that an instruction belongs to, found by a detailed disassembler; none if
    every CPU has it."""
    family = FAMILIES[target.family]
    (found,) = engine.disasm(code, address, 1)
    text = f"{found.mnemonic} {found.op_str}"
    groups = {str(engine.group_name(group)) for group in found.groups}
    if _FPCR.fullmatch(text):
        groups.discard("privilege")  # capstone says that of every system register
    return frozenset((*_by_group(family, groups), *_by_text(family, text, groups)))


def _by_group(family: Family, groups: Iterable[str]) -> Iterator[str]:
    for group in groups:
        if group not in family.base:
            yield family.groups.get(group, group)


def _by_text(family: Family, text: str, groups: set[str]) -> Iterator[str]:
    names = [name for pattern, name in family.patterns if pattern.match(text)]
    yield from names
    moves = text.startswith(("ld", "st", "mov ", "umov ", "smov "))
    if family is ARM64 and not (names or groups or moves) and _VECTOR.search(text):
        yield "fullfp16" if _HALF.search(text) else "an extension that is not known here"
