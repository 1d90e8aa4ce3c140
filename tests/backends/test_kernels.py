"""Every kernel against the oracle, on this machine."""

from __future__ import annotations

import pytest

from mbc.backends.llvm.backend import BUILDERS, builder_of
from mbc.ops import OPS, Conv2d
from mbc.runtime.pool import Pool
from tests.backends.kernel_cases import Case, arithmetic_cases, exact_cases
from tests.backends.kernel_check import close, compare, equal


def _named(cases: list[Case]) -> dict[str, Case]:
    return {name: (name, build) for name, build in cases}


ARITHMETIC = _named(list(arithmetic_cases()))
EXACT = _named(list(exact_cases()))


@pytest.mark.parametrize("name", ARITHMETIC)
def test_agrees_with_the_oracle(name: str) -> None:
    compare(ARITHMETIC[name][1](), close)


@pytest.mark.parametrize("threads", [2, 3])
def test_agrees_with_the_oracle_on_threads(threads: int) -> None:
    pool = Pool(threads)
    for _, build in ARITHMETIC.values():
        compare(build(), close, pool)


@pytest.mark.parametrize("name", EXACT)
def test_equals_the_oracle_bit_for_bit(name: str) -> None:
    compare(EXACT[name][1](), equal)


def test_every_op_has_a_kernel_and_a_case() -> None:
    assert {*BUILDERS, Conv2d} == set(OPS)
    graphs = [build() for _, build in (*ARITHMETIC.values(), *EXACT.values())]
    nodes = [node for graph in graphs for node in graph.topo()]
    assert {type(node.op) for node in nodes} == set(OPS)
    assert len({builder_of(node) for node in nodes}) == len(
        {*BUILDERS.values(), *(builder_of(n) for n in nodes if isinstance(n.op, Conv2d))}
    )
