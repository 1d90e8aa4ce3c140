"""No weights that are subnormal come through any of the doors by which weights are packed, and
networks with such weights compute as if they were zeros."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.backends.tvm.cpu.kernels import CpuKernels
from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.backends.tvm.gpu.kernels import kernels_of
from mbc.backends.tvm.gpu.launch import Weights
from mbc.backends.tvm.module import relax_module
from mbc.backends.tvm.require import tvm
from mbc.driver.platforms import resolve
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.subnormals import count_subnormals
from mbc.ops import BatchNorm, Conv2d
from mbc.targets.gpu import Gpu
from tests.backends.kernel_cases import arithmetic_cases
from tests.backends.kernel_check import (
    TOLERANCE,
    Net,
    host_target,
    place_without_overlap,
    relative_error,
)
from tests.backends.tvm_cpu import NoKernels
from tests.schedules import by_strassen

CASES = dict(arithmetic_cases())
HOST = host_target()


def with_dead_channels(graph: Graph, share: float) -> Graph:
    """With weights around 1e-39 in this share of the output channels."""
    rng = np.random.default_rng(0)
    weights = (c for c in graph.constants().values() if c.type.rank > 1)
    for constant in weights:
        dead = rng.random(constant.type.channels) < share
        tiny = (rng.standard_normal(constant.type.shape) * 1e-39).astype(np.float32)
        constant.data = np.where(dead, tiny, constant.array)
    return graph


def packed(lowered: LoweredNet) -> np.ndarray:
    return np.frombuffer(lowered.weights, np.float32)


@pytest.mark.parametrize("name", ["x86_64", "x86_64-v2", "x86_64-v4", "arm64", "armv7"])
def test_no_kernel_gets_subnormal_weights(name: str) -> None:
    target, given = resolve(name), 0
    for build in list(CASES.values())[::13]:
        graph = with_dead_channels(build(), 0.4)
        given += sum(count_subnormals(c.array) for c in graph.constants().values())
        place_without_overlap(graph, target)
        assert count_subnormals(packed(lower(graph, target))) == 0
    assert given > 1000


def batch_norm_of(scale: float, shift: float) -> Graph:
    """A batch norm as it is, whose constants are normal, but not what they come to."""
    net = Net()
    x = net.input(1, 4, 4, 8)
    norm = net.graph.add(BatchNorm(), [x, *(net.constant(8) for _ in range(3)), net.positive(8)])
    names = dict(zip(("gamma", "beta", "mean", "variance"), norm.operands[1:], strict=True))
    values = {"gamma": scale * 1e9, "beta": shift, "mean": 0.0, "variance": 1e18}
    for name, operand in names.items():
        operand.data = np.full(8, values[name], np.float32)  # type: ignore[union-attr]
    return net.outputs(norm.result)


def strassen_of_near_weights() -> Graph:
    """A convolution by Strassen's method, whose weights are normal, but not their differences."""
    net = Net()
    x, weight = net.input(1, 12, 1, 32), net.constant(1, 1, 32, 32)
    near = np.random.default_rng(0).uniform(1.2e-38, 1.3e-38, weight.type.shape)
    weight.data = near.astype(np.float32)
    return net.outputs(by_strassen(net.graph.add(Conv2d(), [x, weight])).result)


MADE = {"batch_norm": lambda: batch_norm_of(1e-39, 1.5), "strassen": strassen_of_near_weights}


@pytest.mark.parametrize("build", MADE.values(), ids=MADE)
def test_what_becomes_subnormal_as_it_is_packed(build: Callable[[], Graph]) -> None:
    graph = build()
    assert not any(count_subnormals(c.array) for c in graph.constants().values())
    place_without_overlap(graph, HOST)
    weights = packed(lower(graph, HOST))
    assert weights.any()
    assert count_subnormals(weights) == 0


def tvm_constants(graph: Graph) -> Iterator[np.ndarray]:
    """Those of a module in which TVM's ops run all nodes."""
    found: list[Any] = []
    tvm().relax.analysis.post_order_visit(relax_module(graph, NoKernels())["main"], found.append)
    constant = type(tvm().relax.const(0.0))
    yield from (each.value.numpy() for each in found if isinstance(each, constant))


def gpu_constants(graph: Graph) -> Iterator[np.ndarray]:
    """Those of the GPU's kernels."""
    gpu = Gpu("opencl")
    nodes = (node for node in graph.topo() if GpuBackend(gpu).supports(node))
    arguments = (a for node in nodes for kernel in kernels_of(node, gpu) for a in kernel.arguments)
    yield from (each.array for each in arguments if isinstance(each, Weights))


def cpu_constants(graph: Graph) -> Iterator[np.ndarray]:
    """Those of our kernels under TVM."""
    kernels = CpuKernels(HOST)
    calls = (kernels.call(node) for node in graph.topo() if LlvmBackend(HOST).supports(node))
    yield from (call.weights for call in calls if call.weights is not None)


DOORS = {"tvm": tvm_constants, "gpu": gpu_constants, "cpu under tvm": cpu_constants}


def sample() -> dict[str, Callable[[], Graph]]:
    """A few graphs of each kind, and what becomes subnormal as it is packed."""
    return dict(list(CASES.items())[::23]) | {"batch_norm": MADE["batch_norm"]}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_nor_do_tvm_and_gpus(door: Callable[[Graph], Iterator[np.ndarray]]) -> None:
    seen = 0
    for build in sample().values():
        for array in door(with_dead_channels(build(), 0.4)):
            seen += array.size
            assert array.dtype != np.float32 or count_subnormals(array) == 0
    assert seen > 1000


@pytest.mark.parametrize("name", list(CASES)[::29])
def test_kernels_agree_with_the_oracle(name: str) -> None:
    """Inputs and weights are subnormal here and there."""
    graph = with_dead_channels(CASES[name](), 0.3)
    rng = np.random.default_rng(1)
    inputs = {}
    for value in graph.inputs:
        x = rng.standard_normal(value.type.shape, np.float32)
        inputs[value.name] = np.where(rng.random(x.shape) < 0.3, np.float32(1e-39) * x, x)
    place_without_overlap(graph, HOST)
    found = JitNet(lower(graph, HOST))(inputs)
    for output, wanted in run(graph, inputs).items():
        assert relative_error(found[output], wanted) <= TOLERANCE
        assert count_subnormals(found[output]) == 0
