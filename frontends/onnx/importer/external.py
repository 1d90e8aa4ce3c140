"""External data of ONNX models: read by offset and length, from the model's folder alone."""

from __future__ import annotations

import os
import stat
from math import prod
from pathlib import Path
from typing import Any

from mbc.diag import MbcError, error

MAX_ELEMENTS = 2**29

BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16}
"""Bits of an element, by the number of the type in TensorProto."""


def read_external(tensor: Any, model: Path) -> None:
    """Read the data of a tensor into it. Raises E0805 for a place outside the model's folder, a
    file that is not a regular one, and bounds that do not fit."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    path = _locate(tensor.name, entries.get("location", ""), model)
    offset, wanted = _number(tensor, entries, "offset", 0), _bytes(tensor)
    length = _number(tensor, entries, "length", wanted)
    if length != wanted:
        raise _refused(tensor.name, f"its shape needs {wanted:,} bytes, it has {length:,}")
    tensor.raw_data = _read(tensor.name, path, offset, length)
    tensor.data_location = 0
    del tensor.external_data[:]


def _refused(name: str, reason: str, *helps: str) -> MbcError:
    return error("E0805", f"the data of tensor '{name}' cannot be read: {reason}", helps=helps)


def _locate(name: str, location: str, model: Path) -> Path:
    """Find a file of the model's folder, after links are resolved."""
    folder = Path(os.path.realpath(model.parent))
    if not location or "\0" in location or Path(location).is_absolute():
        raise _refused(name, f"{location!r} is no name in the model's folder")
    path = Path(os.path.realpath(folder / location))
    if not path.is_relative_to(folder):
        help = "copy model and data into one folder, without links that leave it"
        raise _refused(name, f"{location!r} lies outside the model's folder", help)
    return path


def _number(tensor: Any, entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _refused(tensor.name, f"its {key} is {text[:40]!r}, not a number")
    return int(text)


def _bytes(tensor: Any) -> int:
    bits = BITS.get(tensor.data_type)
    if bits is None or any(extent < 0 for extent in tensor.dims):
        raise _refused(tensor.name, f"its type is {tensor.data_type}, its shape {[*tensor.dims]}")
    if (elements := prod(tensor.dims)) > MAX_ELEMENTS:
        raise _refused(tensor.name, f"it has {elements:,} elements, mbc takes {MAX_ELEMENTS:,}")
    return int(elements) * bits // 8


def _read(name: str, path: Path, offset: int, length: int) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _refused(name, f"{path.name} is not a regular file")
        if offset + length > found.st_size:
            ends = f"it ends at byte {offset + length:,} of {path.name}"
            raise _refused(name, f"{ends}, which has {found.st_size:,}")
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    except OSError as problem:
        raise _refused(name, f"{path.name}: {problem.strerror or problem}") from None
