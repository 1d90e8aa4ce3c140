"""How kernels are cut into tasks and tasks into ranges: each is done once, wherever the cuts are,
and what threads do twice is what the cost model says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.cost import RANGE_CYCLES, fewest_tasks
from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.gemm import MANY_TASKS, Gemm
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_share import Share
from mbc.backends.llvm.isa import Isa, isa_of
from mbc.backends.llvm.kernels.chain import row_window, seam_rows, stage_kind
from mbc.driver.platforms import resolve
from mbc.ir.graph import Node
from mbc.ir.text.parser import parse
from mbc.targets.backend import Prediction

ISA = isa_of(resolve("x86_64"))


def gemm(rows: int, groups: int, columns: int, isa: Isa = ISA) -> Gemm:
    depth = 16
    runs = tuple((Run(4 * group * depth, depth),) for group in range(groups))
    return Gemm(isa, rows, (4 * depth * groups,), runs, columns, 4 * columns * groups, 0)


def covered(g: Gemm, begin: int, end: int) -> set[tuple[int, int, int]]:
    """Which blocks of rows of which panels a range computes; bounds are constants, so they fold."""
    f, found = Function(ISA, []), set()
    for group in range(len(g.groups)):
        share = Share.of(g, begin, end).of_group(f, g, group)
        first, last = share.panels(f, 0, len(g.units))
        assert isinstance(first, int)
        assert isinstance(last, int)
        for panel in range(first, last):
            start, stop = share.row_blocks(f, g.blocks(g.units[panel]), panel)
            assert isinstance(start, int)
            assert isinstance(stop, int)
            found |= {(group, panel, block) for block in range(start, stop)}
    return found


def work(g: Gemm, group: int, panel: int, block: int) -> int:
    """Rows of a block by vectors of the panel."""
    blocks = g.blocks(g.units[panel])
    return (blocks.tall - (block >= blocks.tall_count)) * len(g.units[panel])


@pytest.mark.parametrize(
    ("rows", "groups", "columns"),
    [(196, 3, 40), (49, 3, 320), (49, 1, 160), (49, 3, 20), (3136, 1, 24), (784, 8, 48), (1, 1, 9)],
)
def test_each_task_is_done_once(rows: int, groups: int, columns: int) -> None:
    g = gemm(rows, groups, columns)
    whole = covered(g, 0, g.tasks)
    assert len(whole) == groups * sum(g.blocks(panel).count for panel in g.units)
    for ranges in (2, 3, 7, g.tasks):
        cuts = [g.tasks * i // ranges for i in range(ranges + 1)]
        parts = [covered(g, begin, end) for begin, end in pairwise(cuts)]
        assert sum(map(len, parts)) == len(whole)
        assert set().union(*parts) == whole


def test_panels_of_groups_are_tasks_where_rows_are_few() -> None:
    assert gemm(49, 3, 320).tasks == gemm(49, 3, 320).row_tasks * gemm(49, 3, 320).parts
    assert gemm(49, 3, 320).parts == 3 * len(gemm(49, 3, 320).widths)
    spilling = gemm(49, 3, 20, replace(ISA, splits=None))
    assert spilling.spills
    assert spilling.parts == 1, "a task overwrites what its stores spill"
    assert (gemm(3136, 3, 320).parts, gemm(3136, 3, 320).tasks) == (1, MANY_TASKS)


def test_halves_are_equal() -> None:
    g = gemm(49, 3, 320)
    upper, lower = (covered(g, *half) for half in ((0, g.tasks // 2), (g.tasks // 2, g.tasks)))
    above, below = (sum(work(g, *task) for task in half) for half in (upper, lower))
    assert abs(above - below) <= 0.02 * above, "9 blocks of rows would be 4 and 5"


CHAIN = """
graph @g(%x: f32[1,57,57,8]) {
  const @a : f32[1,1,8,16]
  const @b : f32[3,3,1,16]
  const @c : f32[1,1,16,16]
  const @d : f32[5,5,1,16]
  const @e : f32[1,1,16,8]
  %0 = conv2d(%x, @a) : f32[1,57,57,16]
  %1 = conv2d(%0, @b) {stride=(2,2), pad=(1,1,1,1), groups=16} : f32[1,29,29,16]
  %2 = conv2d(%1, @c) : f32[1,29,29,16]
  %3 = conv2d(%2, @d) {pad=(2,2,2,2), groups=16} : f32[1,29,29,16]
  %4 = conv2d(%3, @e) : f32[1,29,29,8]
  return %4
}
"""


def rows_computed(nodes: list[Node], outputs: range) -> list[set[int]]:
    """By the definition of each op, from the last one backwards."""
    found = [set(outputs)]
    for reader, producer in pairwise(nodes[::-1]):
        stride, pad, extent = row_window(reader)
        if stage_kind(reader) == "pointwise":
            stride, pad, extent = 1, 0, 1
        height = producer.result.type.shape[1]
        reached = {y * stride - pad + k for y, k in product(found[-1], range(extent))}
        found.append(reached & set(range(height)))
    return found[::-1]


def test_rows_that_two_threads_compute() -> None:
    nodes = parse(CHAIN).topo()
    upper, lower = (rows_computed(nodes, half) for half in (range(14), range(14, 29)))
    expected = tuple(len(a & b) for a, b in zip(upper, lower, strict=True))
    assert seam_rows(nodes, 1) == expected == (9, 4, 4, 0, 0)


def test_what_is_read_or_computed_again_is_predicted() -> None:
    backend = LlvmBackend(resolve("x86_64"))
    wide, deep = (parse(CHAIN).topo()[i] for i in (0, 3))
    assert 0 < backend.predict(wide).again < backend.predict(wide).cycles
    assert 0 < backend.predict(deep).again < backend.predict(deep).cycles


def test_few_tasks_where_ranges_cost_little() -> None:
    assert fewest_tasks(100, Prediction(100 * RANGE_CYCLES)) == 1
    assert fewest_tasks(100, Prediction(10 * RANGE_CYCLES)) == 10
    assert fewest_tasks(100, Prediction(RANGE_CYCLES)) == 100, "too short to be shared"
    costly = Prediction(100 * RANGE_CYCLES, again=4 * RANGE_CYCLES)
    assert fewest_tasks(100, costly) == 24
    dear = Prediction(100 * RANGE_CYCLES, again=40 * RANGE_CYCLES)
    assert fewest_tasks(100, dear) == 50, "two threads may share it all the same"
