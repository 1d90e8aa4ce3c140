"""The C interface of capstone as we call it, against its Python package."""

import ctypes

import capstone
import pytest

from mbc.targets.conformance import decoder
from mbc.targets.conformance.decoder import Decoder

CODE = {
    ("CS_ARCH_X86", ("CS_MODE_64",)): "c5fc58c1 c4e27db8c2 62f17c4858c2 0f0b c3 0f10442410 90",
    ("CS_ARCH_ARM64", ("CS_MODE_ARM",)): "20cc214e 1f2003d5 00a0407a c0035fd6 200840fd",
    ("CS_ARCH_ARM", ("CS_MODE_ARM", "CS_MODE_V8")): "500d02f2 1eff2fe1 0020a0e1",
}


def theirs(architecture: str, modes: tuple[str, ...]) -> capstone.Cs:
    mode = sum(getattr(capstone, name) for name in modes)
    return capstone.Cs(getattr(capstone, architecture), mode)


def test_the_numbers_are_those_of_the_package() -> None:
    for name, number in (decoder.ARCHITECTURES | decoder.MODES).items():  # type: ignore[operator]
        assert getattr(capstone, name) == number, name
    assert (capstone.CS_OPT_DETAIL, capstone.CS_OPT_ON) == (decoder.DETAIL, decoder.ON)
    assert ctypes.sizeof(capstone._cs_insn) == ctypes.sizeof(decoder._Instruction)
    for ours, package in (("mnemonic", "mnemonic"), ("operands", "op_str"), ("detail", "detail")):
        found = getattr(decoder._Instruction, ours).offset
        assert found == getattr(capstone._cs_insn, package).offset, ours
    assert decoder._Detail.groups.offset == capstone._cs_detail.groups.offset


@pytest.mark.parametrize(("kind", "text"), CODE.items(), ids=lambda value: str(value)[:14])
def test_instructions_are_those_of_the_package(
    kind: tuple[str, tuple[str, ...]], text: str
) -> None:
    code = bytes.fromhex(text)
    ours, other = Decoder(*kind), theirs(*kind)
    listing = ours.listing(code, 0x40)
    known = list(other.disasm_lite(code, 0x40))
    assert len(known) == len(text.split())
    assert [at for at, *_ in known] == listing.addresses
    assert [name.encode() for _, _, name, _ in known] == listing.mnemonics
    assert [operands.encode() for *_, operands in known] == listing.operands
    assert listing.end == 0x40 + len(code)
    other.detail = True
    for found in other.disasm(code, 0x40):
        groups = frozenset(other.group_name(group) for group in found.groups)
        described = ours.described(code[found.address - 0x40 :], found.address)
        assert described == (f"{found.mnemonic} {found.op_str}", groups)


def test_what_is_no_instruction() -> None:
    ours = Decoder("CS_ARCH_ARM64", ("CS_MODE_ARM",))
    listing = ours.listing(bytes.fromhex("c0035fd6 ffffffff c0035fd6"), 0)
    assert (listing.addresses, listing.end) == ([0], 4)
    assert ours.listing(b"", 8).end == 8
    with pytest.raises(ValueError, match="no instruction at 0x0"):
        ours.described(b"\xff" * 4, 0)
