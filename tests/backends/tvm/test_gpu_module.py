"""Modules of TVM for GPUs launch what the plan for other launchers launches. Nothing here can run
them; the same kernels run on PoCL in the tests beside this one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.backends.tvm.gpu.module import compile_gpu_module, gpu_module
from mbc.backends.tvm.gpu.planner import Functions, plan_launches
from mbc.driver.platforms import resolve
from mbc.frontends.weights import initialise
from mbc.ir.graph import Graph
from mbc.passes.pipelines import LEVELS
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.targets.gpu import Gpu
from tests.example_networks import Example

NETWORK = Example("shufflenet_v2", (("scale", "0.5"),))  # splits, concatenations, shuffles


def planned(gpu: Gpu, level: int) -> Graph:
    graph = NETWORK.graph(resolution="32")
    initialise(graph, 0)
    run_pipeline(graph, LEVELS[level], PassContext(GpuBackend(gpu)), [])
    return graph


def calls(module: Any) -> list[str]:
    """The functions that `main` calls, in order."""
    return re.findall(r"R\.call_tir\(cls\.(\w+),", module.script())


@pytest.mark.parametrize(
    ("gpu", "level"), [(Gpu("opencl", "mali"), 0), (Gpu("cuda", "sm_87"), 2)], ids=str
)
def test_the_module_launches_the_plan(gpu: Gpu, level: int) -> None:
    graph = planned(gpu, level)
    plan, module = plan_launches(graph, gpu), gpu_module(graph, gpu)
    assert calls(module) == [launch.kernel.removesuffix("_kernel") for launch in plan.launches]
    assert len(set(calls(module))) < len(calls(module)), "equal kernels are shared"


@pytest.mark.parametrize("gpu", [Gpu("opencl"), Gpu("cuda", "sm_90")], ids=str)
def test_the_module_holds_the_source_that_is_written_beside_it(gpu: Gpu) -> None:
    graph = planned(gpu, 2)
    executable = compile_gpu_module(gpu_module(graph, gpu), resolve("native"), gpu)
    (host,) = executable.mod.imports
    (device,) = host.imports
    assert device.kind == gpu.api
    assert str(device.inspect_source()) == plan_launches(graph, gpu).source


def test_functions_are_told_apart_by_what_they_compute() -> None:
    gpu = Gpu("opencl")
    module = gpu_module(planned(gpu, 2), gpu)
    functions = [module[variable] for variable in module.get_global_vars()]
    kernels = [f for f in functions if "R.function" not in f.script()]
    known = Functions()
    names = [known.name(kernel) for kernel in (*kernels, *kernels)]
    assert len(kernels) > 3
    assert names[: len(kernels)] == names[len(kernels) :]
    assert len(set(names)) == len(kernels)
