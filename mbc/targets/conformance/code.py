"""Checks of instructions: each must decode, be in the target's instruction set, and not use
reserved registers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mbc.targets.conformance.contract import Contract
from mbc.targets.conformance.extensions import disassembler, extensions, text_extensions
from mbc.targets.features import features_of
from mbc.targets.target import Target

_INSTRUCTION = re.compile(r"\t([a-z][^#\n]*)")
EVEX = 0x62  # first byte of the AVX-512 encodings
_NO_DIGITS = str.maketrans("", "", "0123456789")
_X18 = re.compile(r"\b[wx]18\b")


def code_problems(code: bytes, address: int, contract: Contract) -> Iterator[str]:
    """Yield the problems of the instructions in a range of code.

    The extension is checked for one instruction of each form. Instructions have the same form if
    they differ only in numbers and, on x86, do not differ in encoding.
    """
    target, allowed = contract.target, features_of(contract.target)
    seen: set[tuple[str, str, bool]] = set()
    reserved = target.reserves_x18
    end, detailed = address, disassembler(target, detail=True)
    for at, size, mnemonic, operands in disassembler(target).disasm_lite(code, address):
        end = at + size
        if reserved and "18" in operands and _X18.search(operands):
            yield f"'{mnemonic} {operands}' at {at:#x} uses x18, which {target.system} reserves"
        form = (mnemonic, operands.translate(_NO_DIGITS), code[at - address] == EVEX)
        if form in seen:
            continue
        seen.add(form)
        missing = extensions(target, detailed, code[at - address :][:size], at) - allowed
        if missing:
            yield _lacking(f"'{mnemonic} {operands}' at {at:#x}", missing, target)
    if end != address + len(code):
        yield f"the bytes at {end:#x} are not an instruction"


def assembly_problems(assembly: str, contract: Contract) -> Iterator[str]:
    """Yield the problems of the instructions in LLVM's assembly: one a line, after a tab."""
    target, allowed, seen = contract.target, features_of(contract.target), set[str]()
    for line in assembly.splitlines():
        found = _INSTRUCTION.match(line)
        if found is None or (form := found[1].translate(_NO_DIGITS)) in seen:
            continue
        seen.add(form)
        if missing := text_extensions(target, found[1].replace("\t", " ").strip()) - allowed:
            yield _lacking(f"'{' '.join(found[1].split())}'", missing, target)
    if not seen:
        yield "comes without the text of its instructions"


def _lacking(instruction: str, missing: frozenset[str], target: Target) -> str:
    wanted = " and ".join(sorted(missing))
    return f"{instruction} needs {wanted}, which {target.cpu} is not known to have"
