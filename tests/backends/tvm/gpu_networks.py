"""The example networks as launch plans, and what the oracle makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.backends.tvm.gpu.launch import LaunchPlan
from mbc.backends.tvm.gpu.planner import plan_launches
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.passes.pipelines import O2
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.gpu import Gpu

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Planned:
    """A launch plan, input for it, and the outputs that it must give."""

    plan: LaunchPlan
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]

    def check(self, actual: dict[str, np.ndarray]) -> None:
        """Outputs within 1e-4 of the oracle's largest, however small that is."""
        assert list(actual) == list(self.expected)
        for name, want in self.expected.items():
            assert actual[name].shape == want.shape
            error = np.abs(actual[name] - want).max() / np.abs(want).max()
            assert error <= TOLERANCE, f"{name}: {error:.1e}"


def fused(graph: Graph, gpu: Gpu) -> Graph:
    """A network with seeded weights after all passes for a GPU."""
    initialise(graph, 0)
    run_pipeline(graph, O2, PassContext(GpuBackend(gpu)))
    return graph


def planned(graph: Graph, gpu: Gpu) -> Planned:
    """A network as imported, made into a launch plan."""
    rng = np.random.default_rng(1)
    inputs = {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}
    initialise(graph, 0)
    expected = run(graph, inputs)
    return Planned(plan_launches(fused(graph, gpu), gpu), inputs, expected)
