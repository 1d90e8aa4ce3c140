"""Orders of axes: mbc's HWIO and IO, and PyTorch's OIHW and OI; IOHW of a transposed convolution.

A dense layer that reads a flattened map has its rows in the order of that map's elements: (h,w,c)
here, (c,h,w) in PyTorch. Its weight may be stored as that of a 1x1 convolution, as
squeeze-and-excitation is often written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Literal

import numpy as np

from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.literals import weights_of
from mbc.ir.views import ChannelView
from mbc.ops.move import Reshape
from mbc.ops.transposed import TransposedConv, from_iohw
from mbc.records import dataclass

Order = Literal["mbc", "pytorch"]
ORDERS: tuple[Order, ...] = ("mbc", "pytorch")
AXES = {4: (2, 3, 1, 0), 2: (1, 0)}
"""From PyTorch's order to mbc's, by rank."""


@dataclass(frozen=True)
class Target:
    """A parameter, and what is known of its rows."""

    constant: Constant
    map: tuple[int, int, int] | None
    """Height, width and channels of the flattened map that its first axis runs over."""
    transposed: int = 0
    """Groups of the transposed convolution whose weight it is; 0 for all others."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return self.constant.type.shape

    def fits(self, shape: Sequence[int], order: Order) -> bool:
        """Whether a tensor of a shape, in an order of axes, has the parameter's shape."""
        if self._is_iohw(len(shape), order):
            inputs, outputs, *kernel = shape
            groups = self.transposed
            return (*kernel, inputs // groups, outputs * groups) == self.shape
        shape = self._without_window(shape, order)
        return tuple(shape[axis] for axis in axes(len(shape), order)) == self.shape

    def _without_window(self, shape: Sequence[int], order: Order) -> Sequence[int]:
        """Return the shape of a dense layer's weight that is stored as a 1x1 convolution's."""
        inner, window = (shape[:2], shape[2:]) if order == "pytorch" else (shape[2:], shape[:2])
        is_dense = len(shape) == 4 and self.constant.type.rank == 2 and tuple(window) == (1, 1)
        return inner if is_dense else shape

    def _is_iohw(self, rank: int, order: Order) -> bool:
        return order == "pytorch" and rank == 4 and self.transposed > 0

    def orders(self, shape: Sequence[int]) -> tuple[Order, ...]:
        """Return the orders that a shape fits; only one of them where they mean the same."""
        fitting = tuple(order for order in ORDERS if self.fits(shape, order))
        same = len(fitting) == 2 and self.map is None and _is_vector(shape)
        return fitting[:1] if same else fitting

    def arranged(self, array: np.ndarray, order: Order) -> np.ndarray:
        """Return a tensor in the order of the parameter."""
        if self._is_iohw(array.ndim, order):
            return from_iohw(array, self.transposed)
        array = array.reshape(self._without_window(array.shape, order))
        result = array.transpose(axes(array.ndim, order))
        if order == "mbc" or self.map is None:
            return result
        height, width, channels = self.map
        rows = result.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
        return rows.reshape(self.shape)

    def change(self, rank: int, order: Order) -> str:
        """Say what `arranged` does to a tensor."""
        if order == "mbc":
            return ""
        if self._is_iohw(rank, order):
            return "IOHW to HWIO"
        words = [] if rank not in AXES else ["OIHW to HWIO" if rank == 4 else "OI to IO"]
        return ", ".join([*words, *(["rows chw to hwc"] if self.map else [])])


def axes(rank: int, order: Order) -> tuple[int, ...]:
    """Return the permutation from an order to mbc's."""
    return AXES.get(rank, tuple(range(rank))) if order == "pytorch" else tuple(range(rank))


def _is_vector(shape: Sequence[int]) -> bool:
    """Whether at most one axis is longer than 1, so that their order does not matter; vectors have
    one order in any case."""
    return len(shape) not in AXES or prod(shape) == max(shape)


def targets(graph: Graph) -> Mapping[str, Target]:
    """Return the parameters of a graph by name."""
    maps = dict(_maps(graph))
    groups = dict(_transposed(graph))
    return {
        name: Target(c, maps.get(name), groups.get(name, 0))
        for name, c in weights_of(graph).items()
    }


def _transposed(graph: Graph) -> Iterator[tuple[str, int]]:
    """Yield the weights of transposed convolutions, with their groups."""
    for node in graph.topo():
        weight = node.constant("weight")
        if isinstance(node.op, TransposedConv) and weight is not None:
            yield weight.name, node.op.groups


def _maps(graph: Graph) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Yield the parameters whose first axis runs over a flattened map, with its extents."""
    for node in graph.topo():
        flat = _flattened(graph, node)
        if flat is None:
            continue
        for operand in node.operands:
            if (
                isinstance(operand, Constant)
                and operand.type.shape[0] == prod(flat)
                and (node.op.per_channel or operand.type.rank == 2)
            ):
                yield operand.name, flat


def _flattened(graph: Graph, node: Node | None) -> tuple[int, int, int] | None:
    """Return the extents of the map that a node reads as a vector; None if it reads none."""
    while node is not None:
        view = next((each for each in node.operands if isinstance(each, ChannelView)), None)
        if view is None or view.type.rank != 2 or not view.is_plain:
            return None
        node = graph.producer(view.value)
        if node is not None and isinstance(node.op, Reshape):
            return _map(node.view("x").type.shape)
        if node is not None and not (node.op.per_channel or node.op.elementwise):
            return None
    return None


def _map(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return the extents if their order matters."""
    if len(shape) != 4 or shape[3] == 1 or shape[1] * shape[2] == 1:
        return None
    return shape[1], shape[2], shape[3]
