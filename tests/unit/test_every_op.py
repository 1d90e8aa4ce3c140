"""Every op in every table: what has no row there is refused, and the product says so itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from math import isfinite
from pathlib import Path

import numpy as np
import pytest

import mbc.ops
from mbc import interp
from mbc.backends.llvm.backend import BUILDERS, LlvmBackend, builder_of
from mbc.backends.llvm.lower import lower
from mbc.backends.tvm.gpu.kernels import BUILDERS as GPU_BUILDERS
from mbc.backends.tvm.legal.nodes import EMITTERS as RELAX_EMITTERS
from mbc.backends.tvm.module import relax_module
from mbc.diag import MbcError
from mbc.driver.platforms import resolve
from mbc.frontends.onnx.export import export_onnx
from mbc.frontends.onnx.ops import EMITTERS as ONNX_EMITTERS
from mbc.frontends.weights.moments import propagate, standard_normal
from mbc.frontends.weights.seeded import DRAWS
from mbc.interp.kernels import KERNELS
from mbc.interp.quantized import INTEGER
from mbc.ir import activations
from mbc.ir.op import Op
from mbc.ir.text.parser import parse
from mbc.ir.text.printer import print_graph
from mbc.ir.views import ChannelView
from mbc.ops import (
    OPS,
    Activate,
    AvgPool,
    GlobalAvgPool,
    InstanceNorm,
    L2Normalize,
    LogSoftmax,
    Lrn,
    MatMul,
    MaxPool,
    Resize,
)
from mbc.ops.cost import node_cost
from mbc.ops.quantized import MULTIPLIER
from mbc.ops.unary import UNARY
from mbc.targets.elements import CONVERSIONS
from tests.backends.kernel_check import place_without_overlap
from tests.backends.tvm_cpu import NoKernels
from tests.op_samples import graph_of, samples

ROOT = Path(__file__).resolve().parents[2]
TARGET = resolve("arm64")


def concrete(base: type[Op]) -> set[type[Op]]:
    """Return the ops of `mbc/ops` that are derived from one: those with a mnemonic."""
    found = {base} if "mnemonic" in vars(base) else set()
    inherited = (op for child in base.__subclasses__() for op in concrete(child))
    return {op for op in {*found, *inherited} if op.__module__.startswith("mbc.ops.")}


ON_CPUS_ALONE: frozenset[type[Op]] = frozenset(
    (*UNARY, LogSoftmax, L2Normalize, InstanceNorm, Lrn, MatMul)
)
"""Ops that GPUs have no kernel for."""

ALL = sorted(concrete(Op), key=lambda op: op.mnemonic)
FUSED = {op for op in ALL if "bodies" in vars(op)}
COMPUTED = [op for op in ALL if op not in CONVERSIONS]  # in f32
every_op = pytest.mark.parametrize("op", ALL, ids=lambda op: op.mnemonic)
every_computed_op = pytest.mark.parametrize("op", COMPUTED, ids=lambda op: op.mnemonic)


@every_op
def test_it_is_listed_and_has_a_sample(op: type[Op]) -> None:
    assert op in OPS
    assert op in samples()
    assert op.__name__ in mbc.ops.__all__
    assert len(OPS) == len(set(OPS)) == len(ALL)


TABLES: Mapping[str, Mapping[type[Op], object]] = {
    "oracle": KERNELS,
    "relax": RELAX_EMITTERS,
    "ONNX": ONNX_EMITTERS,
}
"""Tables of what runs node by node, as the body of a fused op does there."""


@pytest.mark.parametrize("table", TABLES)
@every_op
def test_it_has_a_row_unless_it_is_fused_or_a_conversion(op: type[Op], table: str) -> None:
    converts = op in CONVERSIONS and table != "ONNX"
    assert (op in TABLES[table]) == (op not in FUSED and not converts)


@every_op
def test_the_oracle_evaluates_it(op: type[Op]) -> None:
    graph = graph_of(samples()[op])
    inputs = {value.name: np.ones(value.type.shape, np.float32) for value in graph.inputs}
    results = list(interp.run(graph, inputs).values())
    assert [result.shape for result in results] == [view.type.shape for view in graph.outputs]
    assert op in INTEGER or op not in CONVERSIONS


@every_op
def test_it_has_kernels_of_llvm(op: type[Op]) -> None:
    graph = graph_of(samples()[op])
    place_without_overlap(graph, TARGET)
    (node,) = graph.topo()
    assert LlvmBackend(TARGET).supports(node)
    assert op in CONVERSIONS or builder_of(node) in BUILDERS.values() or op not in BUILDERS
    assert "define" in lower(graph, TARGET).kernel_ir


@pytest.mark.parametrize(
    "op", [MaxPool, AvgPool, GlobalAvgPool, Resize], ids=lambda op: op.mnemonic
)
def test_pools_read_parts_of_values(op: type[Op]) -> None:
    """They are gathered, not first copied."""
    graph = graph_of(samples()[op])
    (node,) = graph.topo()
    part = ChannelView.of(graph.inputs[0]).slice(2, 4)
    assert LlvmBackend(TARGET).supports(replace(node, operands=(part,)))


@every_computed_op
def test_gpus_have_a_kernel(op: type[Op]) -> None:
    assert (op in GPU_BUILDERS) == (op not in ON_CPUS_ALONE)


@every_computed_op
def test_the_models_of_time_take_it(op: type[Op]) -> None:
    (node,) = graph_of(samples()[op]).topo()
    predicted = LlvmBackend(TARGET).predict(node).cycles
    assert isfinite(predicted)
    assert predicted > 0
    cost = node_cost(node)
    assert min(cost.bytes_read, cost.bytes_written) > 0


@every_computed_op
def test_onnx_has_it(op: type[Op]) -> None:
    assert export_onnx(graph_of(samples()[op])).data


@every_computed_op
def test_moments_of_its_results_are_known(op: type[Op]) -> None:
    graph = graph_of(samples()[op])
    inputs = [standard_normal(value.type) for value in graph.inputs]
    found = propagate(graph, inputs, lambda graph, node, operands: None)
    for moments, view in zip(found, graph.outputs, strict=True):
        assert moments.channels.mean.size == view.type.channels
        assert np.isfinite(moments.mean).all()


@every_computed_op
def test_its_constants_can_be_drawn(op: type[Op]) -> None:
    """But those of quantised layers, which are refused (E0410)."""
    roles = {spec.name for spec in op.operands if spec.constant}
    assert roles - {MULTIPLIER.name} <= DRAWS.keys()


@pytest.mark.parametrize("op", CONVERSIONS, ids=lambda op: op.mnemonic)
def test_conversions_are_refused_where_codes_have_no_kernels(op: type[Op]) -> None:
    with pytest.raises(MbcError, match="E0509"):
        relax_module(graph_of(samples()[op]), NoKernels())


@every_op
def test_its_text_comes_back(op: type[Op]) -> None:
    text = print_graph(graph_of(samples()[op]))
    assert print_graph(parse(text)) == text


# ---- what people write, read and try -----------------------------------------------------------


@cache
def named_in(path: str) -> frozenset[str]:
    """Return the names that a file calls."""
    calls = (n for n in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(n, ast.Call))
    return frozenset(call.func.id for call in calls if isinstance(call.func, ast.Name))


@every_op
def test_the_dsl_has_a_layer_that_makes_it(op: type[Op]) -> None:
    """But for what passes make, and what only text can say."""
    layers = (ROOT / "frontends/dsl/layers").glob("*.py")
    made = any(op.__name__ in named_in(str(file.relative_to(ROOT))) for file in layers)
    assert made == (op not in FUSED and op not in CONVERSIONS)


@every_op
def test_random_networks_have_it(op: type[Op]) -> None:
    wide = [str(file.relative_to(ROOT)) for file in (ROOT / "tests/fuzzing").glob("wide*.py")]
    files = ["tests/quantised_graphs.py"] if op in CONVERSIONS else wide
    assert op in FUSED or any(op.__name__ in named_in(file) for file in files)


def rows_on_special_values() -> frozenset[str]:
    """Return what the first column of a table in docs/ir.md names: what NaN and infinity give."""
    _, _, table = (ROOT / "docs" / "ir.md").read_text("utf-8").partition("| NaN and infinity |\n")
    rows = table.partition("\n\n")[0].splitlines()
    return frozenset(name for row in rows for name in re.findall(r"\w+", row.split("|")[1]))


@every_computed_op
def test_a_page_says_what_it_makes_of_special_values(op: type[Op]) -> None:
    names = {op.mnemonic} if op is not Activate else {*activations.names()}
    assert op in FUSED or names <= rows_on_special_values()


@every_op
def test_a_page_tells_of_it(op: type[Op]) -> None:
    assert re.search(rf"\b{op.mnemonic}\b", (ROOT / "docs" / "ir.md").read_text("utf-8"))
