"""CUDA kernels compile to machine code for every architecture from Turing on, where nvcc is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("tvm", reason="the extra tvm is not installed")

from mbc.backends.tvm.launch import LaunchPlan
from mbc.backends.tvm.planner import plan_launches
from mbc.targets.gpu import Gpu
from tests.backends.tvm.gpu_networks import fused
from tests.example_networks import EXAMPLE_NETWORKS, Example

ARCHES = ("sm_75", "sm_87", "sm_90")
CASES = [  # each network for one of them every day, for the others with --fuzz
    pytest.param(example, arch, marks=[pytest.mark.thorough] * (i % 3 != j), id=f"{example}-{arch}")
    for i, example in enumerate(EXAMPLE_NETWORKS)
    for j, arch in enumerate(ARCHES)
]

pytestmark = pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc is not on PATH")


def compile_cubin(plan: LaunchPlan, folder: Path) -> None:
    """Machine code of all kernels; ptxas itself refuses too much shared memory."""
    source = folder / "kernels.cu"
    source.write_text(plan.source)
    command = ["nvcc", f"-arch={plan.gpu.arch}", "-cubin", "-o", "kernels.cubin", source.name]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    names = {launch.kernel.encode() for launch in plan.launches}
    cubin = (folder / "kernels.cubin").read_bytes()
    assert all(b".text." + name + b"\0" in cubin for name in names)


def test_a_small_network_compiles(tmp_path: Path) -> None:
    graph = Example("digits/shufflenet_v1").graph()
    gpu = Gpu("cuda", "sm_87")
    compile_cubin(plan_launches(fused(graph, gpu), gpu), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("example", "arch"), CASES)
def test_every_example_compiles(example: Example, arch: str, tmp_path: Path) -> None:
    gpu = Gpu("cuda", arch)
    compile_cubin(plan_launches(fused(example.graph(), gpu), gpu), tmp_path)
