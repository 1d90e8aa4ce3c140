"""PyTorch's files before 1.6: pickles one after another, then the storages.

magic number, version, facts of the machine     a pickle each
the object; storages by persistent ids          a pickle
the keys of the storages, in file order         a pickle
each storage: its number of elements in 8 bytes, and the elements, little-endian
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from mbc.frontends.weights.limits import MAX_PICKLE, LimitError
from mbc.frontends.weights.pickles import load
from mbc.frontends.weights.saved import Saved
from mbc.frontends.weights.torch_names import Storage, TorchVocabulary

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001


def read_legacy(path: Path) -> Saved:
    """Read the object and check each of its storages against the file.

    Raises CodeError, LimitError, ValueError.
    """
    vocabulary = TorchVocabulary()
    with path.open("rb") as file:
        head = io.BytesIO(file.read(MAX_PICKLE))
        try:
            value, keys = _pickles(head, vocabulary)
        except ValueError:
            if path.stat().st_size > MAX_PICKLE == head.tell():
                raise LimitError(f"pickles of more than {MAX_PICKLE:,} bytes") from None
            raise
        places = _places(file, head.tell(), path.stat().st_size, keys, vocabulary)

    def read(storage: Storage) -> bytes:
        with path.open("rb") as file:
            file.seek(places[storage.key])
            return file.read(storage.bytes)

    return Saved(value, read, "<")


def _pickles(head: io.BytesIO, vocabulary: TorchVocabulary) -> tuple[object, list[str]]:
    """Return the object and the keys of the storages."""
    if load(head, vocabulary) != MAGIC:
        raise ValueError("it is a pickle, but not one of torch.save")
    if load(head, vocabulary) != VERSION:
        raise ValueError(f"its format is not {VERSION}")
    load(head, vocabulary)  # byte order and sizes of types, which the format fixes
    value, keys = load(head, vocabulary), load(head, vocabulary)
    if not isinstance(keys, list):
        raise ValueError("it has no list of storages")
    names = [key for key in keys if isinstance(key, str)]
    if sorted(names) != sorted(vocabulary.storages) or len(names) != len(keys):
        raise ValueError("its list of storages is not that of its tensors")
    return value, names


def _places(
    file: BinaryIO, start: int, size: int, keys: list[str], vocabulary: TorchVocabulary
) -> dict[str, int]:
    """Return where the elements of each storage begin."""
    places = {}
    for key in keys:
        storage = vocabulary.storages[key]
        file.seek(start)
        elements = int.from_bytes(file.read(8), "little")
        if elements != storage.elements:
            raise ValueError(f"its storage {key[:80]} is not where it should be")
        places[key] = start + 8
        start += 8 + storage.bytes
        if start > size:
            raise ValueError(f"its storage {key[:80]} ends behind the file")
    return places
