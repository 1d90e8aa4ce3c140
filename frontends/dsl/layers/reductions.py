"""Means, maxima and sums over axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.mistakes import describe, misuse
from mbc.frontends.dsl.numbers import as_integer
from mbc.frontends.dsl.window import flag, listed
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean, ReduceSum

Axes: TypeAlias = int | Sequence[int]


class ReductionLayers(Builder):
    """Layers that combine the elements along axes."""

    def reduce_mean(self, x: Tensor, axes: Axes, *, keep: bool = False) -> Tensor:
        """Mean over axes of [n,h,w,c]: `nn.reduce_mean(x, (1, 2))` is [n,c]; with `keep`
        [n,1,1,c]."""
        return self._reduce(ReduceMean(), x, axes, keep)

    def reduce_max(self, x: Tensor, axes: Axes, *, keep: bool = False) -> Tensor:
        """Maximum over axes."""
        return self._reduce(ReduceMax(), x, axes, keep)

    def reduce_sum(self, x: Tensor, axes: Axes, *, keep: bool = False) -> Tensor:
        """Sum over axes."""
        return self._reduce(ReduceSum(), x, axes, keep)

    def global_max_pool(self, x: Tensor) -> Tensor:
        """Maximum over height and width: [n,h,w,c] gives [n,c]."""
        if (type := self.read(x).type).rank != 4:
            raise misuse(f"a pool needs an NHWC tensor, not {type}")
        return self._reduce(ReduceMax(), x, (1, 2), keep=False)

    def _reduce(self, op: Reduce, x: Tensor, axes: Axes, keep: bool) -> Tensor:
        value = self.read(x)
        each = tuple(sorted(axes_of(axes, value.type.rank)))
        (result,) = self.emit(replace(op, axes=each, keep=flag("keep", keep)), [value])
        return result


def axes_of(given: object, rank: int) -> tuple[int, ...]:
    """Read axes, which may count from the end; raises E0218 for others, and for one twice."""
    items = (given,) if as_integer(given) is not None else listed("axes", given)
    axes = tuple(axis_of(axis, rank) for axis in items)
    if not axes or len(set(axes)) < len(axes):
        raise misuse(f"axes must name at least one axis, and each once, found {given}")
    return axes


def axis_of(given: object, rank: int) -> int:
    """Read an axis, which may count from the end; raises E0218."""
    axis = as_integer(given)
    if axis is None:
        raise misuse(f"an axis must be an integer, found {describe(given)}")
    if not -rank <= axis < rank:
        raise misuse(f"an axis must be {-rank} to {rank - 1} here, found {axis}")
    return axis % rank
