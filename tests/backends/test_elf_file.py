"""Our reader of ELF files against pyelftools; damaged ones are told."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, SymbolTableSection

from mbc.backends.llvm.data import data_object
from mbc.driver.platforms import resolve
from mbc.targets.conformance import elf_file
from mbc.targets.conformance.attributes import NAMES, arm_attributes
from mbc.targets.conformance.contract import FormatError
from mbc.targets.conformance.elf_file import ElfFile
from tests.backends.wrong_code import compiled, library

TARGETS = ("x86_64", "arm64", "armv7", "riscv64")


def check(data: bytes) -> None:
    ours, theirs = ElfFile(data), ELFFile(BytesIO(data))
    header: Any = theirs.header
    assert (ours.machine, ours.bits, ours.is_little) == (header["e_machine"], theirs.elfclass, True)
    assert (ours.type, ours.flags) == (header["e_type"], header["e_flags"])
    sections: list[Any] = list(theirs.iter_sections())
    assert [s.name for s in ours.sections] == [s.name for s in sections]
    assert [s.flags for s in ours.sections] == [s["sh_flags"] for s in sections]
    for mine, section in zip(ours.sections, sections, strict=True):
        if section["sh_type"] not in ("SHT_NOBITS", "SHT_NULL"):
            assert mine.data == section.data(), mine.name
    segments: list[Any] = list(theirs.iter_segments())
    assert [(s.flags, s.align) for s in ours.segments] == [
        (s["p_flags"], s["p_align"]) for s in segments
    ]
    for table in sections:
        if isinstance(table, SymbolTableSection):
            found = [
                (s.name, s.value, s.is_local, s.is_defined, s.is_shown)
                for s in ours.symbols(table.name)
            ]
            assert found == [_symbol(symbol) for symbol in table.iter_symbols()]


def _symbol(symbol: Any) -> tuple[str, int, bool, bool, bool]:
    return (
        symbol.name,
        symbol["st_value"],
        symbol["st_info"]["bind"] == "STB_LOCAL",
        symbol["st_shndx"] != "SHN_UNDEF",
        symbol["st_other"]["visibility"] in ("STV_DEFAULT", "STV_PROTECTED"),
    )


@pytest.mark.parametrize("target", TARGETS)
def test_objects(target: str) -> None:
    check(data_object(bytes(range(200)), "net_weights", resolve(target)))


@pytest.mark.parametrize("target", ["x86_64", "armv7"])
def test_shared_libraries(target: str, tmp_path: Path) -> None:
    data = library(tmp_path, target).read_bytes()
    check(data)
    names, numbers = ElfFile(data).dynamic
    section = next(
        s for s in ELFFile(BytesIO(data)).iter_sections() if isinstance(s, DynamicSection)
    )
    tags: list[Any] = list(section.iter_tags())
    assert names[elf_file.SONAME] == [t.soname for t in tags if t.entry.d_tag == "DT_SONAME"]
    count = sum(map(len, names.values())) + sum(map(len, numbers.values()))
    assert count == len(tags)


def test_build_attributes(tmp_path: Path) -> None:
    data = compiled(tmp_path, "armv7").read_bytes()
    section = next(
        s for s in ELFFile(BytesIO(data)).iter_sections() if isinstance(s, ARMAttributesSection)
    )
    known = {
        attribute.tag: attribute.value
        for vendor in section.iter_subsections()
        for scope in vendor.iter_subsubsections()
        for attribute in scope.iter_attributes()
    }
    ours = ElfFile(data).of_type(elf_file.ARM_ATTRIBUTES)
    assert ours is not None
    found = arm_attributes(ours.data)
    assert found == {name: known[name] for name in NAMES.values() if name in known}
    assert len(found) == 3
    for end in range(1, len(ours.data)):
        with suppress(FormatError):
            arm_attributes(ours.data[:end])


def test_attributes_of_several_bytes() -> None:
    attributes = bytes([1, 8, 0, 0, 0, 6, 0xC8, 1])  # of the file: Tag_CPU_arch is 200
    vendor = b"aeabi\0"
    length = (4 + len(vendor) + len(attributes)).to_bytes(4, "little")
    assert arm_attributes(b"A" + length + vendor + attributes) == {"TAG_CPU_ARCH": 200}


def test_damage() -> None:
    data = data_object(bytes(range(200)), "net_weights", resolve("x86_64"))
    headers = int.from_bytes(data[0x28:0x30], "little")
    at = headers + 64 + 32  # the size of the first section
    with pytest.raises(FormatError, match="a section ends behind the file"):
        ElfFile(data[:at] + len(data).to_bytes(8, "little") + data[at + 8 :])
    with pytest.raises(FormatError, match="is not an ELF file: it begins otherwise"):
        ElfFile(b"\x7fEL")
    with pytest.raises(FormatError, match="its class or byte order is unknown"):
        ElfFile(b"\x7fELF" + bytes(60))
    for end in range(16, len(data)):
        with pytest.raises(FormatError, match="is not an ELF file: "):
            ElfFile(data[:end])
    for at in range(16, len(data)):
        damaged = data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]
        with suppress(FormatError):
            file = ElfFile(damaged)
            file.symbols(".symtab")
            assert file.dynamic == ({}, {})
