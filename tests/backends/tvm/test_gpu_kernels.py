"""GPU kernels against the oracle, over ragged shapes, on an OpenCL device: the CPU, with PoCL.

The everyday suite runs every third case with one of the schedules, in turn; the slow one every case
with each. Nothing is padded here, so of the cases that come twice one is enough.
"""

from __future__ import annotations

import pytest

pytest.importorskip("tvm", reason="the extra tvm is not installed")
pytest.importorskip("pyopencl", reason="the extra opencl is not installed")

from mbc.targets.gpu import Gpu
from tests.backends.kernel_cases import Case, arithmetic_cases, exact_cases
from tests.backends.kernel_check import close, equal
from tests.backends.tvm.gpu_check import SCHEDULES, compare

ARITHMETIC = [
    case for case in arithmetic_cases() if "chain" not in case[0] and "padded" not in case[0]
]
EXACT = list(exact_cases())
IDS = [case[0] for case in ARITHMETIC]


@pytest.mark.parametrize("number", range(0, len(ARITHMETIC), 3), ids=IDS[::3])
def test_arithmetic(number: int) -> None:
    compare(ARITHMETIC[number][1](), SCHEDULES[number % len(SCHEDULES)], close)


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case[0])
def test_exact(case: Case) -> None:
    compare(case[1](), SCHEDULES[0], equal)


@pytest.mark.slow
@pytest.mark.parametrize("gpu", SCHEDULES, ids=lambda gpu: gpu.arch or gpu.api)
@pytest.mark.parametrize("number", range(len(ARITHMETIC)), ids=IDS)
def test_every_schedule(number: int, gpu: Gpu) -> None:
    compare(ARITHMETIC[number][1](), gpu, close)
