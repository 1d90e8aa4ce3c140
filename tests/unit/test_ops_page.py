"""docs/ops.md lists the ops as the product has them, and what it lists as refused is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mbc.backends.llvm.backend import BUILDERS, LlvmBackend
from mbc.backends.llvm.lower import lower
from mbc.backends.tvm.cpu.backend import TvmBackend
from mbc.backends.tvm.cpu.module import cpu_module
from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.backends.tvm.gpu.kernels import BUILDERS as GPU_BUILDERS
from mbc.backends.tvm.gpu.module import gpu_module
from mbc.backends.tvm.gpu.planner import plan_launches
from mbc.backends.tvm.legal.nodes import EMITTERS as RELAX_EMITTERS
from mbc.diag import MbcError
from mbc.driver.platforms import resolve
from mbc.driver.support import COLUMNS, NOT_MADE, YES, support_of, support_rows
from mbc.frontends.onnx.export import export_onnx
from mbc.frontends.onnx.ops import EMITTERS as ONNX_EMITTERS
from mbc.ir.activations import KINDS, Activation
from mbc.ir.graph import Graph
from mbc.ir.op import Op
from mbc.ops import OPS, Activate, Add, L2Normalize
from mbc.targets.backend import Backend
from mbc.targets.gpu import Gpu
from tests.activations import ALL_ACTS
from tests.onnx_models import imported
from tests.op_samples import graph_of, samples
from tests.ops_page import TABLES, rewrite, shown

TARGET, GPU = resolve("arm64"), Gpu("opencl")

COMPILERS: Mapping[str, Callable[[Graph], object]] = {
    "llvm": lambda graph: lower(graph, TARGET),
    "tvm (CPU)": lambda graph: cpu_module(graph, TARGET),
    "tvm (GPU)": lambda graph: plan_launches(graph, GPU),
    "ONNX export": export_onnx,
}
"""What compiles a graph, by the column that says whether it can."""

TABLES_OF_KERNELS: Mapping[str, Sequence[Any]] = {
    "llvm": [BUILDERS],
    "tvm (CPU)": [BUILDERS, RELAX_EMITTERS],
    "tvm (GPU)": [GPU_BUILDERS],
    "ONNX export": [ONNX_EMITTERS],
}


@pytest.fixture(scope="module", autouse=True)
def _updated(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        rewrite()


@pytest.mark.parametrize("name", TABLES)
def test_the_page_is_current(name: str) -> None:
    assert shown()[name] == TABLES[name]()


def test_every_op_and_activation_has_a_row() -> None:
    names = [row[0].strip() for row in support_rows()]
    assert names == [*(op.mnemonic for op in OPS), *KINDS]
    assert all(len(row) == len(COLUMNS) + 1 for row in support_rows())


def holes() -> Iterator[tuple[type[Op], str, str]]:
    for op in OPS:
        for column, cell in support_of(op).items():
            if cell not in (YES, NOT_MADE):
                yield op, column, cell


@pytest.mark.parametrize(("op", "column", "code"), [*holes()])
def test_a_hole_is_a_refusal(op: type[Op], column: str, code: str) -> None:
    with pytest.raises(MbcError, match=code):
        COMPILERS[column](graph_of(samples()[op]))


@pytest.mark.parametrize("column", COMPILERS)
def test_what_a_table_lacks_is_a_hole(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each backend: an op that loses its kernels is listed, and refused, as one without."""
    for table in TABLES_OF_KERNELS[column]:
        monkeypatch.delitem(table, Add)
    assert support_of(Add)[column] == "E0517"
    with pytest.raises(MbcError, match=r"E0517: .* has no kernel for add"):
        COMPILERS[column](graph_of(Add()))


BACKENDS: Mapping[str, Backend] = {
    "llvm": LlvmBackend(TARGET),
    "tvm (CPU)": TvmBackend(TARGET),
    "tvm (GPU)": GpuBackend(GPU),
}


@pytest.mark.parametrize("column", BACKENDS)
def test_passes_are_told(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (node,) = graph_of(Add()).topo()
    assert BACKENDS[column].supports(node)
    for table in TABLES_OF_KERNELS[column]:
        monkeypatch.delitem(table, Add)
    assert BACKENDS[column].supports(node).reason == "there is no kernel for add"
    assert BACKENDS[column].candidates(node) == ()


def test_a_module_for_gpus_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(GPU_BUILDERS, Add)
    with pytest.raises(MbcError, match="E0517"):
        gpu_module(graph_of(Add()), GPU)


WRITTEN_OUT = {L2Normalize}
"""Ops that are exported as several, which come back as such; others are imported as these."""

EXPORTED = [
    *(op for op in OPS if support_of(op)["ONNX export"] == YES and op not in WRITTEN_OUT),
    *KINDS.values(),
]


def sample_of(kind: type[Op] | type[Activation]) -> tuple[Op, str]:
    """An op, or one with an activation, and whether it is imported."""
    if issubclass(kind, Op):
        return samples()[kind], support_of(kind)["ONNX import"]
    act = next(act for act in ALL_ACTS if isinstance(act, kind))
    return Activate(act), support_of(Activate, kind)["ONNX import"]


@pytest.mark.parametrize("kind", EXPORTED, ids=lambda kind: kind.__name__)
def test_the_import_column_is_true(kind: type[Op] | type[Activation], tmp_path: Path) -> None:
    """What is exported comes back as it was where the column says so, or vanishes. Else it is
    refused, or made of other ops."""
    op, listed = sample_of(kind)
    ops, refusal = back(op, tmp_path)
    made = {*map(type, ops), *(type(op.act) for op in ops if isinstance(op, Activate))}
    assert refusal == "" or (refusal, listed) == ("E0802", NOT_MADE)
    assert (kind in made) == (listed == YES) or not ops


def back(op: Op, folder: Path) -> tuple[list[Op], str]:
    """Export and import an op: the ops that come back, or the code of the refusal."""
    model = export_onnx(graph_of(op)).data
    try:
        return [node.op for node in imported(model, folder).topo()], ""
    except MbcError as problem:
        return [], problem.diagnostics[0].code
