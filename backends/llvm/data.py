"""Objects with megabytes of read-only data.

LLVM takes seconds to read as many as text (7 for 17 MB), and a tenth of a second to write as many
zeros. So it makes an object with a few bytes, which begin with a mark, and the data go in their
place: in ELF files all that lies behind them moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from struct import Struct

from mbc.backends.llvm.codegen import object_code
from mbc.records import dataclass
from mbc.targets.target import Target

DATA_SECTIONS = {"elf": ".rodata.{symbol}", "macho": "__TEXT,__const"}
"""Where read-only data go, by object format."""
FEW = 64  # bytes, at least; what is left out is a multiple of that, which no alignment exceeds


def data_object(data: bytes, symbol: str, target: Target) -> bytes:
    """Make an object with read-only data at `symbol`, 64-byte aligned and hidden."""
    return b"".join(data_object_parts(data, symbol, target))


def data_object_parts(data: bytes, symbol: str, target: Target) -> tuple[bytes, bytes, bytes]:
    """Make the object in parts: what lies before the data, these, and what lies behind."""
    section = DATA_SECTIONS[target.object_format].format(symbol=symbol)
    mark = sha256(symbol.encode()).digest()
    if len(data) <= len(mark):
        return object_code(_constant(symbol, section, data, 0), target), b"", b""
    is_elf = target.object_format == "elf"
    some = FEW + len(data) % FEW if is_elf and len(data) > 2 * FEW else len(data)
    made = object_code(_constant(symbol, section, mark, some - len(mark)), target)
    start = made.index(mark)
    if some < len(data):
        made = _Elf.of(made).grown(made, start, some, len(data))
    return made[:start], data, made[start + some :]


def _constant(symbol: str, section: str, start: bytes, zeros: int) -> str:
    """Return the module with a constant: some bytes, and zeros."""
    types = f"<{{ [{len(start)} x i8], [{zeros} x i8] }}>"
    text = "".join(f"\\{byte:02x}" for byte in start)
    value = f'<{{ [{len(start)} x i8] c"{text}", [{zeros} x i8] zeroinitializer }}>'
    return f'@{symbol} = hidden constant {types} {value}, section "{section}", align 64\n'


@dataclass(frozen=True)
class _Elf:
    """Where a little-endian ELF file of a class has its sizes and offsets."""

    word: Struct
    table: int
    """Of the offset of the section headers, in the file's header."""
    counts: int
    """Of the size and number of section headers, there."""
    offset: int
    """Of a section's offset, in its header; its size follows."""
    symbol_bytes: int
    symbol_size: int
    """Of a symbol's size, in its entry."""

    @staticmethod
    def of(file: bytes) -> _Elf:
        """Return the layout of a file's class."""
        if file[4] == 2:
            return _Elf(Struct("<Q"), 0x28, 0x3A, 0x18, 24, 16)
        return _Elf(Struct("<I"), 0x20, 0x2E, 0x10, 16, 8)

    def grown(self, file: bytes, start: int, size: int, wanted: int) -> bytes:
        """Return an object whose headers tell of more data than it has at `start`: of the only
        section, and the only symbol, of `size` bytes."""
        made = bytearray(file)
        for at in self._headers(file):
            offset, length = at + self.offset, at + self.offset + self.word.size
            found = self._get(file, offset)
            if found == start and self._get(file, length) == size:
                self.word.pack_into(made, length, wanted)
            elif found > start:
                self.word.pack_into(made, offset, found + wanted - size)
            if file[at + 4] == 2:  # SHT_SYMTAB
                for entry in range(found, found + self._get(file, length), self.symbol_bytes):
                    if self._get(file, entry + self.symbol_size) == size:
                        self.word.pack_into(made, entry + self.symbol_size, wanted)
        self.word.pack_into(made, self.table, self._get(file, self.table) + wanted - size)
        return bytes(made)

    def _headers(self, file: bytes) -> Iterator[int]:
        """Yield where the section headers begin."""
        first = self._get(file, self.table)
        each, count = (
            int.from_bytes(file[at : at + 2], "little") for at in (self.counts, self.counts + 2)
        )
        return iter(range(first, first + each * count, each))

    def _get(self, file: bytes, at: int) -> int:
        (found,) = self.word.unpack_from(file, at)
        return int(found)
