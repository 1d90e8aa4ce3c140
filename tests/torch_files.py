"""Files as torch.save writes them, made without PyTorch: in its zip and in its legacy format."""

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mbc.diag import MbcError, render
from mbc.frontends.weights.stored import reading, stored_tensors

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
KINDS = {
    "f4": "FloatStorage",
    "f8": "DoubleStorage",
    "f2": "HalfStorage",
    "u2": "BFloat16Storage",  # numpy has no bfloat16: its bits
    "i8": "LongStorage",
    "i4": "IntStorage",
    "i2": "ShortStorage",
    "i1": "CharStorage",
    "u1": "ByteStorage",
    "b1": "BoolStorage",
}
numbers = count()


@dataclass(frozen=True)
class Global:
    """A class or function that is only named."""

    module: str
    name: str

    def __call__(self) -> None:
        raise AssertionError("it is only named")


@dataclass(eq=False)
class Storage:
    """The data of tensors; `kind` and `elements` are what the pickle says of them."""

    data: np.ndarray
    kind: str = ""
    elements: int | None = None
    key: str = field(default_factory=lambda: str(next(numbers)))

    def __post_init__(self) -> None:
        self.kind = self.kind or KINDS[self.data.dtype.str[1:]]
        self.elements = self.data.size if self.elements is None else self.elements


@dataclass(eq=False)
class Tensor:
    """A view of a storage, in elements."""

    storage: Storage
    offset: int
    shape: Sequence[int]
    strides: Sequence[int]

    @staticmethod
    def of(view: np.ndarray, storage: Storage | None = None) -> "Tensor":
        """What PyTorch has for a view of an array; without a storage of one of its own."""
        if storage is None:
            view = np.array(view, order="C")
            storage = Storage(view.reshape(-1))
        first = view.__array_interface__["data"][0] - storage.data.__array_interface__["data"][0]
        width = view.itemsize
        return Tensor(storage, first // width, view.shape, [step // width for step in view.strides])


@dataclass(eq=False)
class Parameter:
    """torch.nn.Parameter."""

    tensor: Tensor


PythonPickler: Any = pickle._Pickler  # the one that can be taught to name things


class TorchPickler(PythonPickler):  # type: ignore[misc]
    """Names what it has no class for, and leaves the data of storages out."""

    dispatch: ClassVar = dict(PythonPickler.dispatch)

    def __init__(self, stream: io.BytesIO, legacy: bool, protocol: int = 2) -> None:
        super().__init__(stream, protocol)
        self.legacy, self.storages = legacy, dict[str, Storage]()

    def persistent_id(self, value: object) -> object:
        if not isinstance(value, Storage):
            return None
        self.storages[value.key] = value
        kind = Global("torch", value.kind)
        id = ("storage", kind, value.key, "cpu", value.elements)
        return (*id, None) if self.legacy else id

    def reducer_override(self, value: object) -> Any:
        hooks = dict[str, object]()
        match value:
            case Tensor(storage=storage, offset=offset, shape=shape, strides=strides):
                arguments = (storage, offset, tuple(shape), tuple(strides), False, hooks)
                return Global("torch._utils", "_rebuild_tensor_v2"), arguments
            case Parameter(tensor=tensor):
                return Global("torch._utils", "_rebuild_parameter"), (tensor, True, hooks)
        return NotImplemented

    def _save_named(self, value: Global) -> None:
        self.write(b"c" + f"{value.module}\n{value.name}\n".encode())
        self.memoize(value)

    dispatch[Global] = _save_named


def pickled(value: object, *, legacy: bool, protocol: int = 2) -> tuple[bytes, dict[str, Storage]]:
    """A pickle, and the storages that it refers to."""
    stream = io.BytesIO()
    pickler = TorchPickler(stream, legacy, protocol)
    pickler.dump(value)
    return stream.getvalue(), pickler.storages


def zip_bytes(value: object, order: str = "little", protocol: int = 2) -> bytes:
    """A file of PyTorch 1.6 and later."""
    text, storages = pickled(value, legacy=False, protocol=protocol)
    data = {f"data/{key}": _raw(storage, order) for key, storage in storages.items()}
    return members({"data.pkl": text, "byteorder": order.encode(), **data, "version": b"3\n"})


def members(parts: Mapping[str, bytes], root: str = "archive/", how: int = 0) -> bytes:
    """A zip with members in a folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(root + name), data, how)
    return stream.getvalue()


def legacy_bytes(value: object, order: str = "little", protocol: int = 2) -> bytes:
    """A file of PyTorch before 1.6; its data is little-endian in any case."""
    text, storages = pickled(value, legacy=True, protocol=protocol)
    facts = {"protocol_version": VERSION, "little_endian": order == "little", "type_sizes": {}}
    head = [pickle.dumps(each, 2) for each in (MAGIC, VERSION, facts)]
    keys = sorted(storages)
    data = [_count(storages[key]) + _raw(storages[key], "little") for key in keys]
    return b"".join([*head, text, pickle.dumps(keys, 2), *data])


def _count(storage: Storage) -> bytes:
    return ((storage.elements or 0) % (1 << 64)).to_bytes(8, "little")


def _raw(storage: Storage, order: str) -> bytes:
    return storage.data.astype(
        storage.data.dtype.newbyteorder("<" if order == "little" else ">")
    ).tobytes()


FORMATS: Mapping[str, Callable[..., bytes]] = {"zip": zip_bytes, "legacy": legacy_bytes}


def write(path: Path, data: bytes) -> Path:
    """The file of these bytes."""
    path.write_bytes(data)
    return path


def tensor(*, elements: int = 4, **changes: Any) -> Tensor:
    """A tensor of two by two, with changes."""
    given = {"offset": 0, "shape": (2, 2), "strides": (2, 1), **changes}
    return Tensor(**{"storage": Storage(np.arange(4, dtype="f4"), elements=elements), **given})


def read_all(path: Path) -> None:
    """Read all tensors of a file."""
    tensors = stored_tensors(path).tensors
    with reading(path):
        for tensor in tensors.values():
            tensor.read()


def text_of(path: Path) -> str:
    """Return the message about a file that cannot be read."""
    with pytest.raises(MbcError) as problem:
        read_all(path)
    texts = map(render, problem.value.diagnostics)
    return "\n".join(text.replace(f"{path.parent}/", "") for text in texts)
