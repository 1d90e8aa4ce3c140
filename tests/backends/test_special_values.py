"""NaN in gives NaN out, and infinities are IEEE's: every kind of kernel as the oracle has it, with
scratch, arena and padding full of NaN before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import lower
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.passes.pipelines import O0, O2, O2_MEMORY
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext, Pipeline
from mbc.targets.target import Target
from tests.backends.emulated import MACHINES, build, output_of
from tests.backends.kernel_check import host_target, host_targets, place_without_overlap, poisoned
from tests.backends.special_values import (
    Layers,
    Tensors,
    difference,
    differences,
    plain,
    special_inputs,
)
from tests.everyday import part_of
from tests.example_networks import Example

SSE = Target("x86_64", host_target().triple, "nehalem", "sse")
TARGETS = {**host_targets(), **({"sse": SSE} if host_target().isa == "avx2" else {})}


@pytest.mark.parametrize("isa", TARGETS)
def test_special_values_are_the_oracles(isa: str) -> None:
    graph = Layers().build()
    place_without_overlap(graph, TARGETS[isa])
    with poisoned():
        net = JitNet(lower(graph, TARGETS[isa]))
    found = {}
    for kind, given in special_inputs(graph).items():
        actual = net(given)
        if problems := [*differences(given, actual, run(graph, given))]:
            found[kind] = problems
    assert found == {}


@pytest.mark.parametrize("name", part_of(((n,) for n in MACHINES), "arm64".__eq__))
def test_special_values_are_the_oracles_on_other_machines(tmp_path: Path, name: str) -> None:
    machine, graph, found = MACHINES[name], Layers().build(), {}
    place_without_overlap(graph, machine.target)
    net, given = lower(graph, machine.target), special_inputs(graph)
    program = build([net], [net] * len(given), tmp_path, machine)
    data = b"".join(x[spec.name].tobytes() for x in given.values() for spec in net.spec.inputs)
    ends = np.cumsum([spec.count for spec in net.spec.outputs])
    answers = output_of(program, machine, data).reshape(len(given), ends[-1])
    for (kind, tensors), answer in zip(given.items(), answers, strict=True):
        parts = zip(net.spec.outputs, np.split(answer, ends[:-1]), strict=True)
        actual = {spec.name: part.reshape(spec.shape) for spec, part in parts}
        if problems := [*differences(tensors, actual, run(graph, tensors))]:
            found[kind] = problems
    assert found == {}


def test_differences_are_noticed() -> None:
    graph = Layers().build()
    given = special_inputs(graph)["NaN first"]
    wanted = run(graph, given)
    assert [*differences(given, wanted, wanted)] == []
    for name, array in wanted.items():
        spoilt = array.copy()
        spoilt.flat[-1] = np.inf
        assert len([*differences(given, wanted | {name: spoilt}, wanted)]) == 1, name
        lost = np.nan_to_num(array, nan=1.0)
        assert len([*differences(given, wanted | {name: lost}, wanted)]) == 1, name


@pytest.mark.parametrize("pipeline", [O0, O2, O2_MEMORY], ids=["O0", "O2", "memory"])
@pytest.mark.parametrize("name", ["mobilenet_v1", "shufflenet_v1"])
def test_one_pixel_changes_a_network_as_it_does_the_oracle(name: str, pipeline: Pipeline) -> None:
    graph = Example(f"digits/{name}").graph()
    initialise(graph)
    wanted = [(given, run(graph, given)["output"]) for given in spoilt_images(graph)]
    assert np.isnan(wanted[0][1]).all()
    run_pipeline(graph, pipeline, PassContext(LlvmBackend(host_target())))
    with poisoned():
        net = JitNet(lower(graph, host_target()))
    assert [difference(net(given)["output"], y) for given, y in wanted] == [""] * len(wanted)


def spoilt_images(graph: Graph) -> Iterator[Tensors]:
    """Images with one element that is no number."""
    for value in (np.nan, np.inf, -np.inf):
        images = plain(graph)
        for image in images.values():
            image[0, 3, 4, 0] = value
        yield images
