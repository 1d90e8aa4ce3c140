"""The examples, compiled, give bit for bit what the oracle gives for the networks as written.

Weights are few small integers and units are powers of what average pools divide by, so no float sum
or mean rounds; that it is so, float64 shows."""

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.interp import run
from mbc.passes.pipelines import O2
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from tests.backends.kernel_check import equal, host_target
from tests.everyday import part_of
from tests.exact import bind_exact, exact_inputs
from tests.example_networks import EXAMPLE_NETWORKS, VARIED, Example


@pytest.mark.parametrize("example", part_of(zip(EXAMPLE_NETWORKS), lambda e: e in VARIED, str))
def test_compiled_examples_are_exact(example: Example) -> None:
    pooled = example.name == "shufflenet_v1"  # three means of 3x3, along one path
    unit, taps = (9**3, 1) if pooled else (1, 2)
    graph = example.graph(resolution="64", softmax="false")
    bind_exact(graph, unit=unit, taps=taps)
    inputs = exact_inputs(graph, unit=unit)
    before = run(graph, inputs)["output"]
    equal(run(graph, inputs, dtype=np.float64)["output"], before)
    assert len(np.unique(before)) > 50, "channels that are alike could be exchanged"
    target = host_target()
    run_pipeline(graph, O2, PassContext(LlvmBackend(target)))
    equal(run(graph, inputs)["output"], before)
    equal(JitNet(lower(graph, target))(inputs)["output"], before)
