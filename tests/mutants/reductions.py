"""Seeded mistakes in reductions and in what pools count."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

_kernels = partial(Mutant, tests="tests/backends/test_kernels.py")
_oracle = partial(Mutant, tests="tests/numeric/test_oracle_reductions.py")

MUTANTS = (
    _kernels(
        "the tail of reduced channels counts what is beside it",
        "backends/llvm/kernels/axes.py",
        old="load(f, end, 0, tail, rule.neutral)",
        new="load(f, end)",
    ),
    _kernels(
        "axes that are kept are found in the wrong order",
        "backends/llvm/kernels/axes.py",
        old="in enumerate(kept[::-1], 1)",
        new="in enumerate(kept, 1)",
    ),
    _kernels(
        "a mean counts the columns that hang over",
        "backends/llvm/window.py",
        old="- self.overhang[axis]",
        new="",
    ),
    _oracle(
        "a strip counts the rows that hang over",
        "mbc/interp/strips.py",
        old="pad=pad, overhang=(down, op.overhang[1])",
        new="pad=pad, overhang=(0, op.overhang[1])",
    ),
    Mutant(
        "a dilated window may read padding alone",
        "mbc/ops/pool.py",
        old="(skipped < self.kernel[axis]) & ",
        new="",
        tests="tests/unit/test_dsl_reductions.py",
    ),
)
