"""Reductions of the oracle, and its pools, computed again by loops over numbers."""

from itertools import product

import numpy as np
import pytest

from mbc.interp.strips import compute
from mbc.ir.types import TensorType
from mbc.ops.pool import AvgPool, MaxPool
from mbc.ops.reduce import ReduceMax, ReduceMean, ReduceSum
from tests.numeric.test_oracle import RTOL, random, single, window


@pytest.mark.parametrize("axes", [(1, 2), (0, 3), (3,), (0, 1, 3)])
@pytest.mark.parametrize("keep", [False, True])
def test_reductions(axes: tuple[int, ...], keep: bool) -> None:
    x = random(2, 3, 4, 5)
    groups: dict[tuple[int, ...], list[float]] = {}
    for place in np.ndindex(x.shape):
        left = tuple(0 if a in axes else i for a, i in enumerate(place) if keep or a not in axes)
        groups.setdefault(left, []).append(float(x[place]))
    mean, most, total = (kind(axes, keep) for kind in (ReduceMean, ReduceMax, ReduceSum))
    for op, combine in ((mean, lambda g: sum(g) / len(g)), (most, max), (total, sum)):
        (found,) = single(op, x)
        assert found.size == len(groups)
        for place, group in groups.items():
            np.testing.assert_allclose(found[place], combine(group), rtol=RTOL, atol=1e-14)


@pytest.mark.parametrize("pad", [(2, 1, 0, 3), (0, 0, 0, 0)])
def test_dilated_max_pool(pad: tuple[int, int, int, int]) -> None:
    op, x = MaxPool((3, 2), (2, 1), pad, (2, 4)), random(2, 7, 6, 3) - 100
    (found,) = single(op, x)
    for n, oy, ox, c in np.ndindex(found.shape):
        met = [x[n, y, xx, c] for _, _, y, xx in window(x.shape, op.kernel, op, oy, ox)]
        assert found[n, oy, ox, c] == max(met)


OVERHANGS = [
    AvgPool((3, 3), (2, 2), (1, 2, 1, 1), True, overhang=(1, 0)),
    AvgPool((4, 2), (3, 4), (0, 2, 1, 1), True, overhang=(2, 1)),
]


@pytest.mark.parametrize("op", OVERHANGS, ids=str)
def test_what_hangs_over_is_not_counted(op: AvgPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In strips of rows too."""
    x = random(1, 6, 7, 2)
    (found,) = single(op, x)
    bottom, right = (x.shape[1 + a] + op.pad[2 * a + 1] - op.overhang[a] for a in (0, 1))
    for n, oy, ox, c in np.ndindex(found.shape):
        met = [x[n, y, xx, c] for _, _, y, xx in window(x.shape, op.kernel, op, oy, ox)]
        top, left = oy * op.stride[0] - op.pad[0], ox * op.stride[1] - op.pad[2]
        cells = product(range(top, top + op.kernel[0]), range(left, left + op.kernel[1]))
        count = sum(y < bottom and xx < right for y, xx in cells)
        np.testing.assert_allclose(found[n, oy, ox, c], sum(met) / count, rtol=RTOL, atol=1e-14)
        assert op.counts(TensorType(x.shape))[oy, ox] == count
    monkeypatch.setattr("mbc.interp.strips.STRIP_BYTES", 1)
    np.testing.assert_array_equal(compute(op, [x])[0], found)
