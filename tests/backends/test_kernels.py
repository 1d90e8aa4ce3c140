"""Every kernel against the oracle, on this machine.

Most cases come twice, dense and padded. Everyday runs try one of the two in turn; `make fuzz` both.
"""

from __future__ import annotations

from collections.abc import Collection

import pytest

from mbc.backends.llvm.backend import BUILDERS, builder_of
from mbc.backends.llvm.kernels.averaged import build_averaged
from mbc.backends.llvm.kernels.scaled import build_scaled
from mbc.backends.llvm.kernels.stream import build_stream
from mbc.backends.llvm.lower import lower
from mbc.ops import OPS, Conv2d, Fused
from mbc.targets.elements import CONVERSIONS
from tests.backends.cases import Case
from tests.backends.kernel_cases import arithmetic_cases, exact_cases
from tests.backends.kernel_check import (
    close,
    compare,
    equal,
    host_target,
    host_targets,
    place_without_overlap,
)
from tests.everyday import part_of
from tests.scatter import Scatter


def _named(cases: list[Case]) -> dict[str, Case]:
    return {name: (name, build) for name, build in cases}


ARITHMETIC = _named(list(arithmetic_cases()))
EXACT = _named(list(exact_cases()))


TARGETS = host_targets()


def in_turn(cases: Collection[str]) -> set[str]:
    """The first of a pair of cases, the second of the next, and so on; and all that has no pair."""
    pairs: dict[str, list[str]] = {}
    for name in cases:
        pairs.setdefault(name.removesuffix("-dense").removesuffix("-padded"), []).append(name)
    return {pair[number % len(pair)] for number, pair in enumerate(pairs.values())}


EVERYDAY = in_turn(ARITHMETIC)


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("name", part_of(zip(ARITHMETIC), EVERYDAY.__contains__, str))
def test_agrees_with_the_oracle(name: str, isa: str) -> None:
    """On one thread and, dealt out as none would choose to, on two and three."""
    pools = [None, *(Scatter(threads, seed=threads) for threads in (2, 3))]
    compare(ARITHMETIC[name][1](), close, pools, TARGETS[isa])


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("name", EXACT)
def test_equals_the_oracle_bit_for_bit(name: str, isa: str) -> None:
    pools = [None, Scatter(3, seed=3)]
    compare(EXACT[name][1](), equal, pools, TARGETS[isa])


def test_strassens_method_is_used_where_it_is_possible() -> None:
    used = {}
    for name, build in ARITHMETIC.values():
        if name.startswith("strassen") and name.endswith("-dense"):
            graph = build()
            place_without_overlap(graph, host_target())
            used[name.split("-")[1]] = "_strassen_" in lower(graph, host_target()).ir
    impossible = {"1x6x6", "1x7x4", "4x1x1"}
    assert used == {shape: shape not in impossible for shape in used}
    assert impossible < used.keys()


def test_every_op_has_a_kernel_and_a_case() -> None:
    assert {*BUILDERS, Conv2d} == set(OPS) - set(CONVERSIONS)
    graphs = [build() for _, build in (*ARITHMETIC.values(), *EXACT.values())]
    nodes = [node for graph in graphs for node in graph.topo()]
    assert {type(node.op) for node in nodes} == set(OPS) - set(CONVERSIONS)
    several = {builder_of(node) for node in nodes if isinstance(node.op, Conv2d | Fused)}
    assert {builder_of(node) for node in nodes} == {*BUILDERS.values(), *several}
    assert {build_stream, build_scaled, build_averaged} < several
