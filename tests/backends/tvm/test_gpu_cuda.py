"""CUDA kernels compile to machine code for every architecture from Turing on, where nvcc is."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest

pytest.importorskip("tvm", reason="the extra tvm is not installed")

from mbc.backends.tvm.gpu.launch import LaunchPlan
from mbc.backends.tvm.gpu.planner import plan_launches
from mbc.targets.gpu import Gpu
from tests.backends.tvm.gpu_networks import fused
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, PAIR, Example

ARCHES = ("sm_75", "sm_87", "sm_90")
EVERYDAY = (PAIR[0], ARCHES[0])
CASES = part_of(
    product(EXAMPLE_NETWORKS, ARCHES),
    lambda *case: case == EVERYDAY,
    lambda example, arch: f"{example}-{arch}",
)

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


@pytest.mark.parametrize("arch", ARCHES[1:])
def test_a_small_network_compiles(arch: str, tmp_path: Path) -> None:
    graph = Example("digits/shufflenet_v1").graph()
    gpu = Gpu("cuda", arch)
    compile_cubin(plan_launches(fused(graph, gpu), gpu), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("example", "arch"), CASES)
def test_every_example_compiles(example: Example, arch: str, tmp_path: Path) -> None:
    gpu = Gpu("cuda", arch)
    compile_cubin(plan_launches(fused(example.graph(), gpu), gpu), tmp_path)
