"""Seeded mistakes in what is told of backends without a kernel."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

_page = partial(Mutant, tests="tests/unit/test_ops_page.py")

MUTANTS = (
    _page(
        "LLVM is handed ops that it has no kernel for",
        "backends/llvm/lower.py",
        old='refuse_ops(graph, backend.has_kernel, f"LLVM for {target.name}")',
        new="",
    ),
    _page(
        "GPUs are handed ops that they have no kernel for",
        "backends/tvm/gpu/planner.py",
        old='refuse_ops(graph, backend.has_kernel, f"TVM for {gpu}")',
        new="",
    ),
    _page(
        "modules for GPUs are handed ops that they have no kernel for",
        "backends/tvm/gpu/module.py",
        old='refuse_ops(graph, backend.has_kernel, f"TVM for {gpu}")',
        new="",
    ),
    Mutant(
        "a fused body without a kernel is lowered",
        "backends/llvm/lower.py",
        old='refuse_bodies(graph, backend, f"LLVM for {target.name}")',
        new="",
        tests="tests/unit/test_bodies_without_kernels.py",
    ),
    Mutant(
        "a GPU is handed a fused body without a kernel",
        "backends/tvm/gpu/planner.py",
        old='refuse_bodies(graph, backend, f"TVM for {gpu}")',
        new="",
        tests="tests/unit/test_bodies_without_kernels.py",
    ),
    Mutant(
        "rows of codes are averaged",
        "passes/fuse_depthwise_mean.py",
        old="if view.type.element is not F32:",
        new="if False:",
        tests="tests/numeric/test_quantised_networks.py::test_rows_of_codes_are_not_averaged",
    ),
    _page(
        "the export is handed ops that ONNX does not have",
        "frontends/onnx/export.py",
        old='refuse_ops(graph, is_exported, "the export to ONNX")',
        new="",
    ),
    _page(
        "passes are told that there is a kernel where there is none",
        "mbc/targets/kernels.py",
        old='return f"there is no kernel for {node.op.label}"',
        new='return ""',
    ),
    _page(
        "methods of the importer's builder are not searched for what they make",
        "frontends/lowering/makes.py",
        old="(known, *map(vars, modules), vars(Builder))",
        new="(known, *map(vars, modules))",
    ),
)
