"""The tensors of a weight file: names, shapes and types first, data on demand.

Nothing in a file is executed, and no array is read before its declared shape and type have been
accepted.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from mbc.diag import MbcError, error, nearest

Array: TypeAlias = npt.NDArray[np.generic]

SUFFIXES = (".safetensors", ".npz")
PICKLES = (".pt", ".pth", ".pkl", ".pickle")
MAX_SAID = 160  # characters of a library's message
DAMAGE = (
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression that zipfile lacks
    RuntimeError,  # an encrypted member
    UnicodeError,
    ValueError,
)


@dataclass(frozen=True)
class Stored:
    """One tensor of a file."""

    name: str
    """Name in the file."""
    shape: tuple[int, ...]
    """Declared shape."""
    dtype: str
    """Declared type: f16, f32, f64, or the file's own name of another type."""
    read: Callable[[], Array]
    """Read the data."""


def stored_tensors(path: Path) -> dict[str, Stored]:
    """List all tensors of a file by name.

    Raises E0401 (which kind of file), E0402 (a pickle), E0403 (damaged), E0701 (unreadable).
    """
    if path.suffix in PICKLES:
        raise pickled(path)
    if path.suffix not in SUFFIXES:
        raise error(
            "E0401",
            f"cannot tell what kind of weights {path} holds",
            helps=["weights are read from .safetensors and .npz files"],
        )
    with reading(path):
        found = _safetensors(path) if path.suffix == ".safetensors" else list(_npz(path))
        return {stored.name: stored for stored in found}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn exceptions of the libraries into E0402, E0403 or E0701."""
    try:
        yield
    except MbcError:
        raise
    except OSError as problem:
        why = problem.strerror or str(problem)
        helps = () if path.exists() else nearest(path.name, _beside(path))
        raise error("E0701", f"cannot read {path}: {why}", helps=helps) from None
    except DAMAGE as problem:
        if _looks_pickled(path):
            raise pickled(path) from None
        raise error(
            "E0403",
            f"{path} is damaged, cut off, or not a {path.suffix} file",
            label=_first_words(problem),
        ) from None


def _beside(path: Path) -> list[str]:
    """List the weight files in the same folder."""
    if not path.parent.is_dir():
        return []
    return [other.name for other in path.parent.iterdir() if other.suffix in SUFFIXES]


def _first_words(problem: BaseException) -> str:
    """Return the first line of a library's message, at most MAX_SAID characters."""
    said = str(problem).splitlines()
    return said[0][:MAX_SAID] + "…" * (len(said[0]) > MAX_SAID) if said else type(problem).__name__


def pickled(path: Path) -> MbcError:
    """Return E0402, for a file that would run code when it is read."""
    return error(
        "E0402",
        f"{path} is a pickle, and a pickle is a program: mbc does not run it",
        helps=["convert it where you trust it, with safetensors.torch.save_file(state_dict, path)"],
    )


def _looks_pickled(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _safetensors(path: Path) -> list[Stored]:
    def reader(name: str) -> Callable[[], Array]:
        def read() -> Array:
            with safe_open(path, framework="numpy") as file:
                array: Array = file.get_tensor(name)
                return array

        return read

    path.open("rb").close()  # the library's own errors do not say what is wrong with the file
    with safe_open(path, framework="numpy") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        return [
            Stored(name, tuple(part.get_shape()), part.get_dtype().lower(), reader(name))
            for name, part in slices.items()
        ]


def _npz(path: Path) -> Iterator[Stored]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".pkl"):  # what torch.save writes is also a zip
                raise pickled(path)
            if not member.endswith(".npy"):
                raise ValueError(f"it contains {member}, which is not a .npy array")
            with archive.open(member) as file:
                shape, dtype = _header(file)
            if dtype.hasobject:
                raise pickled(path)
            word = f"{dtype.kind}{8 * dtype.itemsize}" if dtype.kind in "fiuc" else str(dtype)
            yield Stored(member.removesuffix(".npy"), shape, word, _member_reader(path, member))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    match version:
        case (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        case (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        case _:
            raise ValueError(f"an array in format {version[0]}.{version[1]} of .npy")
    return shape, dtype


def _member_reader(path: Path, member: str) -> Callable[[], Array]:
    def read() -> Array:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
            return array

    return read
