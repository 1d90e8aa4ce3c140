"""Writing without leaving anything half-written: beside first, then renamed into place."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mbc.diag import MbcError, error
from mbc.files import parents_of, replace_folder, scratch_folder, umask, write_whole
from mbc.runtime.manifest import known_files


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; it becomes `path` if nothing is raised, else it
    vanishes.

    A folder that is there already is replaced if mbc made all that it holds; E0702 otherwise, E0703
    where the system refuses.
    """
    path = Path(os.path.realpath(path))
    check_replaceable(path)
    with _explained(path), parents_of(path), scratch_folder(beside=path) as beside:
        beside.chmod(0o777 & ~umask())
        yield beside
        replace_folder(path, beside)


def check_replaceable(path: Path) -> None:
    """E0702 unless `path` is free, an empty folder, or holds only what mbc wrote."""
    with _explained(path):
        if not path.exists():
            return
        if not path.is_dir():
            raise error("E0703", f"cannot write {path}: it is a file, not a folder")
        present = {entry.name for entry in path.iterdir()}
    foreign = sorted(present - (known_files(path) or set()))
    if foreign:
        raise error(
            "E0702",
            f"{path} holds files that mbc did not make",
            label=", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else ""),
            helps=["name another folder with -o"],
        )


def write_file(path: Path, text: str, *, overwrite: bool = True) -> None:
    """Write a text file in one step; E0703 where the system refuses, E0707 if it exists and must
    stay."""
    if not overwrite and path.exists():
        raise error("E0707", f"{path} exists already", helps=["name another file with -o"])
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step; E0703 where the system refuses."""
    with _explained(path):
        write_whole(path, data)


def write_product(path: Path, data: bytes) -> None:
    """Write a file in one step, and make the folders above it; E0703 where the system refuses."""
    with _explained(path), parents_of(path):
        write_whole(path, data)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file in one step; E0703 where the system refuses."""
    stream = io.BytesIO()
    np.save(stream, array)
    write_bytes(path, stream.getvalue())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into E0703."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise cannot_write(path, problem) from None


def cannot_write(path: Path, problem: OSError) -> MbcError:
    """E0703 for an error of the operating system."""
    return error("E0703", f"cannot write {path}: {problem.strerror or problem}")
