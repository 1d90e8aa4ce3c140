"""Reductions in random networks, by the draws of `wide.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from mbc.ir.views import Value
from mbc.ops import ArgMax, AvgPool, ReduceMax, ReduceMean, ReduceSum
from mbc.ops.move import Concat
from mbc.ops.reduce import Reduce

if TYPE_CHECKING:
    from tests.fuzzing.wide import Maker


def reduction(maker: Maker, x: Value) -> Value | None:
    """Over any axes but that of the batch."""
    axes = maker.draw(st.sets(st.integers(1, x.type.rank - 1), min_size=1))
    chosen, keep = tuple(sorted(axes)), maker.flip(2)
    kinds: list[Reduce] = [ReduceMean(chosen, keep), ReduceMax(chosen, keep)]
    if x.type.elements <= 1000 * maker.batch:  # so that results stay of a size
        kinds.append(ReduceSum(chosen, keep))
    op = maker.draw(st.sampled_from(kinds))
    (result,) = op.infer([x.type])
    return maker.put(op, x) if result.channels <= 1000 and result.rank > 1 else None


def labels(maker: Maker, x: Value) -> Value:
    """Indices along any axis but that of the batch, at times moved."""
    axis = maker.draw(st.integers(1, x.type.rank - 1))
    found = maker.put(ArgMax(axis, maker.flip(2)), x)
    if maker.flip(3):
        return maker.put(Concat(), found, found)
    return found


def hanging_over(maker: Maker, op: AvgPool) -> AvgPool:
    """A pool that counts padding, at times not all of it."""
    if not op.count_pad or maker.flip(2):
        return op
    return replace(op, overhang=(min(op.pad[1], 1), min(op.pad[3], 1)))
