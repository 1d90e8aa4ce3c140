"""Ops that select or repeat elements by constants, and masks.

What has no form of its own is carried out on the numbers of the elements; the result is a gather
by these numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import axis_of, broadcast, text, whole
from mbc.frontends.lowering.rules.grid import taken
from mbc.frontends.lowering.rules.moves import broadcast_to, reshaped
from mbc.frontends.lowering.tracked import Tracked
from mbc.ir.views import ChannelView
from mbc.ops.grid import Gather
from mbc.ops.move import Concat


def expand(b: Builder, node: Node) -> Tracked:
    """To a constant shape: axes of extent 1 are repeated."""
    x, wanted = b.input(0), b.required_input(1, "shape").ravel().tolist()
    return broadcast_to(b, x, broadcast(x.shape, wanted))


def tile(b: Builder, node: Node) -> Tracked:
    """Repeated a constant number of times along each axis."""
    x, repeats = b.input(0), b.required_input(1, "repeats").ravel().tolist()
    if len(repeats) != x.rank or min(repeats, default=1) < 1:
        raise Unsupported("its repeats are not one for each axis")
    for axis, count in enumerate(repeats):
        if count > 1:
            x = taken(b, x, axis, np.tile(np.arange(x.shape[axis]), count), keep=True)
    return x


def where(b: Builder, node: Node) -> Tracked:
    """By a constant condition, from two computed tensors."""
    condition = b.required_input(0, "condition").astype(bool)
    if condition.all() or not condition.any():
        return _whole(b, 1 if condition.all() else 2, condition.shape)
    x, y = b.input(1), b.input(2)
    shape = broadcast(condition.shape, x.shape, y.shape)
    own, other = (np.broadcast_to(each, shape) for each in _numbers(x.shape, y.shape))
    return _picked(b, (x, y), np.where(condition, own, other))


def _whole(b: Builder, index: int, condition: Sequence[int]) -> Tracked:
    """Return an operand that is the result; the other one must not make it larger."""
    x, other = b.input(index), b.node.input(3 - index)
    array = b.model.constants.get(other)
    shape = b.known[other].shape if array is None else array.shape
    if broadcast(x.shape, shape, condition) != x.shape:
        raise Unsupported("it broadcasts what it selects")
    return x


def compress(b: Builder, node: Node) -> Tracked:
    """Where a constant is true, along an axis or of all elements in order."""
    x, condition = b.input(0), b.required_input(1, "condition").astype(bool).ravel()
    if "axis" not in node.attributes:
        x = reshaped(b, x, (prod(x.shape),))
    axis = axis_of(node, whole(node, "axis", 0), x.rank)
    indices = np.flatnonzero(condition[: x.shape[axis]])
    if not indices.size:
        raise Unsupported("its result is empty")
    return taken(b, x, axis, indices, keep=True)


Selected = Callable[[Node, np.ndarray, np.ndarray], np.ndarray]
"""The numbers of the result's elements: of a node, those of the operand, and the indices."""


def _gather_elements(node: Node, numbers: np.ndarray, indices: np.ndarray) -> np.ndarray:
    axis = axis_of(node, whole(node, "axis", 0), numbers.ndim)
    places = [*np.indices(indices.shape)]
    places[axis] = indices
    return np.asarray(numbers[tuple(places)])


def _gather_nd(node: Node, numbers: np.ndarray, indices: np.ndarray) -> np.ndarray:
    batch = whole(node, "batch_dims", 0)
    leading = indices.shape[:batch]
    flat = numbers.reshape(-1, *numbers.shape[batch:])
    rows = indices.reshape(-1, *indices.shape[batch:])
    found = [own[tuple(np.moveaxis(row, -1, 0))] for own, row in zip(flat, rows, strict=True)]
    return np.stack(found).reshape(*leading, *found[0].shape)


def _reverse_sequence(node: Node, numbers: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    time, batch = whole(node, "time_axis", 0), whole(node, "batch_axis", 1)
    moved = np.moveaxis(numbers, (batch, time), (0, 1)).copy()
    for row, length in zip(moved, lengths.tolist(), strict=True):
        row[:length] = row[:length][::-1].copy()
    return np.moveaxis(moved, (0, 1), (batch, time))


def _scatter_elements(node: Node, numbers: np.ndarray, indices: np.ndarray) -> np.ndarray:
    axis = axis_of(node, whole(node, "axis", 0), numbers.ndim)
    places = [*np.indices(indices.shape)]
    places[axis] = indices
    return _written(node, numbers, tuple(places), indices.shape)


def _scatter_nd(node: Node, numbers: np.ndarray, indices: np.ndarray) -> np.ndarray:
    shape = (*indices.shape[:-1], *numbers.shape[indices.shape[-1] :])
    return _written(node, numbers, tuple(np.moveaxis(indices, -1, 0)), shape)


def _written(
    node: Node, numbers: np.ndarray, places: tuple[np.ndarray, ...], shape: tuple[int, ...]
) -> np.ndarray:
    """Return the numbers with those of the updates at places: they follow the operand's own."""
    if text(node, "reduction", "none") != "none":
        raise Unsupported("it combines updates")
    marked = np.zeros(numbers.shape, np.int64)
    np.add.at(marked, places, 1)
    if marked.max(initial=0) > 1:
        raise Unsupported("it updates an element several times")
    made = numbers.copy()
    made[places] = numbers.size + np.arange(prod(shape)).reshape(shape)
    return made


def _selection(b: Builder, node: Node, selected: Selected, index: int) -> Tracked:
    x, indices = b.input(0), b.required_input(index, "indices")
    updates = [b.input(at) for at in range(index + 1, len(node.inputs))]
    (numbers,) = _numbers(x.shape)
    try:
        picked = selected(node, numbers, indices)
    except (IndexError, ValueError) as problem:
        raise Unsupported(f"its indices do not fit: {problem}") from None
    return _picked(b, (x, *updates), picked)


def gather_elements(b: Builder, node: Node) -> Tracked:
    """By constant indices."""
    return _selection(b, node, _gather_elements, 1)


def gather_nd(b: Builder, node: Node) -> Tracked:
    """By constant indices."""
    return _selection(b, node, _gather_nd, 1)


def reverse_sequence(b: Builder, node: Node) -> Tracked:
    """By constant lengths."""
    return _selection(b, node, _reverse_sequence, 1)


def scatter_elements(b: Builder, node: Node) -> Tracked:
    """By constant indices, each once; updates are computed."""
    return _selection(b, node, _scatter_elements, 1)


def scatter_nd(b: Builder, node: Node) -> Tracked:
    """By constant indices, each once; updates are computed."""
    return _selection(b, node, _scatter_nd, 1)


def _numbers(*shapes: Sequence[int]) -> list[np.ndarray]:
    """Return the numbers of the elements of tensors, one after the other."""
    found, start = [], 0
    for shape in shapes:
        found.append(start + np.arange(prod(shape)).reshape(tuple(shape)))
        start += prod(shape)
    return found


def _picked(b: Builder, given: Sequence[Tracked], numbers: np.ndarray) -> Tracked:
    """Return the elements of tensors with these numbers, in their shape."""
    if not numbers.size:
        raise Unsupported("its result is empty")
    rows: list[ChannelView] = [
        b.reshaped(b.arranged(x, range(x.rank)), (1, prod(x.shape))) for x in given
    ]
    row = b.emit(Concat(), rows) if len(rows) > 1 else rows[0]
    found = b.emit(Gather(1, tuple(numbers.ravel().tolist())), [row])
    return reshaped(b, Tracked.of(found, (0, 1)), numbers.shape)
