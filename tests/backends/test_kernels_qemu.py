"""Every kernel on other CPUs, under qemu, against the oracle: all cases in one program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.lower import lower
from mbc.interp import run
from mbc.ir.graph import Graph
from tests.backends.emulated import MACHINES, build, output_of
from tests.backends.kernel_cases import arithmetic_cases, exact_cases
from tests.backends.kernel_check import TOLERANCE, place_without_overlap, relative_error


def _inputs(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}


@pytest.mark.parametrize("name", MACHINES)
def test_kernels_agree_with_the_oracle(tmp_path: Path, name: str) -> None:
    machine = MACHINES[name]
    names, graphs, nets = [], [], []
    for number, (case, make) in enumerate([*arithmetic_cases(), *exact_cases()]):
        graph = make()
        graph.name = f"case{number}"
        place_without_overlap(graph, machine.target)
        names.append(case)
        graphs.append(graph)
        nets.append(lower(graph, machine.target))
    program = build(nets, nets, tmp_path, machine)
    given = [_inputs(graph) for graph in graphs]
    data = b"".join(array.tobytes() for inputs in given for array in inputs.values())
    results, errors = output_of(program, machine, data), {}
    for case, graph, inputs in zip(names, graphs, given, strict=True):
        for wanted in run(graph, inputs).values():
            actual, results = np.split(results, [wanted.size])
            errors[case] = relative_error(actual.reshape(wanted.shape), wanted)
    assert {case: e for case, e in errors.items() if not e <= TOLERANCE} == {}
    assert results.size == 0
