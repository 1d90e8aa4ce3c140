"""Layouts of imported values: how the axes of a model's value lie in a stored one.

The model's axes are called ONNX axes, for all formats have its order of axes here.

Transposes, reshapes, and selections of channels change a layout and no data. The layout follows
from the ops alone; nothing is guessed from extents.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TypeAlias

import numpy as np

from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.records import dataclass

CHANNEL = -1
"""Stands for an axis of `Tracked.channels` among factors."""

Factors: TypeAlias = tuple[int, ...]
"""The stored axes that an ONNX axis runs along, most significant first; none for extent 1."""


@dataclass(frozen=True, eq=False)
class Tracked:
    """An ONNX value: a stored value, and how each of its axes lies in it.

    Stored axes but for the last, the channels, are never cut. The channels may be: an ONNX axis may
    run along some digits of their number, in any order, and select among them.
    """

    stored: ChannelView
    """What is stored, in the IR's layout."""
    axes: tuple[Factors, ...]
    """The factors of each ONNX axis."""
    channels: np.ndarray
    """The stored channel for each index along the CHANNEL factors, which are its axes in order."""

    @staticmethod
    def of(stored: ChannelView, order: Sequence[int]) -> Tracked:
        """Describe a value whose stored axis i is ONNX axis order[i]; one number, which has no
        axes, is stored as [1]."""
        type = stored.type
        if not order:
            return Tracked(stored, (), _numbers(1))
        last = type.rank - 1
        names = {axis: (CHANNEL if i == last else i) for i, axis in enumerate(order)}
        axes = tuple(
            (names[axis],) if type.shape[order.index(axis)] > 1 else () for axis in range(type.rank)
        )
        return Tracked(stored, axes, _numbers(type.channels))

    @property
    def type(self) -> TensorType:
        """The type of what is stored."""
        return self.stored.type

    @property
    def rank(self) -> int:
        """The number of ONNX axes."""
        return len(self.axes)

    @property
    def factors(self) -> list[tuple[int, int]]:
        """All factors with their extents, the last ONNX axis last."""
        extents = iter(self.channels.shape)
        flat = [factor for axis in self.axes for factor in axis]
        return [(f, next(extents) if f == CHANNEL else self.type.shape[f]) for f in flat]

    @property
    def shape(self) -> tuple[int, ...]:
        """The ONNX shape."""
        extents = iter(extent for _, extent in self.factors)
        return tuple(prod(next(extents) for _ in axis) for axis in self.axes)

    @property
    def is_settled(self) -> bool:
        """Whether the channels are all those that are stored, in their order."""
        flat = self.channels.ravel()
        return bool(np.array_equal(flat, np.arange(self.type.channels)))

    def settled(self, stored: ChannelView) -> Tracked:
        """Return it with `stored` holding its channels in the order in which it has them."""
        channels = np.arange(self.channels.size).reshape(self.channels.shape)
        return Tracked(stored, self.axes, channels)

    def with_stored(self, stored: ChannelView) -> Tracked:
        """Return the same layout of another value of that shape."""
        return replace(self, stored=stored)

    def transposed(self, perm: Sequence[int]) -> Tracked:
        """Make axis i of the result of axis perm[i]."""
        starts = np.cumsum([0, *(axis.count(CHANNEL) for axis in self.axes)])
        digits = [d for axis in perm for d in range(starts[axis], starts[axis + 1])]
        axes = tuple(self.axes[axis] for axis in perm)
        return Tracked(self.stored, axes, self.channels.transpose(digits))

    def reshaped(self, shape: Sequence[int]) -> Tracked | None:
        """Give another shape to the same elements in row-major order.

        Returns None where that cuts a stored axis other than the channels.
        """
        left = deque(self.factors)
        axes, digits = list[Factors](), list[int]()
        for extent in shape:
            taken = _take(left, extent)
            if taken is None:
                return None
            axes.append(tuple(factor for factor, _ in taken))
            digits += [size for factor, size in taken if factor == CHANNEL]
        if left:  # there are more elements
            return None
        return Tracked(self.stored, tuple(axes), self.channels.reshape(digits))

    def along(self, axis: int) -> np.ndarray | None:
        """Return the channels with one array axis for an ONNX axis of channels; None for others."""
        if any(factor != CHANNEL for factor in self.axes[axis]):
            return None
        place, digits = self.place(axis), len(self.axes[axis])
        shape = self.channels.shape
        return self.channels.reshape(*shape[:place], -1, *shape[place + digits :])

    def place(self, axis: int) -> int:
        """Count the CHANNEL factors before an ONNX axis."""
        return sum(factors.count(CHANNEL) for factors in self.axes[:axis])

    def with_channels(self, axis: int, channels: np.ndarray, *, keep: bool = True) -> Tracked:
        """Put other channels along an ONNX axis, in an array such as `along` returns; leave the
        axis out where it has extent 1 and `keep` is false."""
        place = self.place(axis)
        own: Factors = (CHANNEL,)
        if channels.shape[place] == 1:
            own, channels = (), channels.squeeze(place)
        middle = (own,) if keep or own else ()
        return Tracked(self.stored, (*self.axes[:axis], *middle, *self.axes[axis + 1 :]), channels)


def _numbers(channels: int) -> np.ndarray:
    return np.arange(channels) if channels > 1 else np.zeros((), np.int64)


def _take(left: deque[tuple[int, int]], extent: int) -> list[tuple[int, int]] | None:
    """Take factors from the front whose product is an extent; channels may be cut."""
    taken = []
    while extent > 1:
        if not left:
            return None
        factor, size = left.popleft()
        if extent % size and factor == CHANNEL and size % extent == 0:
            left.appendleft((CHANNEL, size // extent))
            size = extent
        if extent % size:
            return None
        taken.append((factor, size))
        extent //= size
    return taken
