"""The C interface of capstone as we call it, against its Python package."""

import ctypes
from itertools import product
from pathlib import Path

import capstone
import pytest
from elftools.elf.elffile import ELFFile

from mbc.targets.architectures.x86_64 import TWINS
from mbc.targets.conformance import decoder
from mbc.targets.conformance.decoder import Decoder, Listing
from tests.backends.wrong_code import assembled

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


# ---- instructions that capstone does not decode ----------------------------------------------

NAMES = ("vpdpbusd", "vpdpbusds", "vpdpwssd", "vpdpwssds")
OPERANDS = (
    "%xmm0, %xmm1, %xmm2",
    "%ymm3, %ymm14, %ymm15",
    "%ymm8, %ymm9, %ymm10",
    "(%rax), %xmm12, %xmm7",
    "(%r12), %ymm0, %ymm9",
    "(%r13), %ymm0, %ymm9",
    "-16(%rsp), %ymm1, %ymm2",
    "32(%rax,%rcx,4), %ymm1, %ymm2",
    "0x12345(%r9,%r14,8), %ymm10, %ymm11",
    "0x1000(,%rdx,2), %ymm10, %ymm1",
    "64(%rip), %ymm1, %ymm2",
)
X86 = ("CS_ARCH_X86", ("CS_MODE_64",))


def text_of(folder: Path, code: str) -> bytes:
    with assembled(folder, "x86_64", code).open("rb") as file:
        section = ELFFile(file).get_section_by_name(".text")
        assert section is not None
        return section.data()


def decoded(code: str | bytes) -> Listing:
    return Decoder(*X86, TWINS).listing(bytes.fromhex(code) if isinstance(code, str) else code, 0)


def test_twins_are_decoded_with_the_operands_of_the_assembler(tmp_path: Path) -> None:
    """Beside the instruction that is encoded alike, and others between them."""
    lines = [
        f"{{vex}} {name} {operands}\nvpmaddubsw {operands}\nnop"
        for name, operands in product(NAMES, OPERANDS)
    ]
    code = text_of(tmp_path, "\n".join(lines))
    found = decoded(code)
    assert found.end == len(code)
    assert found.mnemonics == [
        word.encode()
        for name in NAMES
        for _ in OPERANDS
        for word in (f"{{vex}} {name}", "vpmaddubsw", "nop")
    ]
    assert found.operands[::3] == found.operands[1::3]
    ends = [*found.addresses[1:], found.end]
    sizes = [end - at for at, end in zip(found.addresses, ends, strict=True)]
    assert sizes[::3] == sizes[1::3]
    engine = Decoder(*X86, TWINS)
    for index in range(0, len(found.addresses), 3):
        (text, groups), other = (
            engine.described(code[at:][:16], at) for at in found.addresses[index : index + 2]
        )
        assert text == f"{found.mnemonics[index].decode()} {found.operands[index].decode()}"
        assert groups == other[1]


def test_twins_are_read_to_the_last_byte() -> None:
    assert decoded("c4e27550c2 c4e2755084881234").end == 5, (
        "of a displacement two bytes are missing"
    )
    assert decoded("c4e27550").end == 0
    assert decoded("c4e275").end == 0
    assert decoded("c4e27550c2").addresses == [0]


def test_what_is_almost_a_twin_is_none() -> None:
    """Every second and third byte: capstone's word stands unless all fields are a twin's."""
    ours, alone = Decoder(*X86, TWINS), Decoder(*X86)
    for second, third in product((0x02, 0xE2, 0xC2, 0xE1, 0xE3, 0xE6, 0xF2), range(256)):
        code = bytes([0xC4, second, third, 0x50, 0xC2])
        is_twin = second & 0x1F == 2 and third & 0x83 == 1
        assert alone.listing(code, 0).end in ((0,) if is_twin else (0, 5))
        assert (ours.listing(code, 0) == alone.listing(code, 0)) == (not is_twin), code.hex()
    for opcode in range(256):
        code = bytes([0xC4, 0xE2, 0x75, opcode, 0xC2, 0x90, 0x90])
        is_twin = 0x50 <= opcode <= 0x53
        assert (ours.listing(code, 0) == alone.listing(code, 0)) == (not is_twin), code.hex()


@pytest.mark.parametrize("prefix", ["66", "f2", "f3", "f0", "48", "c5", "62"])
def test_nothing_may_stand_before_a_twin(prefix: str) -> None:
    code = bytes.fromhex(f"{prefix}c4e27550c2")
    assert decoded(code) == Decoder(*X86).listing(code, 0)


def test_the_encoding_of_avx_512_is_another_instruction() -> None:
    found = decoded("62f2752850c2 c4e27550c2")
    assert found.mnemonics == [b"vpdpbusd", b"{vex} vpdpbusd"]


def test_other_architectures_have_no_twins() -> None:
    code = bytes.fromhex("c4e27550")
    arm = Decoder("CS_ARCH_ARM64", ("CS_MODE_ARM",))
    assert arm.listing(code, 0).mnemonics != [b"{vex} vpdpbusd"]
