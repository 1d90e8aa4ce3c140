"""Reductions of the oracle, computed again by loops over numbers."""

import numpy as np
import pytest

from mbc.ops.reduce import ReduceMax, ReduceMean, ReduceSum
from tests.numeric.test_oracle import RTOL, random, single


@pytest.mark.parametrize("axes", [(1, 2), (0, 3), (3,), (0, 1, 3)])
@pytest.mark.parametrize("keep", [False, True])
def test_reductions(axes: tuple[int, ...], keep: bool) -> None:
    x = random(2, 3, 4, 5)
    groups: dict[tuple[int, ...], list[float]] = {}
    for place in np.ndindex(x.shape):
        left = tuple(0 if a in axes else i for a, i in enumerate(place) if keep or a not in axes)
        groups.setdefault(left, []).append(float(x[place]))
    mean, most, total = (kind(axes, keep) for kind in (ReduceMean, ReduceMax, ReduceSum))
    for op, compute in ((mean, lambda g: sum(g) / len(g)), (most, max), (total, sum)):
        (found,) = single(op, x)
        assert found.size == len(groups)
        for place, group in groups.items():
            np.testing.assert_allclose(found[place], compute(group), rtol=RTOL, atol=1e-14)
