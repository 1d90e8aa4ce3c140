"""Checks of instructions: each must decode, be in the target's instruction set, and not use
reserved registers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mbc.targets.conformance.contract import Contract
from mbc.targets.conformance.decoder import LONGEST, Listing
from mbc.targets.conformance.extensions import disassembler, extensions, text_extensions
from mbc.targets.features import features_of
from mbc.targets.target import Target

_INSTRUCTION = re.compile(r"\t([a-z][^#\n]*)")
EVEX = 0x62  # first byte of the AVX-512 encodings
_NO_DIGITS = str.maketrans("", "", "0123456789")
_NUMBER = re.compile(rb"0x[0-9a-f]+|[0-9]+")
_X18 = re.compile(rb"\b[wx]18\b")


def code_problems(code: bytes, address: int, contract: Contract) -> Iterator[str]:
    """Yield the problems of the instructions in a range of code.

    The extension is checked for one instruction of each form. Instructions have the same form if
    they differ only in numbers and, on x86, do not differ in encoding.
    """
    target, allowed = contract.target, features_of(contract.target)
    engine = disassembler(target)
    listing = engine.listing(code, address)
    if target.reserves_x18:
        yield from _reserved(listing, target)
    for at, mnemonic, operands in _forms(listing, code, address):
        missing = extensions(target, engine, code[at - address :][:LONGEST], at) - allowed
        if missing:
            yield _lacking(f"'{_text(mnemonic, operands)}' at {at:#x}", missing, target)
    if listing.end != address + len(code):
        yield f"the bytes at {listing.end:#x} are not an instruction"


def _forms(listing: Listing, code: bytes, start: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the first instruction of each form."""
    alike: dict[tuple[bytes, bytes, bool], tuple[int, bytes, bytes]] = {}
    instructions = zip(listing.addresses, listing.mnemonics, listing.operands, strict=True)
    for at, mnemonic, operands in instructions:  # all but equal; then those with other hex digits
        key = (mnemonic, operands.translate(None, b"0123456789"), code[at - start] == EVEX)
        alike.setdefault(key, (at, mnemonic, operands))
    forms = dict[tuple[bytes, bytes, bool], tuple[int, bytes, bytes]]()
    for (mnemonic, _, encoding), first in alike.items():
        forms.setdefault((mnemonic, _NUMBER.sub(b"", first[2]), encoding), first)
    yield from forms.values()


def _reserved(listing: Listing, target: Target) -> Iterator[str]:
    """Yield the uses of x18."""
    instructions = zip(listing.addresses, listing.mnemonics, listing.operands, strict=True)
    for at, mnemonic, operands in instructions:
        if b"18" in operands and _X18.search(operands):
            text = _text(mnemonic, operands)
            yield f"'{text}' at {at:#x} uses x18, which {target.system} reserves"


def _text(mnemonic: bytes, operands: bytes) -> str:
    return f"{mnemonic.decode()} {operands.decode()}"


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
