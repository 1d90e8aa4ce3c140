"""Layers with slopes by TVM's own ops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mbc.backends.tvm.module import relax_module
from mbc.interp import run
from tests.backends.kernel_check import close
from tests.backends.slope_cases import slope_cases
from tests.backends.tvm_cpu import NoKernels, load

CASES = {name: make for name, make in slope_cases() if name.endswith("dense")}


@pytest.mark.parametrize("name", ["slopes-pw-dense", "slopes-dw-silu-dense", "slopes-fc-dense"])
def test_tvms_own_ops_multiply_by_slopes(name: str, tmp_path: Path) -> None:
    graph, rng = CASES[name](), np.random.default_rng(5)
    given = {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}
    found = load(relax_module(graph, NoKernels()), graph, tmp_path)(given)
    for output, expected in run(graph, given).items():
        close(found[output].copy(), expected)
