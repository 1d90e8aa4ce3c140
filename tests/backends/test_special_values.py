"""NaN in gives NaN out, and infinities are IEEE's: every kind of kernel as the oracle has it, with
scratch, arena and padding full of NaN before."""

from __future__ import annotations

import numpy as np
import pytest

from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.interp import run
from mbc.targets.target import Target
from tests.backends.kernel_check import host_target, host_targets, place_without_overlap, poisoned
from tests.backends.special_values import Layers, differences, special_inputs

SSE = Target("x86_64", host_target().triple, "nehalem", "sse")
TARGETS = {**host_targets(), **({"sse": SSE} if host_target().isa == "avx2" else {})}


@pytest.mark.parametrize("isa", TARGETS)
def test_special_values_are_the_oracles(isa: str) -> None:
    graph = Layers().build()
    place_without_overlap(graph, TARGETS[isa])
    with poisoned():
        net = JitNet(lower(graph, TARGETS[isa]))
    found = {}
    for kind, given in special_inputs(graph).items():
        actual = net(given)
        if problems := [*differences(given, actual, run(graph, given))]:
            found[kind] = problems
    assert found == {}


def test_differences_are_noticed() -> None:
    graph = Layers().build()
    given = special_inputs(graph)["NaN first"]
    wanted = run(graph, given)
    assert [*differences(given, wanted, wanted)] == []
    for name, array in wanted.items():
        spoilt = array.copy()
        spoilt.flat[-1] = np.inf
        assert len([*differences(given, wanted | {name: spoilt}, wanted)]) == 1, name
        lost = np.nan_to_num(array, nan=1.0)
        assert len([*differences(given, wanted | {name: lost}, wanted)]) == 1, name
