"""External data of ONNX models: read by offset and length, from the model's folder alone."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any

from mbc.diag import MbcError, error

MAX_ELEMENTS = 2**29
MAX_TOTAL = 2**30
"""Bytes of all tensors together, which may be the same part of one file."""

BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16}
"""Bits of an element, by the number of the type in TensorProto."""


FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How data are opened: a pipe does not wait for a writer, and what became a link since it was
looked at is not followed."""


def read_external(tensors: Iterable[Any], model: Path, folder: Path | None) -> None:
    """Read the data of tensors into them, from the model's folder, and from `folder` if the user
    allows another.

    Raises E0805 for a place outside these folders, a file that is not a regular one, and bounds
    that do not fit; E0807 for too much data.
    """
    bases = [Path(os.path.realpath(each)) for each in (model.parent, folder) if each is not None]
    total = 0
    for tensor in tensors:
        total += _bytes(tensor)
        if total > MAX_TOTAL:
            message = f"the model has more than {MAX_TOTAL:,} bytes of external data"
            raise error("E0807", message)
        _read_tensor(tensor, bases)


def _read_tensor(tensor: Any, bases: Sequence[Path]) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    path = _locate(tensor.name, entries.get("location", ""), bases)
    offset, wanted = _number(tensor, entries, "offset", 0), _bytes(tensor)
    length = _number(tensor, entries, "length", wanted)
    if length != wanted:
        raise _refused(tensor.name, f"its shape needs {wanted:,} bytes, it has {length:,}")
    tensor.raw_data = _read(tensor.name, path, offset, length)
    tensor.data_location = 0
    del tensor.external_data[:]


def _refused(name: str, reason: str, *helps: str) -> MbcError:
    return error("E0805", f"the data of tensor '{name}' cannot be read: {reason}", helps=helps)


def _locate(name: str, location: str, bases: Sequence[Path]) -> Path:
    """Find a file of one of the folders that is in one of them after links are resolved."""
    if not location or "\0" in location or Path(location).is_absolute():
        raise _refused(name, f"{location[:80]!r} is no name in the model's folder")
    paths = [Path(os.path.realpath(base / location)) for base in bases]
    inside = [path for path in paths if any(map(path.is_relative_to, bases))]
    if not inside:
        folder = "the model's folder" + (" and that of --external-data" if bases[1:] else "")
        helps = (
            "copy model and data into one folder, without links that leave it",
            f"or allow the folder that it is in, if you trust the model: --external-data "
            f"{_quoted(paths[0].parent)}",
        )
        raise _refused(name, f"{location[:80]!r} lies outside {folder}", *helps)
    return next(filter(_is_there, inside), inside[0])


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name that is too long
        return False


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


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
        descriptor = os.open(path, FLAGS)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _refused(name, f"{path.name} is not a regular file")
            if offset + length > found.st_size:
                ends = f"it ends at byte {offset + length:,} of {path.name}"
                raise _refused(name, f"{ends}, which has {found.st_size:,}")
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)
    except OSError as problem:
        raise _refused(name, f"{path.name}: {problem.strerror or problem}") from None
