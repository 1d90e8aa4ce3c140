"""Random networks of all that the DSL accepts, on an OpenCL device: bit for bit what the network as
written gives where no sum rounds, else as close as float32 allows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, assume, given, note, settings

pytest.importorskip("tvm", reason="the extra tvm is not installed")
pytest.importorskip("pyopencl", reason="the extra opencl is not installed")

from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.ir.graph import Graph
from mbc.passes.pipelines import O2
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.gpu import Gpu
from tests.backends.tvm.gpu_check import SCHEDULES, Device
from tests.fuzzing.configuration import Configuration, configurations
from tests.fuzzing.hunt import any_networks, as_text
from tests.fuzzing.native import judge
from tests.fuzzing.wide import EMULATED


@pytest.mark.slow
@pytest.mark.parametrize("gpu", SCHEDULES, ids=lambda gpu: gpu.arch or gpu.api)
def test_random_networks_compute_what_they_say(gpu: Gpu, fuzz: bool) -> None:
    @settings(
        max_examples=100 if fuzz else 2, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(written=any_networks(EMULATED, 3), how=configurations(["native"]))
    def check(written: Graph, how: Configuration) -> None:
        note(as_text(written, how))
        how.bind(written)
        graph = written.clone()
        run_pipeline(graph, O2, PassContext(GpuBackend(gpu)), [Verify()])
        assume(graph.topo())  # there is nothing to launch
        judge(Device().run(graph, gpu, how.inputs(written)), written, how, Counter())

    check()
