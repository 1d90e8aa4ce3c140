"""Capstone's decoder of machine code, through its C interface (capstone.h of version 5).

Its Python package imports the tables of twenty architectures, and makes an object of each
instruction.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes.util import find_library
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mbc.records import dataclass
from mbc.targets.architecture import Twin

ARCHITECTURES: Mapping[str, int] = {"CS_ARCH_ARM": 0, "CS_ARCH_ARM64": 1, "CS_ARCH_X86": 3}
MODES: Mapping[str, int] = {"CS_MODE_ARM": 0, "CS_MODE_64": 1 << 3, "CS_MODE_V8": 1 << 6}
DETAIL, ON = 2, 3  # CS_OPT_DETAIL, CS_OPT_ON
LONGEST = 16  # bytes of an instruction


class _Detail(ctypes.Structure):
    """The beginning of cs_detail."""

    _fields_ = (
        ("regs_read", ctypes.c_uint16 * 20),
        ("regs_read_count", ctypes.c_uint8),
        ("regs_write", ctypes.c_uint16 * 20),
        ("regs_write_count", ctypes.c_uint8),
        ("groups", ctypes.c_uint8 * 8),
        ("groups_count", ctypes.c_uint8),
    )


class _Instruction(ctypes.Structure):
    """cs_insn."""

    _fields_ = (
        ("id", ctypes.c_uint),
        ("address", ctypes.c_uint64),
        ("size", ctypes.c_uint16),
        ("bytes", ctypes.c_uint8 * 24),
        ("mnemonic", ctypes.c_char * 32),
        ("operands", ctypes.c_char * 160),
        ("detail", ctypes.POINTER(_Detail)),
    )


_COLUMNS = {"address": "u8", "size": "u2", "mnemonic": "S32", "operands": "S160"}
_ROW = np.dtype(
    {
        "names": list(_COLUMNS),
        "formats": list(_COLUMNS.values()),
        "offsets": [getattr(_Instruction, name).offset for name in _COLUMNS],
        "itemsize": ctypes.sizeof(_Instruction),
    }
)


@dataclass(frozen=True)
class Listing:
    """Instructions, one after the other."""

    addresses: Sequence[int]
    end: int
    """The address after the last one."""
    mnemonics: Sequence[bytes]
    operands: Sequence[bytes]


class Decoder:
    """A decoder for an architecture, in some modes (names of capstone's); `twins` stand for what
    capstone does not decode."""

    def __init__(self, architecture: str, modes: Sequence[str], twins: Sequence[Twin] = ()) -> None:
        self._library, self._handle = _library(), ctypes.c_size_t()
        self._twins = twins
        mode = sum(MODES[name] for name in modes)
        status = self._library.cs_open(
            ARCHITECTURES[architecture], mode, ctypes.byref(self._handle)
        )
        if status:
            raise ValueError(f"capstone does not decode {architecture}: its error {status}")

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.cs_close(ctypes.byref(self._handle))

    def listing(self, code: bytes, address: int) -> Listing:
        """Decode up to the first bytes that are no instruction."""
        parts, end = [np.empty(0, _ROW)], address
        while True:
            here = end - address
            rows = self._rows(code, here, end)
            twin = None if len(rows) else self._twin(code[here : here + LONGEST])
            if twin:
                rows = self._rows(twin[1], 0, end, most=1).copy()
                rows["mnemonic"] = twin[0]
            if not len(rows):
                break
            parts.append(rows)
            end = int(rows["address"][-1] + rows["size"][-1])
        whole = np.concatenate(parts)
        texts = map(_texts, (whole["mnemonic"], whole["operands"]))
        return Listing(whole["address"].tolist(), end, *texts)

    def _rows(self, code: bytes, start: int, address: int, most: int = 0) -> np.ndarray:
        """Decode from a byte of the code on, which lies at an address."""
        found = ctypes.POINTER(_Instruction)()
        count = self._decode(code, start, address, most, found)
        try:
            return np.frombuffer(ctypes.string_at(found, count * _ROW.itemsize), _ROW)
        finally:
            self._library.cs_free(found, count)

    def _twin(self, code: bytes) -> tuple[str, bytes] | None:
        """Return the name of the instruction that code begins with, and code that is decoded in its
        place; None if it has no twin."""
        pairs = ((twin.name, twin.decodable(code)) for twin in self._twins)
        return next(((name, other) for name, other in pairs if other), None)

    def described(self, code: bytes, address: int) -> tuple[str, frozenset[str]]:
        """Return the text of the instruction that `code` is, and the names of its groups."""
        found, name = ctypes.POINTER(_Instruction)(), ""
        self._library.cs_option(self._handle, DETAIL, ON)
        count = self._decode(code, 0, address, 1, found)
        if not count and (twin := self._twin(code)):
            name, other = twin
            count = self._decode(other, 0, address, 1, found)
        try:
            if not count:
                raise ValueError(f"no instruction at {address:#x}")
            text = f"{name or found[0].mnemonic.decode()} {found[0].operands.decode()}"
            detail = found[0].detail.contents
            groups = detail.groups[: detail.groups_count]
        finally:
            self._library.cs_free(found, count)
            self._library.cs_option(self._handle, DETAIL, 0)
        return text, frozenset(self._group(number) for number in groups)

    def _decode(self, code: bytes, start: int, address: int, most: int, found: object) -> int:
        first = ctypes.cast(ctypes.c_char_p(code), ctypes.c_void_p).value or 0
        count: int = self._library.cs_disasm(
            self._handle,
            first + start,
            len(code) - start,
            address,
            most,
            ctypes.byref(found),  # type: ignore[arg-type]
        )
        return count

    def _group(self, number: int) -> str:
        name: bytes | None = self._library.cs_group_name(self._handle, number)
        return (name or b"None").decode()


def _texts(column: np.ndarray) -> list[bytes]:
    """Return texts as C reads them: behind the first NUL there may be anything."""
    return [text.split(b"\0", 1)[0] for text in column.tolist()]


@cache
def _library() -> ctypes.CDLL:
    spec = find_spec("capstone")
    folders = spec.submodule_search_locations if spec else None
    own = [
        Path(folder) / "lib" / f"libcapstone.{end}"
        for folder in folders or ()
        for end in ("so", "dylib")
    ]
    path = next((str(path) for path in own if path.exists()), None) or find_library("capstone")
    library = ctypes.CDLL(path or "libcapstone.so.5")
    library.cs_open.argtypes = [ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p]
    library.cs_disasm.restype = library.cs_option.restype = ctypes.c_size_t
    library.cs_disasm.argtypes = [ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
    library.cs_disasm.argtypes += [ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p]
    library.cs_option.argtypes = [ctypes.c_size_t, ctypes.c_int, ctypes.c_size_t]
    library.cs_free.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.cs_group_name.restype = ctypes.c_char_p
    library.cs_group_name.argtypes = [ctypes.c_size_t, ctypes.c_uint]
    return library
