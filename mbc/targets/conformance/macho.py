"""Checks of Mach-O files: macOS on Apple silicon (Apple: mach-o/loader.h, mach-o/nlist.h)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from struct import error as StructError  # noqa: N812  it is a class
from struct import unpack_from

from mbc.records import dataclass
from mbc.targets.conformance.code import code_problems
from mbc.targets.conformance.contract import Contract, FormatError

MAGIC, ARM64 = 0xFEEDFACF, 0x0100000C
OBJECT, EXECUTABLE, DYLIB = 1, 2, 6
SYMTAB, LOAD_DYLIB, ID_DYLIB, SEGMENT, SIGNATURE, BUILD_VERSION = 0x2, 0xC, 0xD, 0x19, 0x1D, 0x32
MACOS = 1
WRITE, EXECUTE = 2, 4  # vm_prot_t
EXTERNAL, PRIVATE, KIND = 0x01, 0x10, 0x0E  # n_type
PURE_CODE = 0x80000000  # section flags
PAGE = 16384
SYSTEM = "/usr/lib/libSystem.B.dylib"
LINKER_SYMBOLS = frozenset(("dyld_stub_binder", "__mh_dylib_header", "___dso_handle"))


@dataclass
class Image:
    """The content of a file's load commands."""

    file_type: int
    platform: int = 0
    name: str = ""
    """Install name of a dylib."""
    libraries: list[str] = field(default_factory=list)
    """Install names of the dylibs that it loads."""
    segments: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, address and protection of each segment."""
    code: list[tuple[int, bytes]] = field(default_factory=list)
    """Address and content of each section of code."""
    defined: set[str] = field(default_factory=set)
    """External symbols defined here."""
    undefined: set[str] = field(default_factory=set)
    """External symbols not defined here."""
    signed: bool = False


def object_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of an object: machine, system, symbols, instructions."""
    image = _open(data)
    yield from _kind(image, OBJECT)
    yield from _strangers(image.undefined, _mangled(contract.imports))
    for address, code in image.code:
        yield from code_problems(code, address, contract)


def shared_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of a dylib: machine, system, layout, signature, exports and imports."""
    image = _open(data)
    yield from _kind(image, DYLIB)
    yield from _layout(image)
    yield from _strangers(image.undefined - LINKER_SYMBOLS, _mangled(contract.libc))
    exported, wanted = image.defined - LINKER_SYMBOLS, _mangled(contract.exports)
    if exported != wanted:
        yield f"exports {_listed(exported)}, not {_listed(wanted)}"
    name = contract.loader_name
    if image.name != name:
        yield f"calls itself {image.name or 'nothing'}, not {name}"


def executable_problems(data: bytes, contract: Contract) -> Iterator[str]:
    """Yield the problems of an executable: machine, system, layout, signature, and whether it needs
    libraries other than the system's."""
    image = _open(data)
    yield from _kind(image, EXECUTABLE)
    yield from _layout(image)


def _open(data: bytes) -> Image:
    try:
        magic, cpu, _, file_type, commands = unpack_from("<5I", data)
        if magic != MAGIC:
            raise FormatError("is not a 64-bit Mach-O file")
        if cpu != ARM64:
            raise FormatError(f"is for CPU type {cpu:#x}, not for arm64 ({ARM64:#x})")
        image = Image(file_type)
        at = 32
        for _ in range(commands):
            command, size = unpack_from("<2I", data, at)
            _read(image, data, at, command & 0x7FFFFFFF, size)
            at += size
    except (StructError, ValueError) as reason:
        raise FormatError(f"is not a Mach-O file: {reason}") from None
    return image


def _read(image: Image, data: bytes, at: int, command: int, size: int) -> None:
    if command == SEGMENT:
        _read_segment(image, data, at)
    elif command == SYMTAB:
        _read_symbols(image, data, at)
    elif command in (LOAD_DYLIB, ID_DYLIB):
        (offset,) = unpack_from("<I", data, at + 8)
        name = _text(data[at + offset : at + size])
        if command == ID_DYLIB:
            image.name = name
        else:
            image.libraries.append(name)
    elif command == BUILD_VERSION:
        (image.platform,) = unpack_from("<I", data, at + 8)
    elif command == SIGNATURE:
        image.signed = True


def _read_segment(image: Image, data: bytes, at: int) -> None:
    address, *_ = unpack_from("<4Q", data, at + 24)
    _, protection, sections = unpack_from("<3I", data, at + 56)
    image.segments.append((_text(data[at + 8 : at + 24]), address, protection))
    for number in range(sections):
        start = at + 72 + 80 * number
        place, size, offset = unpack_from("<2QI", data, start + 32)
        (flags,) = unpack_from("<I", data, start + 64)
        if flags & PURE_CODE:
            image.code.append((place, data[offset : offset + size]))


def _read_symbols(image: Image, data: bytes, at: int) -> None:
    table, count, names, _ = unpack_from("<4I", data, at + 8)
    for number in range(count):
        name, kind, _, _, _ = unpack_from("<IBBHQ", data, table + 16 * number)
        if kind & EXTERNAL and not kind & PRIVATE:
            side = image.defined if kind & KIND else image.undefined
            side.add(_text(data[names + name : names + name + 1024]))


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("ascii", "replace")


def _kind(image: Image, wanted: int) -> Iterator[str]:
    if image.file_type != wanted:
        yield f"is of Mach-O type {image.file_type}, not {wanted}"
    if image.platform != MACOS:
        yield f"is for platform {image.platform}, not for macOS ({MACOS})"


def _layout(image: Image) -> Iterator[str]:
    for name, address, protection in image.segments:
        if address % PAGE:
            yield f"segment {name} begins at {address:#x}, pages have {PAGE} bytes"
        if protection & WRITE and protection & EXECUTE:
            yield f"segment {name} is writable and executable"
    if others := set(image.libraries) - {SYSTEM}:
        yield f"needs the libraries {_listed(others)}"
    if not image.signed:
        yield "is not signed: Apple silicon runs signed code only"


def _strangers(found: set[str], allowed: set[str]) -> Iterator[str]:
    if extra := found - allowed:
        yield f"asks for the symbols {_listed(extra)}; it may ask for {_listed(allowed)}"


def _mangled(names: frozenset[str]) -> set[str]:
    """Convert C names to Mach-O symbols."""
    return {f"_{name}" for name in names}


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
