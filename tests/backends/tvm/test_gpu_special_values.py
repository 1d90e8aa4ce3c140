"""NaN and infinities through GPU kernels, with the schedules for several GPUs, on PoCL."""

from __future__ import annotations

import pytest

pytest.importorskip("tvm", reason="the extra tvm is not installed")
pytest.importorskip("pyopencl", reason="the extra opencl is not installed")

import numpy as np

from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.targets.gpu import Gpu
from tests.backends.special_values import Layers, differences, special_inputs
from tests.backends.tvm.gpu_check import SCHEDULES, Device
from tests.everyday import part_of


def layers(images: int) -> Graph:
    """Those that GPUs have kernels for."""
    return Layers(images, chains=False, arena=False).build()


@pytest.mark.parametrize(
    "gpu",
    part_of(zip(SCHEDULES), lambda gpu: gpu == SCHEDULES[0], lambda gpu: gpu.arch or gpu.api),
)
def test_special_values_are_the_oracles(gpu: Gpu) -> None:
    """All in one batch, since kernels are compiled for each run."""
    kinds = special_inputs(layers(1))
    graph = layers(len(kinds))
    batch = {
        value.name: np.concatenate([given[value.name] for given in kinds.values()])
        for value in graph.inputs
    }
    actual, expected = Device().run(graph, gpu, batch), run(graph, batch)
    found = {}
    for number, (kind, given) in enumerate(kinds.items()):
        one = [{n: x[number : number + 1] for n, x in side.items()} for side in (actual, expected)]
        if problems := [*differences(given, *one)]:
            found[kind] = problems
    assert found == {}
