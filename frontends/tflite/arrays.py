"""The constants of a model as arrays: bytes decoded, sparse ones spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from math import prod

import numpy as np

from mbc.diag import MbcError, error
from mbc.frontends.tflite.model import Dimension, Sparsity, Tensor

MAX_SPREAD = 2**24
"""Elements of a tensor that is stored as a sparse one."""

DTYPES: Mapping[str, str] = {
    "BOOL": "?",
    "FLOAT16": "<f2",
    "FLOAT32": "<f4",
    "FLOAT64": "<f8",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT4": "<i1",
    "INT64": "<i8",
    "INT8": "<i1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "UINT8": "<u1",
}
"""The types of elements that are read, by their names in the schema, as those of numpy; two of 4
bits are in a byte of a file."""


def malformed(tensor: Tensor, reason: str) -> MbcError:
    """Return E0806 for a tensor."""
    return error("E0806", f"tensor '{tensor.name}' is malformed: {reason}")


def array_of(tensor: Tensor) -> np.ndarray | None:
    """Return a constant as it is stored, sparse ones spread; None of a type that is not read.

    Raises E0806 for data that do not fit the shape, E0807 for sparse ones that are too large.
    """
    if tensor.data is None or tensor.element not in DTYPES:
        return None
    kind = np.dtype(DTYPES[tensor.element])
    if tensor.sparsity is not None:
        return _spread(tensor, tensor.sparsity, tensor.data, kind)
    count, is_packed = prod(tensor.shape), tensor.element == "INT4"
    wanted = -(-count // 2) if is_packed else count * kind.itemsize
    if tensor.data.size != wanted:
        shape = f"its shape {[*tensor.shape]} needs {wanted:,} bytes"
        raise malformed(tensor, f"{shape}, it has {tensor.data.size:,}")
    stored = _unpacked(tensor.data)[:count] if is_packed else tensor.data.view(kind)
    return stored.reshape(tensor.shape)


def _unpacked(data: np.ndarray) -> np.ndarray:
    """Return the integers of 4 bits in bytes, the lower half of each first."""
    halves = np.stack([data << 4, data], axis=-1).view(np.int8) >> 4
    return halves.ravel()


def _spread(
    tensor: Tensor, sparsity: Sparsity, data: np.ndarray, kind: np.dtype[np.generic]
) -> np.ndarray:
    """Return a sparse tensor with zeros in the places that are not stored."""
    elements = prod(tensor.shape)
    if elements > MAX_SPREAD:
        label = f"mbc takes {MAX_SPREAD:,} at most"
        message = f"the sparse tensor '{tensor.name}' has {elements:,} elements"
        raise error("E0807", message, label=label)
    values = data[: data.size // kind.itemsize * kind.itemsize].view(kind)
    index = _places(tensor, sparsity)
    if index[0].size != values.size:
        raise malformed(tensor, f"it has {values.size:,} elements and {index[0].size:,} places")
    whole = np.zeros(tensor.shape, kind)
    whole[index] = values
    return whole


def _places(tensor: Tensor, sparsity: Sparsity) -> tuple[np.ndarray, ...]:
    """Return the index along each axis of each element that is stored."""
    rank, blocks = len(tensor.shape), sparsity.blocks
    order, dimensions = sparsity.order, sparsity.dimensions
    fits = sorted(order) == [*range(rank + len(blocks))] and len(dimensions) == len(order)
    known = sorted({*blocks}) == sorted(blocks) and {*blocks} <= {*range(rank)}
    if not (rank and fits and known):
        raise malformed(tensor, "its sparse axes do not fit its shape")
    sizes = [1] * rank
    for place, axis in enumerate(blocks):
        sizes[axis] = dimensions[order.index(rank + place)].size
    if not all(s > 0 and e % s == 0 for s, e in zip(sizes, tensor.shape, strict=True)):
        raise malformed(tensor, "its blocks do not divide its shape")
    extents = [e // s for s, e in zip(sizes, tensor.shape, strict=True)]
    extents += [sizes[axis] for axis in blocks]
    along = _walked(tensor, [extents[axis] for axis in order], dimensions)
    places = [along[order.index(axis)] * sizes[axis] for axis in range(rank)]
    for place, axis in enumerate(blocks):
        places[axis] = places[axis] + along[order.index(rank + place)]
    return tuple(places)


def _walked(
    tensor: Tensor, extents: Sequence[int], dimensions: Sequence[Dimension]
) -> list[np.ndarray]:
    """Return the index along each axis of the tree of each of its leaves."""
    along = list[np.ndarray]()
    count = 1
    for extent, dimension in zip(extents, dimensions, strict=True):
        if dimension.segments.size:
            counts, places = _stored(tensor, dimension, extent, count)
        else:
            if dimension.size != extent:
                raise malformed(tensor, f"an axis of {extent} has {dimension.size} places")
            counts, places = np.full(count, extent), np.tile(np.arange(extent), count)
        if places.size > prod(tensor.shape):
            raise malformed(tensor, "it has more elements than its shape")
        along = [*map(np.repeat, along, repeat(counts)), places]
        count = places.size
    return along


def _stored(
    tensor: Tensor, dimension: Dimension, extent: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many places of a sparse axis each element before it has, and these."""
    segments, indices = dimension.segments, dimension.indices
    counts = np.diff(segments)
    fits = segments.size == count + 1 and segments[0] == 0 and segments[-1] == indices.size
    inside = not indices.size or 0 <= indices.min() <= indices.max() < extent
    if not fits or not inside or (counts < 0).any():
        raise malformed(tensor, "the indices of a sparse axis do not fit its shape")
    return counts, indices
