"""PyTorch's files since 1.6: a zip with a pickle and one member a storage.

ROOT/data.pkl    the object; storages by persistent ids
ROOT/data/KEY    the elements of a storage
ROOT/byteorder   little or big; little where it is missing
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from mbc.frontends.weights.limits import (
    MAX_DIRECTORY,
    MAX_PICKLE,
    MAX_RATIO,
    MAX_TOTAL,
    SMALL,
    LimitError,
)
from mbc.frontends.weights.pickles import CodeError, load
from mbc.frontends.weights.saved import Saved
from mbc.frontends.weights.torch_names import Storage, TorchVocabulary

PICKLE, ORDER = "data.pkl", "byteorder"
SCRIPT = ("constants.pkl", "code/")


class _Directory(io.BufferedReader):
    """A file of which only the directory of a zip is read, and that only if it is not huge."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise LimitError(f"a zip directory of {size:,} bytes")
        return super().read(size)


def read_zip(path: Path) -> Saved:
    """Read the object and check each of its storages against the file.

    Raises CodeError, LimitError, zipfile.BadZipFile, ValueError.
    """
    members = _members(path)
    root = _root(members)
    if any(name.startswith(f"{root}{word}") for name in members for word in SCRIPT):
        raise CodeError(("a TorchScript program",))
    vocabulary = TorchVocabulary()
    value = load(io.BytesIO(_read(path, members[root + PICKLE], MAX_PICKLE)), vocabulary)
    for storage in vocabulary.storages.values():
        _check_storage(storage, members.get(f"{root}data/{storage.key}"))

    def read(storage: Storage) -> bytes:
        return _read(path, members[f"{root}data/{storage.key}"], storage.bytes)

    return Saved(value, read, _byte_order(path, members.get(root + ORDER)))


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    size = path.stat().st_size
    with _Directory(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    check_members(infos, size)
    return {info.filename: info for info in infos}


def check_members(infos: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Check what the directory of a file of `size` bytes says of its members.

    Raises LimitError for sizes that only a bomb has, ValueError for all else that is wrong.
    """
    names = {info.filename for info in infos}
    if len(names) != len(infos):
        raise ValueError("it has two members of one name")
    for info in infos:
        _check_member(info, size)
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL:
        raise LimitError(f"a zip that unpacks to {total:,} bytes")


def _check_member(info: zipfile.ZipInfo, size: int) -> None:
    name = info.filename
    if "\\" in name or any(part in ("", ".", "..") for part in name.rstrip("/").split("/")):
        raise ValueError(f"its member {name[:80]} lies outside of it")
    if info.header_offset + info.compress_size > size:
        raise ValueError(f"its member {name[:80]} ends behind the file")
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        raise ValueError(f"its member {name[:80]} has two sizes")
    if info.file_size > SMALL and info.file_size > MAX_RATIO * info.compress_size:
        raise LimitError(f"a member that unpacks to {info.file_size:,} bytes")


def _root(members: dict[str, zipfile.ZipInfo]) -> str:
    """Return the folder in the zip that has the pickle, with its slash."""
    roots = [name.removesuffix(PICKLE) for name in members if name.endswith(f"/{PICKLE}")]
    if len(roots) != 1 or "/" in roots[0][:-1]:
        raise ValueError(f"it has {len(roots) or 'no'} {PICKLE}, not one in one folder")
    return roots[0]


def _check_storage(storage: Storage, member: zipfile.ZipInfo | None) -> None:
    if member is None:
        raise ValueError(f"it lacks the storage {storage.key[:80]}")
    if member.file_size != storage.bytes:
        raise ValueError(
            f"its storage {storage.key[:80]} has {member.file_size:,} bytes, not {storage.bytes:,}"
        )


def _read(path: Path, member: zipfile.ZipInfo, limit: int) -> bytes:
    """Read a member of at most `limit` bytes, and check its sum."""
    if member.file_size > limit:
        raise LimitError(f"a pickle of {member.file_size:,} bytes")
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        data = file.read(member.file_size)
    if len(data) != member.file_size:
        raise ValueError(f"its member {member.filename[:80]} is cut off")
    return data


def _byte_order(path: Path, member: zipfile.ZipInfo | None) -> str:
    word = b"little" if member is None else _read(path, member, MAX_PICKLE)
    orders = {b"little": "<", b"big": ">"}
    if word not in orders:
        raise ValueError("its byte order is neither little nor big")
    return orders[word]
