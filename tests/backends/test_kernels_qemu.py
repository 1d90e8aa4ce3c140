"""Every kernel on other CPUs, under qemu, against the oracle: many cases in one program.

Everyday runs try one case in four, as one of the CPUs in turn; `make fuzz` all, as all.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.lower import lower
from mbc.interp import run
from mbc.ir.graph import Graph
from tests.backends.emulated import MACHINES, build, output_of
from tests.backends.kernel_cases import arithmetic_cases, exact_cases
from tests.backends.kernel_check import TOLERANCE, place_without_overlap, relative_error
from tests.everyday import part_of

PARTS = 4 * len(MACHINES) + 1  # odd, for cases come in pairs


def _inputs(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}


@pytest.mark.parametrize(
    ("name", "part"),
    part_of(
        product(MACHINES, range(PARTS)),
        lambda name, part: 5 * [*MACHINES].index(name) == part,
    ),
)
def test_kernels_agree_with_the_oracle(tmp_path: Path, name: str, part: int) -> None:
    machine, cases = MACHINES[name], [*arithmetic_cases(), *exact_cases()]
    names, graphs, nets = [], [], []
    for number, (case, make) in enumerate(cases[part::PARTS]):
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
            errors[case] = relative_error(actual.view(wanted.dtype).reshape(wanted.shape), wanted)
    assert {case: e for case, e in errors.items() if not e <= TOLERANCE} == {}
    assert results.size == 0
