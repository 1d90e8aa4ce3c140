"""The names that PyTorch's state dicts use: storages, and tensors as views of them.

Each tensor is checked against its storage here, before any data is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from math import prod
from typing import TypeGuard

from mbc.frontends.weights.limits import MAX_EXTENT, MAX_RANK
from mbc.frontends.weights.pickles import Builder, Known, Pairs
from mbc.records import dataclass

STORAGES = {
    "FloatStorage": ("f32", "f4"),
    "DoubleStorage": ("f64", "f8"),
    "HalfStorage": ("f16", "f2"),
    "BFloat16Storage": ("bf16", "u2"),
    "LongStorage": ("i64", "i8"),
    "IntStorage": ("i32", "i4"),
    "ShortStorage": ("i16", "i2"),
    "CharStorage": ("i8", "i1"),
    "ByteStorage": ("u8", "u1"),
    "BoolStorage": ("bool", "?"),
}
"""Classes of storages: the type's name, and how numpy reads it."""


@dataclass(frozen=True)
class Storage:
    """The data of one or more tensors."""

    key: str
    """Name in the file."""
    kind: str
    """Class in PyTorch, a key of `STORAGES`."""
    elements: int
    """Number of elements."""

    @property
    def dtype(self) -> str:
        """The type's name."""
        return STORAGES[self.kind][0]

    @property
    def numpy(self) -> str:
        """How numpy reads the elements."""
        return STORAGES[self.kind][1]

    @property
    def bytes(self) -> int:
        """Size of the data."""
        width = 1 if self.numpy == "?" else int(self.numpy[1:])
        return self.elements * width


@dataclass(frozen=True)
class StridedTensor:
    """A view of a storage."""

    storage: Storage
    offset: int
    """First element."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Distances along each axis, in elements."""


@dataclass
class TorchVocabulary:
    """The thirteen names of a state dict; `storages` are those that it has used, by key."""

    storages: dict[str, Storage] = field(default_factory=dict)

    @property
    def names(self) -> Mapping[tuple[str, str], Known]:
        """Module and name -> what it is."""
        return NAMES

    def persistent(self, id: object) -> Storage:
        """Return the storage that ('storage', class, key, device, elements[, None]) stands for."""
        match id:
            case ("storage", Known(name=name), str(key), str(), int(elements)) | (
                "storage",
                Known(name=name),
                str(key),
                str(),
                int(elements),
                None,
            ) if name in KINDS and _is_extent(elements):
                storage = Storage(key, KINDS[name], elements)
            case _:
                raise ValueError("a persistent id that names no storage")
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError("a storage of two types or sizes")
        return storage


def _ordered_dict(arguments: tuple[object, ...]) -> Pairs:
    """Return the items of OrderedDict(), or those that Python 2 hands over as a list of pairs."""
    match arguments:
        case ():
            return Pairs()
        case (list(items),) if all(isinstance(i, list | tuple) and len(i) == 2 for i in items):
            return Pairs([(key, value) for key, value in items])
    raise ValueError("an OrderedDict of something else than pairs")


def _rebuild_tensor(arguments: tuple[object, ...]) -> StridedTensor:
    """Return the view of a storage; gradients, hooks and metadata do not matter here."""
    match arguments:
        case (Storage() as storage, offset, tuple(shape), tuple(strides), _, _, *more) if (
            len(more) <= 1
        ):
            return checked(storage, offset, shape, strides)
    raise ValueError("a tensor that is made of something else than a storage")


def checked(
    storage: Storage, offset: object, shape: Sequence[object], strides: Sequence[object]
) -> StridedTensor:
    """Return the tensor if all of it lies in the storage, and it is not larger than that."""
    extents = [n for n in (offset, *shape, *strides) if _is_extent(n)]
    if len(extents) != 1 + 2 * len(shape) or len(shape) != len(strides) or len(shape) > MAX_RANK:
        raise ValueError("a tensor without a sensible shape and strides")
    first, *rest = extents
    sizes, steps = tuple(rest[: len(shape)]), tuple(rest[len(shape) :])
    last = first + sum((n - 1) * step for n, step in zip(sizes, steps, strict=True))
    if 0 not in sizes and last >= storage.elements:
        raise ValueError("a tensor that ends behind its storage")
    if prod(sizes) > storage.elements:
        raise ValueError("a tensor with more elements than its storage")
    return StridedTensor(storage, first, sizes, steps)


def _is_extent(number: object) -> TypeGuard[int]:
    return type(number) is int and 0 <= number <= MAX_EXTENT


def _rebuild_parameter(arguments: tuple[object, ...]) -> StridedTensor:
    """Return the tensor that a parameter is, without what training needs."""
    match arguments:
        case (StridedTensor() as tensor, _, _):
            return tensor
    raise ValueError("a parameter that is made of something else than a tensor")


def _known(module: str, name: str, build: Builder | None = None) -> tuple[str, str, Known]:
    return module, name, Known(f"{module}.{name}", build)


KINDS = {f"torch.{kind}": kind for kind in STORAGES}
NAMES: Mapping[tuple[str, str], Known] = {
    (module, name): known
    for module, name, known in (
        _known("collections", "OrderedDict", _ordered_dict),
        _known("torch._utils", "_rebuild_tensor_v2", _rebuild_tensor),
        _known("torch._utils", "_rebuild_parameter", _rebuild_parameter),
        *(_known("torch", kind) for kind in STORAGES),
    )
}
