"""Tables of what computes on 8-bit codes, beside those of `tables.py`."""

from __future__ import annotations

from collections.abc import Mapping

ORACLE_ON_CODES = "tests/numeric/test_quantised_oracle.py"
QUANTISE = "tests/numeric/test_quantise.py"

ON_CODES: Mapping[str, tuple[str, ...]] = {
    "tests/backends/test_integer_kernels.py": (
        "backends/llvm/integer/kernels.py BUILDERS",
        "backends/llvm/integer/kernels.py _vector()",
        "backends/llvm/integer/kernels.py FORMULAS",
        "backends/llvm/kernels/byte_rows.py STEPS",
        "backends/llvm/integer/dots.py OF_ISA",
        "backends/llvm/integer/dots.py OF_EXTENSION",
        "backends/llvm/integer/narrow.py NARROWINGS",
        "backends/llvm/integer/narrow.py OF_BLOCKS",
        "backends/llvm/isa.py DOTS",
    ),
    "tests/backends/test_integer_arm.py": (
        "backends/llvm/integer/along.py BLOCKS_DECLARED",
        "backends/llvm/integer/along.py CHUNKS",
        "backends/llvm/integer/along.py PAIRS_DECLARED",
        "backends/llvm/integer/dots.py ALONG",
    ),
    ORACLE_ON_CODES: (
        "mbc/interp/quantized.py INTEGER",
        "mbc/ops/quantized.py LAYER_ELEMENTS",
    ),
    QUANTISE: (
        "passes/quantising/forms.py FORMS",
        "passes/quantising/forms.py _REASONS",
        "passes/quantising/prepare.py PREPARATION",
        "passes/quantising/rewrite.py INTEGERS",
    ),
}
"""The tables, as "file name", by the tests that notice."""
