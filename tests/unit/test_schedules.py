"""Schedules of very large layers: as good as for small ones, and made in no time."""

import pytest

from mbc.backends.llvm.gemm_panels import (
    MAX_SEARCH,
    MAX_WIDTH,
    equal_widths,
    panel_widths,
    tile_cost,
)
from mbc.backends.llvm.gemm_runs import Repeated, Run, repeated_runs, split_runs
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.kernels.linear import contiguous
from mbc.driver.platforms import resolve


@pytest.mark.parametrize("vectors", [MAX_SEARCH, MAX_SEARCH + 1, 2**15])
@pytest.mark.parametrize("target", ["armv7", "rpi5", "x86_64", "x86_64-v4"])
def test_panels_make_up_all_vectors_at_the_least_cost(target: str, vectors: int) -> None:
    isa = isa_of(resolve(target))
    widths = panel_widths(isa, vectors, 49)
    assert sum(widths) == vectors
    least = min(tile_cost(isa, width, 49) for width in range(1, MAX_WIDTH + 1))
    cost = sum(width * tile_cost(isa, width, 49) for width in widths)
    assert cost <= vectors * least * 1.01


@pytest.mark.parametrize("target", ["armv7", "rpi5", "x86_64", "x86_64-v4"])
def test_panels_of_one_width_cost_hardly_more(target: str) -> None:
    isa, equal = isa_of(resolve(target)), 0
    for vectors in range(1, 100):
        widths, best = equal_widths(isa, vectors, 49), panel_widths(isa, vectors, 49)
        assert sum(widths) == vectors
        cost, least = (sum(w * tile_cost(isa, w, 49) for w in found) for found in (widths, best))
        assert cost <= 1.01 * least
        assert len(set(widths)) == 1 or widths == best
        equal += len(set(widths)) == 1 < len(set(best))
    assert equal > 0


def test_the_last_steps_are_split_off_runs() -> None:
    runs = (Run(0, 8), Run(64, 1, 1), Run(80, 2))
    assert split_runs(runs, 0, 4) == (list(runs), [])
    assert split_runs(runs, 2, 4) == (list(runs[:2]), [Run(80, 2)])
    assert split_runs(runs, 4, 4) == ([Run(0, 7)], [Run(28, 1), Run(64, 1, 1), Run(80, 2)])
    assert split_runs(runs, 12, 4) == ([], list(runs))


def test_runs_at_equal_distances_are_found() -> None:
    rows = [Run(8 + 400 * row, 15) for row in range(5)]
    others = [Run(2000, 15), Run(2004, 3), Run(3000, 3, 1)]
    assert repeated_runs([*rows, *others]) == [
        Repeated(rows[0], 5, 400),
        Repeated(others[0]),
        *map(Repeated, others[1:]),
    ]
    assert repeated_runs([]) == []


def test_runs_of_channels_are_maximal() -> None:
    runs = (Run(8, 3, 1), Run(8, 1, 1), Run(4, 2, 1), Run(36, 1, 1))
    assert contiguous([2, 3, 4, 2, 1, 2, 9], 4, source=1) == runs
    assert contiguous([], 4) == ()
