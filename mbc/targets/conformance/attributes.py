"""Build attributes of 32-bit Arm (Addenda to, and errata in, the ABI for the Arm architecture)."""

from __future__ import annotations

from mbc.targets.conformance.contract import FormatError

CPU_ARCH, FP_ARCH, ABI_VFP_ARGS = "TAG_CPU_ARCH", "TAG_FP_ARCH", "TAG_ABI_VFP_ARGS"
NAMES = {6: CPU_ARCH, 10: FP_ARCH, 28: ABI_VFP_ARGS}
TEXTS, COMPATIBILITY = (4, 5), 32  # tags whose values are text, and a number with text
WHOLE_FILE, VERSION = 1, ord("A")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def word(self) -> int:
        """Read four bytes."""
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at], "little")

    def number(self) -> int:
        """Read a number in ULEB128."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self) -> bytes:
        """Read a text up to its NUL."""
        start, self.at = self.at, self.data.index(b"\0", self.at) + 1
        return self.data[start : self.at - 1]


def arm_attributes(data: bytes) -> dict[str, int]:
    """Read the attributes of a whole file whose names are in NAMES; FormatError if the section is
    damaged."""
    try:
        return _attributes(data)
    except (IndexError, ValueError) as reason:
        raise FormatError(f"has damaged build attributes: {reason}") from None


def _attributes(data: bytes) -> dict[str, int]:
    reader, found = _Reader(data), dict[str, int]()
    if data[0] != VERSION:
        raise ValueError("of another version")
    reader.at = 1
    while reader.at < len(data):
        start = reader.at
        end = start + max(reader.word(), 5)
        is_public = reader.text() == b"aeabi"
        while reader.at < end:
            part = reader.at
            scope, stop = reader.number(), part + max(reader.word(), 5)
            while is_public and scope == WHOLE_FILE and reader.at < stop:
                tag, value = _attribute(reader)
                if tag in NAMES:
                    found[NAMES[tag]] = value
            reader.at = stop
        reader.at = end
    return found


def _attribute(reader: _Reader) -> tuple[int, int]:
    """Read a tag and its value; 0 for a text."""
    tag = reader.number()
    if tag in TEXTS or (tag > COMPATIBILITY and tag % 2):
        reader.text()
        return tag, 0
    value = reader.number()
    if tag == COMPATIBILITY:
        reader.text()
    return tag, value
