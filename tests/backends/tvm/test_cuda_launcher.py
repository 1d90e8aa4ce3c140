"""The launcher for NVIDIA GPUs against a driver of our own, whose kernels double their input.

It shows that memory, arguments and launches are where the plan says; what the kernels compute is
shown elsewhere."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.tvm.gpu.cuda import CudaNet
from mbc.backends.tvm.gpu.launch import DeviceBuffer, Launch, LaunchPlan
from mbc.diag import MbcError
from mbc.runtime.abi import IoSpec, NetSpec
from mbc.targets.gpu import Gpu
from tests.hammer import hammer

FAKE = Path(__file__).with_name("fake_cuda.c")
COUNT = 6
SPEC = NetSpec(
    "net", (IoSpec("x", (2, 3)),), (IoSpec("y", (2, 3)), IoSpec("z", (2, 3))), 1024, 0, 1024
)
BUFFERS = (
    DeviceBuffer("x", "input", 4 * COUNT),
    DeviceBuffer("y", "output", 4 * COUNT),
    DeviceBuffer("z", "output", 4 * COUNT),
    DeviceBuffer("inside", "arena", 4 * COUNT, 512),
    DeviceBuffer("weights_512", "weights", 4 * COUNT, 512),
)


def launch(source: int, result: int) -> Launch:
    return Launch("double", (source, result), (3, 1, 1), (1, 2, 1), "double")


PLAN = LaunchPlan(
    SPEC,
    Gpu("cuda", "sm_90"),
    "",
    np.arange(256, dtype=np.float32).tobytes(),
    BUFFERS,
    (launch(0, 3), launch(3, 1), launch(4, 2)),
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library with the fake driver."""
    library = tmp_path_factory.mktemp("cuda") / "libcuda.so"
    strict = ("-Wall", "-Wextra", "-Werror")
    subprocess.run(["gcc", *strict, "-shared", "-fPIC", "-o", library, FAKE], check=True)
    return str(library)


def test_a_plan_runs_again_and_again(driver: str) -> None:
    x = np.arange(COUNT, dtype=np.float32).reshape(2, 3)
    with CudaNet(PLAN, b"image", driver) as net:
        for factor in (1, 10):
            found = net({"x": factor * x})
            np.testing.assert_array_equal(found["y"], 4 * factor * x)
            np.testing.assert_array_equal(found["z"], 2 * (128 + x))


def test_calls_from_several_threads(driver: str) -> None:
    x = np.arange(COUNT, dtype=np.float32).reshape(2, 3)
    with CudaNet(PLAN, b"image", driver) as net:
        assert hammer(lambda x: net({"x": x})["y"], [x, -x, 2 * x], 100) == 0


def test_no_driver_and_no_device(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MbcError) as caught:
        CudaNet(PLAN, b"image", "libthere-is-none.so")
    assert caught.value.diagnostics[0].code == "E0622"
    monkeypatch.setenv("FAKE_CUDA", "none")
    with pytest.raises(MbcError) as caught:
        CudaNet(PLAN, b"image", driver)
    assert caught.value.diagnostics[0].code == "E0622"


def test_what_the_driver_refuses(driver: str) -> None:
    with pytest.raises(MbcError) as caught:
        CudaNet(PLAN, b"other architecture", driver)
    (problem,) = caught.value.diagnostics
    assert (problem.code, "no kernel image" in problem.message) == ("E0623", True)
    absent = replace(PLAN, launches=(replace(PLAN.launches[0], kernel="triple"),))
    with pytest.raises(MbcError) as caught:
        CudaNet(absent, b"image", driver)
    assert "cuModuleGetFunction" in caught.value.diagnostics[0].message
