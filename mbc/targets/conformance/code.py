"""The instructions themselves: each must decode, be in the target's instruction set, and leave
reserved registers alone.

Capstone sorts instructions into groups, most of them named after the feature that they belong to;
a few it leaves to their mnemonic. A group that is in neither table is refused, so that nothing
slips through unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import capstone

from mbc.targets.conformance.contract import Contract
from mbc.targets.features import features_of
from mbc.targets.target import Target


@dataclass(frozen=True)
class Decoder:
    """How capstone reads an architecture: groups that any CPU has, groups by feature, and features
    by the beginning of the mnemonic."""

    arch: int
    mode: int
    base: frozenset[str]
    groups: Mapping[str, str]
    mnemonics: tuple[tuple[str, str], ...] = ()


_FLOW = "jump call return ret branch_relative"

DECODERS: Mapping[str, Decoder] = {
    "aarch64": Decoder(
        capstone.CS_ARCH_ARM64,
        capstone.CS_MODE_ARM,
        base=frozenset(f"{_FLOW} neon fparmv8".split()),
        groups={"crypto": "aes", "v8_1a": "lse"},
        mnemonics=tuple((f"bf{op}", "bf16") for op in ("dot", "mmla", "mlal", "cvt")),
    ),
    "arm": Decoder(
        capstone.CS_ARCH_ARM,
        capstone.CS_MODE_ARM,
        base=frozenset(
            f"{_FLOW} arm prev8 notmclass v4t v5t v5te v6 v6t2 v7 mulops vfp2 dpvfp fpvmlx".split()
        ),
        groups={"divide": "hwdiv-arm", "fparmv8": "fp-armv8", "v8": "fp-armv8", "crypto": "aes"},
    ),
    "x86_64": Decoder(
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
        mnemonics=(
            *((f"vf{sign}m{op}", "fma") for sign in ("", "n") for op in ("add", "sub")),
            ("popcnt", "popcnt"),
            ("lzcnt", "lzcnt"),
            ("tzcnt", "bmi"),
            ("movbe", "movbe"),
        ),
    ),
}

EVEX = 0x62  # first byte of the AVX-512 encodings
_NO_DIGITS = str.maketrans("", "", "0123456789")
_X18 = re.compile(r"\b[wx]18\b")


@dataclass(frozen=True)
class Instruction:
    """One that stands for all of its form."""

    address: int
    text: str
    features: frozenset[str]


def code_problems(code: bytes, address: int, contract: Contract) -> Iterator[str]:
    """What is wrong with the instructions of a stretch of code."""
    target = contract.target
    decoder, allowed = DECODERS[target.family], features_of(target)
    engine = capstone.Cs(decoder.arch, decoder.mode)
    seen: set[tuple[str, str, bool]] = set()
    end = address
    for at, size, mnemonic, operands in engine.disasm_lite(code, address):
        end = at + size
        if target.reserves_x18 and "18" in operands and _X18.search(operands):
            yield f"'{mnemonic} {operands}' at {at:#x} uses x18, which {target.system} reserves"
        form = (mnemonic, operands.translate(_NO_DIGITS), code[at - address] == EVEX)
        if form not in seen:
            seen.add(form)
            found = _decode(decoder, code[at - address :][:size], at)
            yield from _missing(found, allowed, target)
    if end != address + len(code):
        yield f"the bytes at {end:#x} are no instruction"


def _decode(decoder: Decoder, code: bytes, address: int) -> Instruction:
    """One instruction with the features that it takes."""
    engine = capstone.Cs(decoder.arch, decoder.mode)
    engine.detail = True
    (found,) = engine.disasm(code, address, 1)
    groups = {str(engine.group_name(group)) for group in found.groups}
    features = {decoder.groups.get(group, group) for group in groups - decoder.base}
    features |= {name for start, name in decoder.mnemonics if found.mnemonic.startswith(start)}
    return Instruction(address, f"{found.mnemonic} {found.op_str}", frozenset(features))


def _missing(found: Instruction, allowed: Iterable[str], target: Target) -> Iterator[str]:
    if missing := sorted(found.features.difference(allowed)):
        yield (
            f"'{found.text}' at {found.address:#x} needs {' and '.join(missing)}, "
            f"which {target.cpu} lacks"
        )
