"""Random networks of units that split, join and shuffle, on an OpenCL device: bit for bit what the
oracle gives for the networks as written."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, note, settings

pytest.importorskip("tvm", reason="the extra tvm is not installed")
pytest.importorskip("pyopencl", reason="the extra opencl is not installed")

from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.text.printer import print_graph
from mbc.passes.pipelines import O2
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.gpu import Gpu
from tests.backends.kernel_check import equal
from tests.backends.tvm.gpu_check import SCHEDULES, Device
from tests.exact import exact_inputs
from tests.random_networks import networks


@pytest.mark.slow
@pytest.mark.parametrize("gpu", SCHEDULES, ids=lambda gpu: gpu.arch or gpu.api)
def test_random_networks_are_exact(gpu: Gpu, fuzz: bool) -> None:
    @settings(
        max_examples=100 if fuzz else 5, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(graph=networks(max_units=3))
    def check(graph: Graph) -> None:
        note(print_graph(graph))
        inputs = exact_inputs(graph)
        before = run(graph, inputs)
        run_pipeline(graph, O2, PassContext(GpuBackend(gpu)), [Verify()])
        note(print_graph(graph))
        after = Device().run(graph, gpu, inputs)
        for name, y in before.items():
            equal(after[name], y)

    check()
