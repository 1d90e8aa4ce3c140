"""Seeded mistakes in element types and in quantised arithmetic."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

ORACLE = "tests/numeric/test_quantised_oracle.py"
NETWORKS = "tests/numeric/test_quantised_networks.py"
ELEMENTS = "tests/unit/test_elements.py"

_oracle = partial(Mutant, file="mbc/interp/quantized.py", tests=ORACLE)
_ops = partial(Mutant, file="mbc/ops/quantized.py", tests=ORACLE)
_elements = partial(Mutant, file="mbc/ir/elements.py", tests=ELEMENTS)

MUTANTS = (
    _elements(
        "a scale prints as the double that it is",
        old='f"q8({np.float32(self.scale)!s},{self.zero})"',
        new='f"q8({self.scale!r},{self.zero})"',
    ),
    _elements(
        "a scale may be subnormal",
        old="self.scale >= SMALLEST_SCALE",
        new="self.scale > 0",
    ),
    _oracle(
        "halves are rounded up",
        old="np.rint(steps).astype(np.float64)",
        new="np.floor(steps + np.float32(0.5)).astype(np.float64)",
    ),
    _oracle(
        "sums do not wrap",
        old="sums.astype(np.int64).astype(np.int32).astype(np.float32)",
        new="sums.astype(np.float32)",
    ),
    _oracle(
        "a sum is multiplied in double precision",
        old="steps: Array = wrapped(sums) * multiplier.astype(np.float32)",
        new="steps: Array = wrapped(sums) * multiplier.astype(np.float64)",
    ),
    _oracle(
        "the zero point of a residual is left in",
        old="steps: Array = wrapped(centred(node, role, codes))",
        new="steps: Array = wrapped(codes.astype(np.float64))",
    ),
    _oracle(
        "padding counts in every mean",
        old="_mean_multipliers(node, count), ",
        new="_mean_multipliers(node, np.full_like(count, count.max())), ",
    ),
    _oracle(
        "NaN has the lowest code",
        old="np.where(np.isnan(steps), np.float32(0), steps)",
        new="np.where(np.isnan(steps), -np.float32(np.inf), steps)",
    ),
    _oracle(
        "quantize divides",
        old="x.astype(np.float32) * np.float32(1 / to.scale)",
        new="x.astype(np.float32) / np.float32(to.scale)",
    ),
    _ops(
        "relu lets codes below the zero point pass",
        old="low = 0 if lo == -inf else element.code(lo)",
        new="low = 0",
    ),
    _ops(
        "scales are divided in single precision",
        old="np.float32(source.scale / (terms * to.scale))",
        new="np.float32(source.scale) / (np.float32(terms) * np.float32(to.scale))",
    ),
    _ops(
        "a multiplier is along no channels",
        old='OperandSpec("multiplier", optional=True, constant=True, along="out")',
        new='OperandSpec("multiplier", optional=True, constant=True)',
        tests=NETWORKS,
    ),
    Mutant(
        "the least integer is a subnormal number",
        "mbc/ir/subnormals.py",
        old='if array.dtype.kind != "f":\n        where = np.zeros',
        new="if False:\n        where = np.zeros",
        tests=ORACLE,
    ),
    Mutant(
        "a quantised addition is fused",
        "passes/fuse_residual_add.py",
        old="if not conv.result.type.element.is_float:",
        new="if False:",
        tests=NETWORKS,
    ),
    Mutant(
        "a pool that changes the scale is a copy",
        "passes/fold_constants.py",
        old='return node.result.type == node.view("x").type',
        new="return True",
        tests=NETWORKS,
    ),
    Mutant(
        "kernels of f32 are made for all elements",
        "backends/llvm/lower.py",
        old='    refuse_elements(graph, f"LLVM for {target.name}", integer.refusal)\n',
        new="",
        tests="tests/unit/test_argmax.py",
    ),
    Mutant(
        "any number is a code",
        "mbc/runtime/tensors.py",
        old="return np.array_equal(array.astype(element.numpy), array)",
        new="return True",
        tests=ORACLE,
    ),
)
