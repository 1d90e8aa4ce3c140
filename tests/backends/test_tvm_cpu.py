"""The TVM backend on CPUs: our kernels called by TVM, and TVM's ops where we have none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings

from mbc.backends.tvm.cpu.backend import TvmBackend
from mbc.backends.tvm.cpu.module import KernelCaller, cpu_module
from mbc.backends.tvm.module import relax_module
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Graph
from mbc.ir.op import Op
from mbc.ir.text.printer import print_graph
from mbc.ir.views import ChannelMap, ChannelView
from mbc.ops import Add, AvgPool, Conv2d, MaxPool, Softmax
from mbc.ops.elementwise import Activate
from mbc.ops.linear import Dense
from mbc.ops.reduce import ReduceMax, ReduceMean, ReduceSum
from mbc.runtime.reference import seeded_inputs
from tests.backends.cases import Case
from tests.backends.grid_cases import grid_cases
from tests.backends.kernel_check import Net, equal
from tests.backends.special_values import Layers, differences, special_inputs
from tests.backends.tvm_cpu import HOST, NoKernels, fuse, load
from tests.e2e.support import ROOT, relative_error
from tests.everyday import part_of
from tests.exact import exact_inputs
from tests.example_networks import EXAMPLE_NETWORKS, PAIR, Example
from tests.random_networks import networks


def called(module: Any) -> set[str]:
    """Names of the functions of a module."""
    return {str(variable.name_hint) for variable in module.get_global_vars()} - {"main"}


@pytest.mark.parametrize("example", part_of(zip(EXAMPLE_NETWORKS), lambda e: e in PAIR, str))
def test_examples_agree_with_the_oracle(example: Example, tmp_path: Path) -> None:
    _agrees(example, "64", tmp_path)


@pytest.mark.slow
@pytest.mark.thorough
def test_a_whole_network_agrees_at_full_resolution(tmp_path: Path) -> None:
    _agrees(Example("mobilenet_v1"), "224", tmp_path)


def _agrees(example: Example, resolution: str, folder: Path) -> None:
    graph = example.graph(resolution=resolution)
    initialise(graph, 0)
    fused = fuse(graph)
    net = load(cpu_module(fused, HOST), fused, folder)
    inputs = seeded_inputs(net.inputs, 0)
    found, wanted = net(inputs), run(graph, inputs)
    for name, y in wanted.items():
        assert relative_error(found[name], y) <= 1e-4


def test_random_networks_are_exact() -> None:
    """Fused, through our kernels; and as written, through TVM's ops alone."""

    @settings(max_examples=8, deadline=None)
    @given(graph=networks(max_stages=2, max_units=2))
    def check(graph: Graph) -> None:
        note(print_graph(graph))
        inputs = exact_inputs(graph)
        wanted = run(graph, inputs)
        fused = fuse(graph)
        for module, made_of in (
            (cpu_module(fused, HOST), fused),
            (relax_module(graph, NoKernels()), graph),
        ):
            with TemporaryDirectory() as folder:
                found = load(module, made_of, Path(folder))(inputs)
            for name, y in wanted.items():
                equal(found[name], y)

    check()


def test_special_values_are_the_oracles_by_tvms_ops(tmp_path: Path) -> None:
    graph, found = Layers(chains=False, arena=False, products=False).build(), {}
    net = load(relax_module(graph, NoKernels()), graph, tmp_path)
    for kind, special in special_inputs(graph).items():
        if problems := [*differences(special, net(special), run(graph, special))]:
            found[kind] = problems
    assert found == {}


def test_kernels_of_ours_run_all_of_a_fused_network() -> None:
    graph = Example("mobilenet_v1").graph(resolution="32")
    initialise(graph, 0)
    fused = fuse(graph)
    module = cpu_module(fused, HOST)
    assert "call_extern" in module.script()
    assert "R.nn." not in module.script(), "TVM runs an op that we have a kernel for"
    assert len(called(module)) < len(list(fused.topo())), "equal kernels are shared"


PINNED = """
import os
from tests.backends.test_tvm_cpu import free_to_run
before = os.sched_getaffinity(0)
free_to_run()
print(os.sched_getaffinity(0) == before)
"""


def free_to_run() -> None:
    """Run something on two of TVM's threads."""
    net = Net()
    x = net.input(1, 16, 16, 8)
    graph = net.outputs(net.graph.add(Conv2d(), [x, net.constant(1, 1, 8, 8), None]).result)
    with TemporaryDirectory() as folder:
        loaded = load(cpu_module(graph, HOST), graph, Path(folder))
        loaded(seeded_inputs(loaded.inputs, 0))


@pytest.mark.skipif(os.cpu_count() == 1, reason="on one CPU nothing can be pinned")
def test_the_process_stays_on_all_its_cpus() -> None:
    """TVM would pin the thread that runs the network, and with it all that this thread starts."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TVM_NUM_THREADS": "2"}
    environment.pop("TVM_BIND_THREADS", None)
    command = [sys.executable, "-c", PINNED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


# ---- what TVM runs for us --------------------------------------------------------------------


def through_tvm(graph: Graph, folder: Path) -> tuple[set[str], dict[str, np.ndarray]]:
    """The functions that our kernels have, and the outputs, which are right."""
    module = cpu_module(graph, HOST)
    net = load(module, graph, folder)
    inputs = seeded_inputs(net.inputs, 1)
    found, wanted = net(inputs), run(graph, inputs)
    for name, y in wanted.items():
        assert relative_error(found[name], y) <= 1e-5
    return called(module), found


def test_a_view_that_no_kernel_reads_is_gathered_by_tvm(tmp_path: Path) -> None:
    net = Net()
    a, b = net.input(1, 6, 6, 8, name="a"), net.input(1, 6, 6, 8, name="b")
    shuffled = ChannelView.of(a).through(ChannelMap.shuffle(2, 8))
    total = net.graph.add(Add(act=RELU), [shuffled, ChannelView.of(b)]).result
    swapped = ChannelView.of(total).through(ChannelMap((1, 0, *range(2, 8))))
    clipped = net.graph.add(Activate(RELU6), [swapped]).result
    graph = net.outputs(ChannelView.concat([ChannelView.of(clipped), ChannelView.of(b)]))
    functions, _ = through_tvm(graph, tmp_path)
    assert functions == set(), "no kernel of ours reads these views"
    assert [bool(TvmBackend(HOST).supports(node)) for node in graph.topo()] == [False, False]


def test_what_we_run_and_what_tvm_runs_mix(tmp_path: Path) -> None:
    net = Net()
    x = net.input(1, 7, 9, 10)
    weight = net.constant(3, 3, 10, 12)
    y = net.graph.add(Conv2d(pad=(1, 1, 1, 1), act=RELU), [x, weight, net.constant(12)]).result
    mixed = ChannelView.of(y).through(ChannelMap.shuffle(3, 12))
    graph = net.outputs(net.graph.add(Add(), [mixed, ChannelView.of(y)]).result)
    functions, _ = through_tvm(graph, tmp_path)
    assert len(functions) == 1


def test_several_outputs_keep_their_order(tmp_path: Path) -> None:
    net = Net()
    x = net.input(1, 8, 8, 6)
    largest = net.graph.add(MaxPool(pad=(0, 1, 1, 0)), [x]).result
    mean = net.graph.add(AvgPool(kernel=(3, 3), pad=(1, 1, 0, 1)), [x]).result
    _, found = through_tvm(net.outputs(mean, largest), tmp_path)
    assert [array.shape for array in found.values()] == [mean.type.shape, largest.type.shape]


def test_batches_and_classifiers(tmp_path: Path) -> None:
    net = Net()
    x = net.input(3, 20)
    y = net.graph.add(Dense(act=RELU), [x, net.constant(20, 13), net.constant(13)]).result
    graph = net.outputs(net.graph.add(Softmax(), [y]).result)
    through_tvm(graph, tmp_path)


def test_reductions_by_ops_of_tvm(tmp_path: Path) -> None:
    """Maxima of NaN and of infinities too; windows that hang over, or are dilated."""
    net = Net()
    x = net.input(2, 3, 4, 5)
    kinds: list[Op] = [ReduceMean((1, 2)), ReduceSum((0, 3), keep=True)]
    kinds += [ReduceMax((2,)), ReduceMax((0, 3)), MaxPool((2, 2), (1, 1), dilation=(1, 2))]
    kinds += [AvgPool((2, 3), (2, 2), (0, 1, 1, 0), True, overhang=(1, 0))]
    graph = net.outputs(*(net.graph.add(op, [x]).result for op in kinds))
    given = np.random.default_rng(0).standard_normal((2, 3, 4, 5), np.float32)
    given[0, 1, 2, 3], given[1, 2] = np.nan, -np.inf
    found = load(relax_module(graph, NoKernels()), graph, tmp_path)({"x": given})
    for name, wanted in run(graph, {"x": given}).items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-6, atol=1e-6)


def test_kernels_share_a_function_where_only_weights_differ() -> None:
    net = Net()
    x = net.input(1, 4, 4, 8)
    for _ in range(3):
        x = net.graph.add(Conv2d(), [x, net.constant(1, 1, 8, 8), None]).result
    graph = net.outputs(x)
    caller = KernelCaller(HOST)
    module = relax_module(graph, caller)
    assert len(called(module)) == 1
    assert str(module["main"]).count("call_tir(") == 3


@pytest.mark.parametrize("case", [*grid_cases()], ids=lambda case: case[0])
def test_moves_along_any_axis_by_tvms_own_ops(case: Case, tmp_path: Path) -> None:
    graph = case[1]()
    net = load(relax_module(graph, NoKernels()), graph, tmp_path)
    inputs = seeded_inputs(net.inputs, 0)
    found = net(inputs)
    for name, wanted in run(graph, inputs).items():
        equal(found[name], wanted)
