"""Vectors of few columns and several k-steps: every way to hold the last columns in them, for each
vector unit that has any. That of 16 lanes is compiled for this machine, in pieces where it has no
such vectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest

from mbc.backends.llvm import gemm as gemm_module
from mbc.backends.llvm.backend import builder_of
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_panels import Lengths, best_tail, tails
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_units import Panel, Unit
from mbc.backends.llvm.isa import AVX2, AVX512_WIDE, ISAS, NEON, Isa, isa_of
from mbc.backends.llvm.jit import JitModule, JitNet
from mbc.backends.llvm.kernels.base import Buffer, Library, Site
from mbc.backends.llvm.lower import declarations, lower
from mbc.interp import run
from mbc.ir.activations import RELU, Silu
from mbc.ir.graph import Graph, Operand
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import Conv2d
from tests.backends.kernel_cases import arithmetic_cases
from tests.backends.kernel_check import (
    Net,
    close,
    compare,
    equal,
    host_target,
    place_without_overlap,
    poisoned,
)
from tests.backends.special_values import Layers, differences, special_inputs
from tests.backends.test_kernel_memory import Case
from tests.scatter import Scatter

HOST = host_target()
LEGALISED = replace(AVX512_WIDE, register="", splat_adds=False)
"""Its vectors are in no registers of this machine's, so inline assembly cannot take them."""
UNITS = {"host": ISAS[HOST.isa], "avx512wide": LEGALISED}
DEPTHS = (1, 3, 8, 19)
COLUMNS = (1, 2, 3, 5, 9, 12, 17, 20, 27, 34)


@contextmanager
def units_of(name: str, *, forced: bool = False) -> Iterator[Isa]:
    """Compile for a vector unit; `forced`: with units of several k-steps whatever they cost."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(ISAS, {HOST.isa: UNITS[name]}))
        if forced:
            stack.enter_context(patch.object(gemm_module, "best_tail", any_tail))
        yield isa_of(HOST)


def any_tail(isa: Isa, columns: int, lengths: Lengths) -> Panel:
    """One of the ways to hold the last columns, another one for another depth."""
    assert isa.splits is not None
    found = [*tails(isa.lanes, isa.splits.steps, columns)]
    return found[sum(lengths) % len(found)] if found else best_tail(isa, columns, lengths)


def layers(rows: int) -> Graph:
    """Products of each depth and number of columns: with a residual, of a view with short runs, and
    with an activation that is applied to what is stored."""
    net = Net()
    for depth in DEPTHS:
        x = net.input(1, rows, 1, 3 * depth, name=f"x{depth}")
        views = [ChannelView.of(x).slice(2 * depth, depth), ChannelView.of(x).slice(0, depth)]
        views.append(ChannelView.of(x).through(ChannelMap.shuffle(3, 3 * depth)))
        for number, columns in enumerate(COLUMNS):
            view = views[number % len(views)]
            weight = net.constant(1, 1, view.type.channels, columns)
            operands: list[Operand | Value | None] = [view, weight, net.constant(columns)]
            operands += [x_of(net, rows, columns, depth)] if number % 2 else []
            act = Silu() if number % 5 == 0 else RELU
            net.graph.add(Conv2d(act=act), operands)
    return net.outputs(*(node.result for node in net.graph.topo()))


def x_of(net: Net, rows: int, columns: int, depth: int) -> Value:
    """A residual."""
    return net.input(1, rows, 1, columns, name=f"r{columns}_{depth}")


def inputs_of(graph: Graph, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Numbers, and one infinity a row."""
    found = {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}
    for array in found.values():
        rows = array.reshape(-1, array.shape[-1])
        for row in range(0, len(rows), 2):
            rows[row, row % rows.shape[1]] = np.inf
    return found


def compiled(graph: Graph) -> JitNet:
    place_without_overlap(graph, HOST)
    with poisoned():
        return JitNet(lower(graph, HOST))


@pytest.mark.parametrize("name", UNITS)
def test_every_row_is_the_oracles_whatever_rows_are_beside_it(name: str) -> None:
    rows, rng = 13, np.random.default_rng(0)
    with units_of(name, forced=True):
        many, one = layers(rows), layers(1)
        given = inputs_of(many, rng)
        actual, wanted = compiled(many)(given), run(many, given)
        alone = compiled(one)
    for key, want in wanted.items():
        finite = np.isfinite(want)
        np.testing.assert_array_equal(actual[key][~finite], want[~finite])
        close(np.where(finite, actual[key], 0), np.where(finite, want, 0))
    for row in (0, 5, 12):
        own = alone({key: array[:, row : row + 1] for key, array in given.items()})
        for key, array in own.items():
            equal(actual[key][:, row : row + 1], array)


def memory_cases(isa: Isa, library: Library) -> Iterator[Case]:
    """Products of tensors of the caller's, which have no room beside their channels."""
    for graph in (layers(7), grouped(7)):
        for node in graph.topo():
            inputs = tuple(
                tuple(Buffer.dense(value.type) for value in o.values)
                if isinstance(o, ChannelView)
                else ()
                for o in node.operands
            )
            outputs = (Buffer.dense(node.result.type),)
            site = Site(node, inputs, outputs, library)
            yield Case(node, builder_of(node)(site), inputs, outputs)


def grouped(rows: int) -> Graph:
    """Groups of each number of columns, with shared code and with their own, whose runs have other
    lengths."""
    net = Net()
    x = ChannelView.of(net.input(1, rows, 1, 36))
    views = [x, x.through(ChannelMap.shuffle(3, 36))]
    views.append(
        ChannelView.concat([x.slice(a, n) for a, n in ((20, 12), (0, 5), (8, 7), (4, 12))])
    )
    for columns in (1, 5, 12, 17, 25):
        for view in views:
            operands: list[Operand | Value | None] = [
                view,
                net.constant(1, 1, 12, 3 * columns),
                None,
            ]
            net.graph.add(Conv2d(groups=3, act=RELU), operands)
    return net.outputs(*(node.result for node in net.graph.topo()))


@pytest.mark.parametrize("name", UNITS)
def test_nothing_is_read_or_stored_beside_the_operands(name: str) -> None:
    rng = np.random.default_rng(0)
    with units_of(name, forced=True) as isa:
        library = Library(isa)
        cases = [*memory_cases(isa, library)]
        code = JitModule("\n".join([*declarations(isa), library.text()]), HOST)
    for case in cases:
        arrays = {v: rng.standard_normal(v.type.shape, np.float32) for v in case.values}
        high, low = (case.run(code, arrays, low=low)[0] for low in (False, True))
        equal(high, low)
        close(high, case.expected(arrays)[0])


CASES = {name: build for name, build in arithmetic_cases() if name.endswith("-dense")}
FAMILIES = ("pw-m5-", "pw-m9-", "pw-m10-", "conv-7x9", "chain-9x7", "slopes-", "fc-3", "scaled")


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(FAMILIES)])
def test_sixteen_lanes_agree_with_the_oracle(name: str) -> None:
    with units_of("avx512wide"):
        compare(CASES[name](), close, [None, Scatter(3, seed=3)], HOST)


def test_special_values_of_sixteen_lanes_are_the_oracles() -> None:
    graph, found = Layers(chains=False, arena=False).build(), {}
    with units_of("avx512wide"):
        net = compiled(graph)
    for kind, given in special_inputs(graph).items():
        if problems := [*differences(given, net(given), run(graph, given))]:
            found[kind] = problems
    assert found == {}


@pytest.mark.parametrize("name", UNITS)
def test_threads_change_no_bit(name: str) -> None:
    with units_of(name, forced=True):
        graph = grouped(29)
        net = compiled(graph)
    given = inputs_of(graph, np.random.default_rng(1))
    alone = net.on(None)(given)
    for threads in (2, 3, 4):
        for key, array in net.on(Scatter(threads, seed=threads))(given).items():
            equal(array, alone[key])


def test_split_columns_are_chosen_by_cost() -> None:
    assert best_tail(AVX2, 20, (80,)) == (Unit(4, 2),)
    assert best_tail(AVX2, 17, (68,)) == (Unit(1, 8),)
    assert best_tail(AVX2, 12, (48,)) == (Unit(4, 2),) * 3
    assert best_tail(AVX2, 15, (240,)) == (Unit(7),)
    assert best_tail(AVX2, 68, (1,) * 17) == (Unit(4),)
    assert best_tail(AVX2, 100, (25, 25)) == (Unit(4),)  # hardly any gain
    assert best_tail(AVX2, 64, (80,)) == ()
    assert best_tail(NEON, 17, (68,)) == (Unit(1, 4),)
    assert best_tail(NEON, 34, (136,)) == (Unit(1, 4), Unit(1, 4))
    assert best_tail(ISAS["sse"], 17, (68,)) == (Unit(1),)
    wide = AVX512_WIDE.widest
    assert best_tail(wide, 116, (116,)) == (Unit(4, 4),)
    assert best_tail(wide, 58, (58,)) == (Unit(8, 2), Unit(2, 8))
    assert best_tail(wide, 31, (240,)) == (Unit(15),)


def test_rows_end_with_whole_chunks_before_them() -> None:
    """Where the last k-steps run row by row, chunks before them are whole."""
    for length, steps in ((80, 4), (68, 4), (58, 2), (17, 5), (3, 3)):
        runs = (Run(0, length),)
        unit = Unit(1, 16) if length == 68 else Unit(2, 8) if length == 58 else Unit(4, 4)
        gemm = Gemm(AVX512_WIDE.widest, 7, (400,), (runs,), unit.outputs, 64, 16, tail=(unit,))
        together, by_row = gemm.panel_runs((unit,), runs)
        assert sum(run.length for run in by_row) == steps
        assert sum(run.length for run in together) % unit.steps == 0
