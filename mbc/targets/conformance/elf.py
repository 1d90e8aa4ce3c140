"""Checks of ELF files: Linux and Android."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, Section, SymbolTableSection

from mbc.targets.conformance.code import assembly_problems, code_problems
from mbc.targets.conformance.contract import Contract, FormatError
from mbc.targets.features import features_of
from mbc.targets.target import Target

CODE_SECTION, THREAD_LOCAL = 0x4, 0x400  # sh_flags
EXECUTABLE, WRITABLE = 1, 2  # p_flags
TEXT_RELOCATIONS = 4  # DF_TEXTREL
HARD_FLOAT_FLAG = 0x400  # of e_flags of 32-bit Arm
HARD_FLOAT = 1  # Tag_ABI_VFP_args


def object_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of an object: machine, ABI, symbols, sections, instructions."""
    elf = _open(data)
    if foreign := [*_machine(elf, contract.target)]:
        yield from foreign
        return
    yield from _abi(elf, contract.target)
    yield from _kind(elf, "ET_REL")
    yield from _strangers(_undefined(elf, ".symtab"), contract.imports)
    decoded = contract.target.architecture.instructions.capstone is not None
    for section in elf.iter_sections():
        if section["sh_flags"] & THREAD_LOCAL:
            yield f"section {section.name} is thread-local"
        if section["sh_flags"] & CODE_SECTION and decoded:
            for start, code in _stretches(elf, section):
                yield from code_problems(code, start, contract)
    if not decoded:
        yield from assembly_problems(contract.assembly or "", contract)


def shared_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of a shared library: machine, ABI, layout, exports and imports."""
    elf = _open(data)
    if foreign := [*_machine(elf, contract.target)]:
        yield from foreign
        return
    yield from _abi(elf, contract.target)
    yield from _kind(elf, "ET_DYN")
    yield from _layout(elf, contract.target)
    yield from _strangers(_undefined(elf, ".dynsym"), contract.libc)
    exported = _defined(elf, ".dynsym")
    if exported != contract.exports:
        yield f"exports {_listed(exported)}, not {_listed(contract.exports)}"
    tags = _dynamic(elf)
    wanted = contract.loader_name
    if tags.get("DT_SONAME") != [wanted]:
        yield f"calls itself {_listed(tags.get('DT_SONAME', []))}, not {wanted}"
    needed = set(tags.get("DT_NEEDED", ()))
    allowed = {"libc.so"} if contract.target.system == "android" else set()
    if needed - allowed:
        yield f"needs the libraries {_listed(needed - allowed)}"
    if "DT_TEXTREL" in tags or any(flags & TEXT_RELOCATIONS for flags in tags.get("DT_FLAGS", ())):
        yield "has text relocations: its code would be rewritten when it is loaded"


def executable_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of an executable: machine, ABI, layout, and whether it is static."""
    elf = _open(data)
    if foreign := [*_machine(elf, contract.target)]:
        yield from foreign
        return
    yield from _abi(elf, contract.target)
    yield from _kind(elf, "ET_EXEC", "ET_DYN")
    yield from _layout(elf, contract.target)
    if any(segment["p_type"] == "PT_INTERP" for segment in elf.iter_segments()):
        yield "is not a static executable: it needs a loader"


def _open(data: bytes) -> ELFFile:
    try:
        return ELFFile(io.BytesIO(data))
    except ELFError as reason:
        raise FormatError(f"is not an ELF file: {reason}") from None


def _kind(elf: ELFFile, *wanted: str) -> Iterator[str]:
    if elf["e_type"] not in wanted:
        yield f"is of type {elf['e_type']}, not {' or '.join(wanted)}"


def _machine(elf: ELFFile, target: Target) -> Iterator[str]:
    wanted, bits = target.architecture.elf_machine, target.architecture.bits
    found = f"{elf['e_machine']}, {elf.elfclass} bit"
    if found != f"{wanted}, {bits} bit" or not elf.little_endian:
        order = "little" if elf.little_endian else "big"
        yield f"is for {found}, {order}-endian, not for {wanted}, {bits} bit, little-endian"


def _abi(elf: ELFFile, target: Target) -> Iterator[str]:
    """Check the ABI that flags and build attributes state."""
    mask, wanted, name = target.architecture.elf_flags or (0, 0, "")
    if elf["e_flags"] & mask != wanted:
        yield f"is not of {name} (flags {elf['e_flags']:#x})"
    if target.architecture.elf_limits:
        yield from _attribute_problems(elf, target, target.architecture.elf_limits)


def _attribute_problems(
    elf: ELFFile, target: Target, known: Mapping[str, tuple[int, int]]
) -> Iterator[str]:
    """Check 32-bit Arm's build attributes: how floats are passed, and which CPUs are required."""
    tags = _attributes(elf)
    if elf["e_type"] == "ET_REL":
        hard = tags.get("TAG_ABI_VFP_ARGS", 0) == HARD_FLOAT
    else:
        hard = bool(elf["e_flags"] & HARD_FLOAT_FLAG)
    if hard != target.hard_float:
        kinds = {True: "in vector registers", False: "in core registers"}
        yield f"passes floats {kinds[hard]}, the target {kinds[target.hard_float]}"
    features = features_of(target)
    limits = next(limits for name, limits in known.items() if name in features)
    for tag, limit in zip(("TAG_CPU_ARCH", "TAG_FP_ARCH"), limits, strict=True):
        if tags.get(tag, 0) > limit:
            yield f"{tag} is {tags[tag]}, more than the target's {limit}"


def _attributes(elf: ELFFile) -> dict[str, Any]:
    """Read the build attributes of 32-bit Arm, by name."""
    return {
        attribute.tag: attribute.value
        for section in elf.iter_sections()
        if isinstance(section, ARMAttributesSection)
        for vendor in section.iter_subsections()
        for scope in vendor.iter_subsubsections()
        for attribute in scope.iter_attributes()
    }


def _symbols(elf: ELFFile, table: str) -> Iterator[tuple[str, bool, str]]:
    """Yield each global symbol's name, whether it is defined here, and its visibility."""
    section = elf.get_section_by_name(table)
    if isinstance(section, SymbolTableSection):
        for symbol in section.iter_symbols():
            if symbol.name and symbol["st_info"]["bind"] != "STB_LOCAL":
                defined = symbol["st_shndx"] != "SHN_UNDEF"
                yield symbol.name, defined, symbol["st_other"]["visibility"]


def _undefined(elf: ELFFile, table: str) -> frozenset[str]:
    return frozenset(name for name, defined, _ in _symbols(elf, table) if not defined)


def _defined(elf: ELFFile, table: str) -> frozenset[str]:
    """Return the defined symbols that are visible to others."""
    shown = ("STV_DEFAULT", "STV_PROTECTED")
    return frozenset(
        name for name, defined, seen in _symbols(elf, table) if defined and seen in shown
    )


def _dynamic(elf: ELFFile) -> dict[str, list[Any]]:
    """Read the dynamic section: names as text, all others as numbers."""
    tags: dict[str, list[Any]] = {}
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            for tag in section.iter_tags():
                text = getattr(tag, "soname", None) or getattr(tag, "needed", None)
                tags.setdefault(tag.entry.d_tag, []).append(text or tag["d_val"])
    return tags


def _layout(elf: ELFFile, target: Target) -> Iterator[str]:
    """Check that segments share no pages, that none is writable and executable, and that the stack
    is not executable."""
    for number, segment in enumerate(elf.iter_segments()):
        kind, flags = segment["p_type"], segment["p_flags"]
        if kind == "PT_LOAD" and segment["p_align"] < target.page_bytes:
            yield (
                f"segment {number} is aligned to {segment['p_align']} bytes, "
                f"pages may have {target.page_bytes}"
            )
        if kind == "PT_LOAD" and flags & WRITABLE and flags & EXECUTABLE:
            yield f"segment {number} is writable and executable"
        if kind == "PT_GNU_STACK" and flags & EXECUTABLE:
            yield "wants an executable stack"


def _strangers(found: frozenset[str], allowed: frozenset[str]) -> Iterator[str]:
    if extra := found - allowed:
        yield f"asks for the symbols {_listed(extra)}; it may ask for {_listed(allowed)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _stretches(elf: ELFFile, section: Section) -> Iterator[tuple[int, bytes]]:
    """Yield the code of a section with its addresses, without the data in between.

    Arm's mapping symbols distinguish them ($a and $x: code, $d: data).
    """
    data = section.data()
    number = elf.get_section_index(section.name)
    marks = sorted(_mapping_symbols(elf, number)) or [(0, "$x")]
    for (start, kind), (stop, _) in pairwise([*marks, (len(data), "")]):
        if kind != "$d" and start < stop:
            yield start, data[start:stop]


def _mapping_symbols(elf: ELFFile, section: int | None) -> Iterator[tuple[int, str]]:
    table = elf.get_section_by_name(".symtab")
    if isinstance(table, SymbolTableSection):
        for symbol in table.iter_symbols():
            if symbol["st_shndx"] == section and symbol.name[:2] in ("$a", "$x", "$d"):
                yield symbol["st_value"], symbol.name[:2]
