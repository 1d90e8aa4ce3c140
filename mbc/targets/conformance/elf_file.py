"""A reader of ELF files (System V ABI, "Object files"), as far as the checks need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from struct import Struct
from struct import error as StructError  # noqa: N812  it is a class

from mbc.records import dataclass
from mbc.targets.conformance.contract import FormatError

DAMAGE = (StructError, UnicodeDecodeError, ValueError, IndexError, OverflowError)
TYPES: Mapping[int, str] = {1: "ET_REL", 2: "ET_EXEC", 3: "ET_DYN"}
MACHINES: Mapping[int, str] = {40: "EM_ARM", 62: "EM_X86_64", 183: "EM_AARCH64", 243: "EM_RISCV"}
SYMBOLS, DYNAMIC, NO_BITS, DYNAMIC_SYMBOLS = 2, 6, 8, 11  # sh_type
ARM_ATTRIBUTES = 0x70000003
LOAD, INTERPRETER, STACK = 1, 3, 0x6474E551  # p_type
LOCAL, UNDEFINED = 0, 0  # STB_LOCAL, SHN_UNDEF
SHOWN = (0, 3)  # STV_DEFAULT, STV_PROTECTED
NEEDED, SONAME, TEXTREL, FLAGS = 1, 14, 22, 30  # d_tag


@dataclass(frozen=True)
class _Layout:
    """The structures of one class and byte order, as members in the order below."""

    header: Struct
    section: Struct
    segment: Struct
    symbol: Struct
    dynamic: Struct


def _layout(bits: int, order: str) -> _Layout:
    if bits == 64:
        texts = ("HHIQQQIHHHHHH", "IIQQQQIIQQ", "IIQQQQQQ", "IBBHQQ", "QQ")
    else:
        texts = ("HHIIIIIHHHHHH", "IIIIIIIIII", "IIIIIIII", "IIIBBH", "II")
    return _Layout(*(Struct(order + text) for text in texts))


@dataclass(frozen=True)
class Section:
    """A section."""

    number: int
    name: str
    type: int
    flags: int
    link: int
    """Number of the section of its names."""
    file: bytes
    start: int
    stop: int
    """The end of its content in the file."""

    @property
    def data(self) -> bytes:
        """Its content; empty if it takes no room in the file."""
        return self.file[self.start : self.stop]


@dataclass(frozen=True)
class Segment:
    """A segment."""

    type: int
    flags: int
    align: int


@dataclass(frozen=True)
class Symbol:
    """A symbol."""

    name: str
    value: int
    is_local: bool
    section: int
    """Number of the section that it lies in."""
    is_defined: bool
    is_shown: bool
    """Whether other files see it, by its visibility."""


class ElfFile:
    """An ELF file. Raises FormatError where it is none, or damaged."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != b"\x7fELF":
            raise FormatError("is not an ELF file: it begins otherwise")
        if len(data) < 16 or data[4] not in (1, 2) or data[5] not in (1, 2):
            raise FormatError("is not an ELF file: its class or byte order is unknown")
        self._data, self.bits, self.is_little = data, 32 * data[4], data[5] == 1
        self._layout = _layout(self.bits, "<" if self.is_little else ">")
        try:
            self._read_header()
        except DAMAGE as reason:
            raise FormatError(f"is not an ELF file: {reason}") from None

    def _read_header(self) -> None:
        members = self._layout.header.unpack_from(self._data, 16)
        kind, machine, _, _, segments, sections, self.flags, _, *counts = members
        segment_size, segment_count, section_size, section_count, names = counts
        self.type = TYPES.get(kind, str(kind))
        self.machine = MACHINES.get(machine, f"machine {machine}")
        self.segments = tuple(
            self._segment(segments + number * segment_size) for number in range(segment_count)
        )
        raw = [
            self._layout.section.unpack_from(self._data, sections + number * section_size)
            for number in range(section_count)
        ]
        found = [self._section(number, each, "") for number, each in enumerate(raw)]
        texts = found[names].data if found else b""
        self.sections = tuple(
            replace(section, name=_text(texts, each[0]))
            for section, each in zip(found, raw, strict=True)
        )

    def _segment(self, at: int) -> Segment:
        members = self._layout.segment.unpack_from(self._data, at)
        return Segment(members[0], members[1 if self.bits == 64 else 6], members[7])

    def _section(self, number: int, members: tuple[int, ...], name: str) -> Section:
        _, kind, flags, _, offset, size, link, *_ = members
        stop = offset if kind in (0, NO_BITS) else offset + size
        if stop > len(self._data):
            raise ValueError("a section ends behind the file")
        return Section(number, name, kind, flags, link, self._data, offset, stop)

    def of_type(self, type: int) -> Section | None:
        """Return the first section of a type."""
        return next((each for each in self.sections if each.type == type), None)

    def section(self, name: str) -> Section | None:
        """Return the section of a name."""
        return next((each for each in self.sections if each.name == name), None)

    def symbols(self, table: str) -> list[Symbol]:
        """Return the symbols of a table."""
        section = self.section(table)
        if section is None or section.type not in (SYMBOLS, DYNAMIC_SYMBOLS):
            return []
        try:
            names = self.sections[section.link].data
            return [
                self._symbol(names, members)
                for members in self._layout.symbol.iter_unpack(section.data)
            ]
        except DAMAGE as reason:
            raise FormatError(f"has a damaged table of symbols: {reason}") from None

    def _symbol(self, names: bytes, members: tuple[int, ...]) -> Symbol:
        if self.bits == 64:
            name, info, other, place, value, _ = members
        else:
            name, value, _, info, other, place = members
        return Symbol(
            name=_text(names, name),
            value=value,
            is_local=info >> 4 == LOCAL,
            section=place,
            is_defined=place != UNDEFINED,
            is_shown=other & 3 in SHOWN,
        )

    @property
    def dynamic(self) -> tuple[Mapping[int, list[str]], Mapping[int, list[int]]]:
        """What the dynamic section says by names, and by numbers; by tag."""
        names: dict[int, list[str]] = {}
        numbers: dict[int, list[int]] = {}
        section = self.of_type(DYNAMIC)
        try:
            texts = self.sections[section.link].data if section else b""
            for tag, value in self._layout.dynamic.iter_unpack(section.data if section else b""):
                if tag in (NEEDED, SONAME):
                    names.setdefault(tag, []).append(_text(texts, value))
                else:
                    numbers.setdefault(tag, []).append(value)
        except DAMAGE as reason:
            raise FormatError(f"has a damaged dynamic section: {reason}") from None
        return names, numbers


def _text(table: bytes, start: int) -> str:
    """Read a name of a table; there is one that ends."""
    return table[start : table.index(b"\0", start)].decode() if table else ""
