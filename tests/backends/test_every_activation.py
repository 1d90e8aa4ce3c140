"""Every activation by every backend, as an op; and every op that may have one, with some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import combinations, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pytest

from mbc import interp
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.backends.tvm.module import relax_module
from mbc.frontends.onnx.export import export_onnx
from mbc.ir.activations import KINDS, RELU, SHORT, Activation
from mbc.ir.graph import Graph
from mbc.ir.op import Activated, Op
from mbc.ops import OPS, Activate, Add
from mbc.targets.gpu import Gpu
from tests.activations import ALL_ACTS
from tests.backends.kernel_check import (
    TOLERANCE,
    close,
    host_target,
    place_without_overlap,
    relative_error,
)
from tests.backends.tvm.gpu_check import Device
from tests.backends.tvm_cpu import NoKernels, load
from tests.numeric.test_onnx_export import answers, node_kinds
from tests.op_samples import activated, put, samples

Tensors = Mapping[str, np.ndarray]

ACTIVATIONS = [act for act in ALL_ACTS if act]
PAIRS: tuple[tuple[type[Op], Activation | None], ...] = (
    (Add, None),
    *((Activate, act) for act in ACTIVATIONS),
    *zip((op for op in OPS if issubclass(op, Activated)), cycle(ACTIVATIONS[::-1]), strict=False),
)
"""Tests of kernels have each activation after each kind of kernel."""


def test_every_activation_is_listed_and_tried() -> None:
    kinds = set(get_args(Activation))
    assert set(KINDS.values()) == kinds
    assert {type(act) for act in ACTIVATIONS} == kinds
    assert {*SHORT.values()} <= {*ACTIVATIONS}
    assert all(KINDS[kind.name] is kind for kind in kinds)


@cache
def network() -> Graph:
    """Return a graph with an output for each pair."""
    graph = Graph("activations")
    nodes = {name_of(op, act): put(graph, activated(samples()[op], act)) for op, act in PAIRS}
    graph.set_outputs([node.result for node in nodes.values()], [*nodes])
    return graph


def name_of(op: type[Op], act: Activation | None) -> str:
    """Return the output's name."""
    return f"{op.mnemonic} {act}"


@cache
def inputs() -> Tensors:
    """Return numbers of both signs, of a magnitude that every activation does something to."""
    rng = np.random.default_rng(1)
    shapes = {value.name: value.type.shape for value in network().inputs}
    return {name: rng.normal(0, 6, shape).astype(np.float32) for name, shape in shapes.items()}


def by_llvm() -> Tensors:
    """Run kernels of LLVM for this machine."""
    graph = network().clone()
    place_without_overlap(graph, host_target())
    return JitNet(lower(graph, host_target()))(inputs())


def by_tvm() -> Tensors:
    """Run TVM's own ops."""
    with TemporaryDirectory() as folder:
        net = load(relax_module(network(), NoKernels()), network(), Path(folder))
        return {name: result.copy() for name, result in net(inputs()).items()}


def by_gpu() -> Tensors:
    """Run kernels for GPUs, on this CPU."""
    return Device().run(network(), Gpu("opencl"), inputs())


def by_onnx() -> Tensors:
    """Run the exported model, whose images are NCHW."""
    found = answers(export_onnx(network()).data, inputs())
    moved = [y.transpose(0, 2, 3, 1) if y.ndim == 4 else y for y in found]
    return dict(zip(network().output_names, moved, strict=True))


BACKENDS: Mapping[str, Callable[[], Tensors]] = {
    backend.__name__.removeprefix("by_"): cache(backend)
    for backend in (by_llvm, by_tvm, by_gpu, by_onnx)
}


@pytest.mark.parametrize("name", [name_of(op, act) for op, act in PAIRS])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_computes_it(backend: str, name: str) -> None:
    close(BACKENDS[backend]()[name], oracle()[name])


@cache
def oracle() -> Tensors:
    """Evaluate the network."""
    return interp.run(network(), inputs())


def test_none_gives_what_another_gives() -> None:
    """The numbers tell each from all others, so a backend that takes one for another is seen."""
    results = [oracle()[name_of(Activate, act)] for act in ACTIVATIONS]
    for first, second in combinations(results, 2):
        assert relative_error(first, second) > 2 * TOLERANCE


def test_onnx_has_a_node_of_its_own_for_relu() -> None:
    kinds = node_kinds(export_onnx(network()).data)
    relus = sum(act == RELU for _, act in PAIRS)
    assert kinds.count("Relu") == relus > 0
