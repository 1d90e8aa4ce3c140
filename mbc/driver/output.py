"""Writing without leaving anything half-written: beside first, then renamed into place."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from mbc.diag import MbcError, error
from mbc.runtime.manifest import known_files


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """An empty folder to write into; it becomes `path` if nothing is raised, else it vanishes.

    A folder that is there already is replaced if mbc made all that it holds; E0702 otherwise, E0703
    where the system refuses.
    """
    path = Path(os.path.realpath(path))
    check_replaceable(path)
    with _explained(path):
        created = _make_parents(path)
        try:
            beside = _folder_beside(path)
            try:
                yield beside
                _replace(path, beside)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        except BaseException:
            _remove_empty(created)
            raise


def check_replaceable(path: Path) -> None:
    """E0702 unless `path` is free, an empty folder, or holds only what mbc wrote."""
    if not path.exists():
        return
    if not path.is_dir():
        raise error("E0703", f"cannot write {path}: it is a file, not a folder")
    with _explained(path):
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
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            beside.chmod(0o666 & ~_umask())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


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


def _folder_beside(path: Path) -> Path:
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    beside.chmod(0o777 & ~_umask())
    return beside


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _make_parents(path: Path) -> list[Path]:
    """Create the folders above `path`; those that were missing, innermost first."""
    missing = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _replace(path: Path, beside: Path) -> None:
    """Let the folder `beside` become `path`; the old folder stays until the new one is there."""
    if not path.exists():
        beside.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        path.rename(old / "old")
        try:
            beside.rename(path)
        except OSError:
            (old / "old").rename(path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
