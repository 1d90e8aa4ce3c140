"""Tensors in .npy files, with the limits and error messages of `c/inputs.h`, the reader of
executables. Nothing is converted, since boards do not convert either."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import IO

import numpy as np

from mbc.diag import MbcError, error, unreadable
from mbc.ir.elements import F32, Scalar

MAGIC = b"\x93NUMPY"
MAX_HEADER, MAX_RANK, MAX_EXTENT = 65535, 8, 2**64 - 1
KINDS = r"['\"<>=|\[(abcfimuMOSUV0-9]*"


def is_npy(path: Path) -> bool:
    """Whether a file, of any name, begins with the magic of .npy."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False  # who reads it says why


def read_tensor(path: Path, shape: tuple[int, ...], name: str, element: Scalar = F32) -> np.ndarray:
    """Read the tensor for the input `name`.

    Raises E0701 for an unreadable file, E0704 for a damaged one, E0710 for another type, order or
    shape.
    """
    stored = element.numpy.newbyteorder("<")
    try:
        with path.open("rb") as file:
            header = _header(path, file)
            _check_type(path, header, element)
            _check_shape(path, header, shape, name)
            data = _read(path, file, element.bytes * math.prod(shape), "the tensor")
            if file.read(1):
                raise _damaged(path, "oversize: more data follows the tensor")
    except OSError as problem:
        raise unreadable(path, problem) from None
    return np.frombuffer(data, stored).reshape(shape)


def read_raw(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a file that holds the bytes of a tensor alone; E0701, E0710."""
    count = math.prod(shape)
    try:
        with path.open("rb") as file:
            data = file.read(count + 1)
    except OSError as problem:
        raise unreadable(path, problem) from None
    if len(data) > count:
        raise error("E0710", f"{path}: oversize: more data follows the tensor")
    if len(data) < count:
        raise error("E0710", f"{path}: truncated: {len(data)} of {count} bytes of the tensor")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _header(path: Path, file: IO[bytes]) -> str:
    """Read the header, the text of a Python dictionary: searched as in C, not evaluated."""
    if _read(path, file, len(MAGIC), "the .npy header") != MAGIC:
        raise _damaged(path, "it does not begin like a .npy file")
    major, _, *size = _read(path, file, 4, "the .npy header")
    if major not in (1, 2, 3):
        raise _damaged(path, f".npy format {major} is unknown; 1 to 3 are read")
    if major > 1:
        size += _read(path, file, 2, "the .npy header")
    length = int.from_bytes(bytes(size), "little")
    if length > MAX_HEADER:
        raise _damaged(path, f"the .npy header is longer than {MAX_HEADER}")
    text = _read(path, file, length, "the .npy header").decode("latin1")
    return text.partition("\0")[0]


def _value(header: str, key: str) -> str:
    """Return the text after `key` and its colon; "" without them."""
    behind = header.partition(key)[2]
    found = re.match(r"['\"]? *: *", behind)
    return behind[found.end() :] if found else ""


def _check_type(path: Path, header: str, element: Scalar) -> None:
    kind, wanted = _value(header, "descr"), element.numpy.newbyteorder("<").str
    if kind and not re.match(rf"['\"]{re.escape(wanted)}['\"]", kind):
        known = re.match(KINDS, kind)
        shown = known[0] if known else ""
        needed = f"the network needs '{wanted}'" + " (little-endian float32)" * (element is F32)
        message = f"{path}: dtype {shown}, {needed}: numpy.save(path, x.astype('{wanted}'))"
        raise error("E0710", f"{message} converts")


def _check_shape(path: Path, header: str, shape: tuple[int, ...], name: str) -> None:
    kind, order, extents = (_value(header, key) for key in ("descr", "fortran_order", "shape"))
    if not (kind and order and extents):
        raise _damaged(path, "the .npy header cannot be understood")
    if not order.startswith("False"):
        advice = "save it in C order (numpy.ascontiguousarray)"
        raise error("E0710", f"{path}: Fortran order; {advice}")
    listed = re.match(r"\([0-9 ,]*\)", extents)
    found = tuple(map(_extent, re.findall(r"\d+", listed[0]))) if listed else ()
    if not listed or len(found) > MAX_RANK:
        raise _damaged(path, "the .npy header has no usable shape")
    if found != shape:
        message = f"{path}: shape {found}, input {name} of the network needs {shape}"
        raise error("E0710", message)


def _extent(digits: str) -> int:
    """Convert digits to an extent, saturated to 64 bits."""
    return MAX_EXTENT if len(digits.lstrip("0")) > 19 else int(digits)


def _read(path: Path, file: IO[bytes], size: int, what: str) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise _damaged(path, f"truncated: {len(data)} of {size} bytes of {what}")
    return data


def _damaged(path: Path, why: str) -> MbcError:
    return error("E0704", f"{path}: {why}")
