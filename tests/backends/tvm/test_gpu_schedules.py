"""Schedules of GPU kernels: each kind is read from the node, and gives the oracle's answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("tvm", reason="the extra tvm is not installed")
pytest.importorskip("pyopencl", reason="the extra opencl is not installed")

from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.backends.tvm.gpu.planner import plan_launches
from mbc.diag import MbcError
from mbc.ir.graph import Graph
from mbc.ir.schedule import Schedule
from mbc.ops import Conv2d, GlobalAvgPool, MaxPool, Softmax
from mbc.schedules import PoolBlock, Strassen, Strip, Threads, ThreadTile
from mbc.targets.gpu import Gpu
from tests.backends.kernel_check import Net, close
from tests.backends.tvm.gpu_check import compare
from tests.schedules import scheduled

GPU = Gpu("opencl", "adreno")


def product() -> Graph:
    net = Net()
    x = net.input(1, 5, 6, 24)
    return net.outputs(net.graph.add(Conv2d(), [x, net.constant(1, 1, 24, 40)]).result)


def window() -> Graph:
    net = Net()
    op = MaxPool((3, 3), (1, 1), (1, 1, 1, 1))
    return net.outputs(net.graph.add(op, [net.input(1, 9, 13, 20)]).result)


def mean() -> Graph:
    net = Net()
    return net.outputs(net.graph.add(GlobalAvgPool(), [net.input(2, 7, 5, 36)]).result)


def softmax() -> Graph:
    net = Net()
    return net.outputs(net.graph.add(Softmax(), [net.input(3, 90)]).result)


BUILDS: dict[Callable[[], Graph], type[Schedule]] = {
    product: ThreadTile,
    window: Strip,
    mean: PoolBlock,
    softmax: Threads,
}


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_candidates_are_right_and_have_code_of_their_own(build: Callable[[], Graph]) -> None:
    (node,) = build().topo()
    found = GpuBackend(GPU).candidates(node)
    assert {type(schedule) for schedule in found} == {BUILDS[build]}
    some = [found[0], found[len(found) // 2], found[-1]]
    for schedule in some:
        compare(scheduled(build(), schedule), GPU, close)
    plans = [plan_launches(scheduled(build(), schedule), GPU) for schedule in some]
    assert len({(plan.source, plan.launches) for plan in plans}) == len({*some}) > 1
    assert plans[0].source == plan_launches(build(), GPU).source


def test_schedules_of_cpus_are_refused() -> None:
    with pytest.raises(MbcError, match="E0516: conv2d cannot be computed as strassen"):
        plan_launches(scheduled(product(), Strassen()), GPU)
