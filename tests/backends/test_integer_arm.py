"""Kernels on codes for 64-bit Arm, under qemu as the CPUs that have their instructions and no
others: bit for bit like the oracle, between guard pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from mbc.backends.llvm.addresses import Addresses
from mbc.backends.llvm.codegen import emit_assembly
from mbc.backends.llvm.integer.lanes import HELD, height_of, panel_widths
from mbc.backends.llvm.integer.rows import overlapping
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.kernels.base import Library
from mbc.backends.llvm.lower import lower
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import AvgPool, Conv2d, MaxPool
from tests.backends.assembly import read_assembly
from tests.backends.cases import Case
from tests.backends.emulated import MACHINES, Machine
from tests.backends.guarded_program import calls_of, wrong_calls
from tests.backends.integer_cases import GIVEN, MADE, Net, both, convolutions, integer_cases
from tests.backends.integer_windows import stems, windows
from tests.backends.kernel_check import place_without_overlap
from tests.everyday import part_of

PLAIN = MACHINES["arm64"]


def _machine(cpu: str, *features: str, run_as: str = "") -> Machine:
    name = "-".join((cpu, *features)).replace("+", "")
    target = replace(PLAIN.target, name=name, cpu=cpu, features=features)
    return replace(PLAIN, target=target, cpu=run_as)


ARM = {
    machine.target.name: machine
    for machine in (
        _machine("cortex-a53"),
        _machine("cortex-a76"),
        _machine("cortex-a76", "+i8mm", run_as="max"),
    )
}


def pools() -> Iterator[Case]:
    """Maxima and means of vectors of codes, and of tails."""

    def largest(net: Net, x: Value) -> Value:
        return net.graph.add(MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), [x]).result

    def mean(net: Net, x: Value) -> Value:
        return net.graph.add(AvgPool((3, 3), (2, 2), (1, 1, 1, 1), to=MADE), [x]).result

    for c in (4, 8, 11, 16, 24, 30, 48):
        yield from both(f"max-{c}", (1, 7, 9, c), largest)
        yield from both(f"mean-{c}", (1, 7, 9, c), mean)


def products() -> Iterator[Case]:
    """Depths that are whole chunks and that are not, in loops and without; rows and columns of
    every tile."""
    for k, n in ((16, 4), (24, 5), (31, 17), (32, 24), (40, 16), (70, 33), (96, 12), (200, 20)):
        yield from convolutions((1, 3, 5, k), n)
    for rows, k, n in ((1, 300, 70), (2, 40, 24), (3, 72, 20), (4, 80, 8), (5, 16, 64), (9, 33, 9)):
        yield from convolutions((1, 1, rows, k), n)
    yield from convolutions((1, 4, 5, 60), 240, 3)
    yield from convolutions((1, 4, 5, 240), 60, 3)
    yield from convolutions((1, 2, 3, 1100), 10)


def shuffled() -> Iterator[Case]:
    """Products of groups whose rows are runs of every kind of length: of 1 and 2, 3 and 4, 6 and 7,
    13 and 14, 26 and 27, and 66 and 67 codes."""

    def grouped(net: Net, x: Value) -> Value:
        channels = x.type.channels
        view = ChannelView.of(x).through(ChannelMap.shuffle(3, channels))
        return net.conv(view, Conv2d(groups=3, to=MADE), (1, 1), 18)

    for c in (12, 30, 60, 120, 240, 600):
        yield from both(f"shuffled-{c}", (1, 3, 5, c), grouped)


def narrow_parts() -> Iterator[Case]:
    """Windows of some channels of several values, in parts that are narrower than a strip."""

    def window(op: Conv2d, net: Net, x: Value) -> Value:
        values = [x, *(net.conv(x, Conv2d(to=GIVEN), (1, 1), 24) for _ in range(5))]
        parts = ((4, 5), (0, 20), (6, 14), (2, 1), (3, 2), (1, 4))
        views = [
            ChannelView.of(value).slice(*part) for value, part in zip(values, parts, strict=True)
        ]
        read = ChannelView.concat(views)
        channels = read.type.channels
        return net.conv(read, replace(op, groups=channels), (3, 3), channels)

    for stride, to in (((1, 1), MADE), ((2, 2), MADE), ((1, 1), None)):
        op = Conv2d(stride, (1, 1, 1, 1), to=to)
        name = f"parts-{stride[0]}-{'codes' if to else 'floats'}"
        yield from both(name, (1, 7, 11, 24), partial(window, op))


CASES = {
    **dict(narrow_parts()),
    **dict(products()),
    **dict(shuffled()),
    **dict(pools()),
    **dict(windows()),
    **dict(stems()),
    **dict(integer_cases()),
}
PARTS = 5
SPILLS = 50  # instructions of which one may move a register to the stack or back


@pytest.mark.parametrize(
    ("name", "part"),
    part_of(product(ARM, range(PARTS)), lambda name, part: part == 0),
)
def test_kernels_between_guard_pages_equal_the_oracle(tmp_path: Path, name: str, part: int) -> None:
    machine = ARM[name]
    library, calls = Library(isa_of(machine.target)), []
    for case in [*CASES][part::PARTS]:
        graph = CASES[case]()
        place_without_overlap(graph, machine.target)
        calls += calls_of(case, Addresses(graph, machine.target), library)
    assert wrong_calls(tmp_path, machine, library, calls) == []


@pytest.mark.parametrize("name", ARM)
def test_tiles_keep_their_sums_in_registers(name: str) -> None:
    machine = ARM[name]
    for rows, k, n, groups in ((28, 24, 60, 1), (49, 70, 58, 1), (196, 160, 40, 3), (1, 96, 64, 1)):
        net = Net()
        x = net.graph.add_input("x", TensorType((1, 1, rows, k * groups), GIVEN))
        net.graph.set_outputs([net.conv(x, Conv2d(groups=groups, to=MADE), (1, 1), n * groups)])
        place_without_overlap(net.graph, machine.target)
        for routine in read_assembly(emit_assembly(lower(net.graph, machine.target))).values():
            for loop in routine.innermost_loops:
                assert sum(i.is_vector_on_stack for i in loop) <= len(loop) // SPILLS


@pytest.mark.parametrize("rows", [1, 3, 14, 196])
def test_panels_are_equal_and_fit_the_registers(rows: int) -> None:
    for vectors, steps in product(range(1, 80), (1, 10, 64)):
        widths = panel_widths(rows, vectors, steps)
        assert sum(widths) == vectors
        assert widths[0] - widths[-1] <= 1
        assert all(height_of(width) * (width + 1) <= HELD for width in widths)


def test_pieces_of_a_run_cover_it() -> None:
    for length, spare, before in product(range(64), range(17), (0, 64)):
        pieces = overlapping(length, spare, before)
        covered = {at for start, size in pieces for at in range(start, start + size)}
        assert covered >= {*range(length)}
        assert covered <= {*range(-before, length + spare)}
