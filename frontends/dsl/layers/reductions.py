"""Means, maxima and sums over axes, argmax, and softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from mbc.frontends.dsl.axes import axis_of
from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.mistakes import misuse
from mbc.frontends.dsl.numbers import as_integer
from mbc.frontends.dsl.window import flag, listed
from mbc.ir.views import Value
from mbc.ops.argmax import ArgMax
from mbc.ops.elementwise import Softmax
from mbc.ops.move import Transpose
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

    def argmax(self, x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
        """Index of the largest element along an axis, as int32: `nn.argmax(x)` of [n,h,w,c] is
        [n,h,w]; with `keepdims` [n,h,w,1]. The first of equal ones, and the first NaN if there is
        one, as numpy's. Integers can be returned and moved, and computed with by no layer.
        """
        value = self.read(x)
        op = ArgMax(axis_of(axis, value), flag("keepdims", keepdims))
        (result,) = self.emit(op, [value])
        return result

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        """exp(x) divided by its sum over an axis, which is that of the channels unless given; any
        other one changes places with it before and after."""
        value = self.read(x)
        along, last = axis_of(axis, value), value.type.rank - 1
        perm = [*range(last + 1)]
        perm[along], perm[last] = last, along
        if along != last:
            x = self.emit(Transpose(tuple(perm)), [value])[0]
        (result,) = self.emit(Softmax(), [x.value])
        if along != last:
            (result,) = self.emit(Transpose(tuple(perm)), [result.value])
        return result

    def _reduce(self, op: Reduce, x: Tensor, axes: Axes, keep: bool) -> Tensor:
        value = self.read(x)
        each = tuple(sorted(axes_of(axes, value)))
        (result,) = self.emit(replace(op, axes=each, keep=flag("keep", keep)), [value])
        return result


def axes_of(given: object, x: Value) -> tuple[int, ...]:
    """Read axes, which may count from the end; raises E0218 for others, and for one twice."""
    items = (given,) if as_integer(given) is not None else listed("axes", given)
    axes = tuple(axis_of(axis, x) for axis in items)
    if not axes or len(set(axes)) < len(axes):
        raise misuse(f"axes must name at least one axis, and each once, found {given}")
    return axes
