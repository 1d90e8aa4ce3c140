"""Checks of ELF files: Linux and Android."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from mbc.targets.conformance import elf_file
from mbc.targets.conformance.attributes import ABI_VFP_ARGS, CPU_ARCH, FP_ARCH, arm_attributes
from mbc.targets.conformance.code import assembly_problems, code_problems
from mbc.targets.conformance.contract import Contract
from mbc.targets.conformance.elf_file import ElfFile, Section, Symbol
from mbc.targets.features import features_of
from mbc.targets.target import Target

CODE_SECTION, THREAD_LOCAL = 0x4, 0x400  # sh_flags
EXECUTABLE, WRITABLE = 1, 2  # p_flags
TEXT_RELOCATIONS = 4  # DF_TEXTREL
HARD_FLOAT_FLAG = 0x400  # of e_flags of 32-bit Arm
HARD_FLOAT = 1  # Tag_ABI_VFP_args


def object_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of an object: machine, ABI, symbols, sections, instructions."""
    elf = ElfFile(data)
    if foreign := [*_machine(elf, contract.target)]:
        yield from foreign
        return
    yield from _abi(elf, contract.target)
    yield from _kind(elf, "ET_REL")
    yield from _strangers(_undefined(elf, ".symtab"), contract.imports)
    decoded = contract.target.architecture.instructions.capstone is not None
    for section in elf.sections:
        if section.flags & THREAD_LOCAL:
            yield f"section {section.name} is thread-local"
        if section.flags & CODE_SECTION and decoded:
            for start, code in _stretches(elf, section):
                yield from code_problems(code, start, contract)
    if not decoded:
        yield from assembly_problems(contract.assembly or "", contract)


def shared_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of a shared library: machine, ABI, layout, exports and imports."""
    elf = ElfFile(data)
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
    names, numbers = elf.dynamic
    wanted = contract.loader_name
    if names.get(elf_file.SONAME) != [wanted]:
        yield f"calls itself {_listed(names.get(elf_file.SONAME, []))}, not {wanted}"
    needed = set(names.get(elf_file.NEEDED, ()))
    allowed = {"libc.so"} if contract.target.system == "android" else set()
    if needed - allowed:
        yield f"needs the libraries {_listed(needed - allowed)}"
    flags = numbers.get(elf_file.FLAGS, ())
    if elf_file.TEXTREL in numbers or any(each & TEXT_RELOCATIONS for each in flags):
        yield "has text relocations: its code would be rewritten when it is loaded"


def executable_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of an executable: machine, ABI, layout, and whether it is static."""
    elf = ElfFile(data)
    if foreign := [*_machine(elf, contract.target)]:
        yield from foreign
        return
    yield from _abi(elf, contract.target)
    yield from _kind(elf, "ET_EXEC", "ET_DYN")
    yield from _layout(elf, contract.target)
    if any(segment.type == elf_file.INTERPRETER for segment in elf.segments):
        yield "is not a static executable: it needs a loader"


def _kind(elf: ElfFile, *wanted: str) -> Iterator[str]:
    if elf.type not in wanted:
        yield f"is of type {elf.type}, not {' or '.join(wanted)}"


def _machine(elf: ElfFile, target: Target) -> Iterator[str]:
    wanted, bits = target.architecture.elf_machine, target.architecture.bits
    found = f"{elf.machine}, {elf.bits} bit"
    if found != f"{wanted}, {bits} bit" or not elf.is_little:
        order = "little" if elf.is_little else "big"
        yield f"is for {found}, {order}-endian, not for {wanted}, {bits} bit, little-endian"


def _abi(elf: ElfFile, target: Target) -> Iterator[str]:
    """Check the ABI that flags and build attributes state."""
    mask, wanted, name = target.architecture.elf_flags or (0, 0, "")
    if elf.flags & mask != wanted:
        yield f"is not of {name} (flags {elf.flags:#x})"
    if target.architecture.elf_limits:
        yield from _attribute_problems(elf, target, target.architecture.elf_limits)


def _attribute_problems(
    elf: ElfFile, target: Target, known: Mapping[str, tuple[int, int]]
) -> Iterator[str]:
    """Check 32-bit Arm's build attributes: how floats are passed, and which CPUs are required."""
    section = elf.of_type(elf_file.ARM_ATTRIBUTES)
    tags = arm_attributes(section.data) if section else {}
    if elf.type == "ET_REL":
        hard = tags.get(ABI_VFP_ARGS, 0) == HARD_FLOAT
    else:
        hard = bool(elf.flags & HARD_FLOAT_FLAG)
    if hard != target.hard_float:
        kinds = {True: "in vector registers", False: "in core registers"}
        yield f"passes floats {kinds[hard]}, the target {kinds[target.hard_float]}"
    features = features_of(target)
    limits = next(limits for name, limits in known.items() if name in features)
    for tag, limit in zip((CPU_ARCH, FP_ARCH), limits, strict=True):
        if tags.get(tag, 0) > limit:
            yield f"{tag} is {tags[tag]}, more than the target's {limit}"


def _globals(elf: ElfFile, table: str) -> Iterator[Symbol]:
    return (symbol for symbol in elf.symbols(table) if symbol.name and not symbol.is_local)


def _undefined(elf: ElfFile, table: str) -> frozenset[str]:
    return frozenset(each.name for each in _globals(elf, table) if not each.is_defined)


def _defined(elf: ElfFile, table: str) -> frozenset[str]:
    """Return the defined symbols that are visible to others."""
    symbols = _globals(elf, table)
    return frozenset(each.name for each in symbols if each.is_defined and each.is_shown)


def _layout(elf: ElfFile, target: Target) -> Iterator[str]:
    """Check that segments share no pages, that none is writable and executable, and that the stack
    is not executable."""
    for number, segment in enumerate(elf.segments):
        kind, flags = segment.type, segment.flags
        if kind == elf_file.LOAD and segment.align < target.page_bytes:
            yield (
                f"segment {number} is aligned to {segment.align} bytes, "
                f"pages may have {target.page_bytes}"
            )
        if kind == elf_file.LOAD and flags & WRITABLE and flags & EXECUTABLE:
            yield f"segment {number} is writable and executable"
        if kind == elf_file.STACK and flags & EXECUTABLE:
            yield "wants an executable stack"


def _strangers(found: frozenset[str], allowed: frozenset[str]) -> Iterator[str]:
    if extra := found - allowed:
        yield f"asks for the symbols {_listed(extra)}; it may ask for {_listed(allowed)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _stretches(elf: ElfFile, section: Section) -> Iterator[tuple[int, bytes]]:
    """Yield the code of a section with its addresses, without the data in between.

    Arm's mapping symbols distinguish them ($a and $x: code, $d: data).
    """
    data = section.data
    marks = sorted(_mapping_symbols(elf, section.number)) or [(0, "$x")]
    for (start, kind), (stop, _) in pairwise([*marks, (len(data), "")]):
        if kind != "$d" and start < stop:
            yield start, data[start:stop]


def _mapping_symbols(elf: ElfFile, section: int) -> Iterator[tuple[int, str]]:
    for symbol in elf.symbols(".symtab"):
        if symbol.section == section and symbol.name[:2] in ("$a", "$x", "$d"):
            yield symbol.value, symbol.name[:2]
