"""Random networks of units that split, join and shuffle, compiled for this machine and run: bit for
bit what the oracle gives for the networks as written."""

from __future__ import annotations

import pytest
from hypothesis import given, note, settings
from hypothesis.strategies import sampled_from

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.text.printer import print_graph
from mbc.passes.pipelines import GOALS, Goal
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.target import Target
from tests.backends.kernel_check import equal, host_targets
from tests.exact import exact_inputs
from tests.random_networks import networks


@pytest.mark.parametrize("goal", GOALS)
def test_compiled_networks_are_exact(goal: Goal, fuzz: bool) -> None:
    @settings(max_examples=2000 if fuzz else 100, deadline=None)
    @given(graph=networks(max_units=3), target=sampled_from([*host_targets().values()]))
    def check(graph: Graph, target: Target) -> None:
        note(print_graph(graph))
        inputs = exact_inputs(graph)
        before = run(graph, inputs)
        run_pipeline(graph, GOALS[goal][2], PassContext(LlvmBackend(target)), [Verify()])
        note(print_graph(graph))
        after = JitNet(lower(graph, target))(inputs)
        for name, y in before.items():
            equal(after[name], y)

    check()
