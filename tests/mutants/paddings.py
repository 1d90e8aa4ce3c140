"""Seeded mistakes in how windows that lie in the padding are streamed by rows."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

STREAM = "tests/backends/test_kernels.py::test_agrees_with_the_oracle"

_stream = partial(
    Mutant,
    file="backends/llvm/kernels/stream.py",
    tests=f"{STREAM}[chain-9x9-k3s1d1p4.4.4.4-dense-avx2]",
)

MUTANTS = (
    _stream(
        "a window that ends above the image needs all rows",
        old='end = f.binary("sub", f.clamp("max", end, pad), pad)',
        new='end = f.binary("sub", end, pad)',
    ),
    _stream(
        "the first row under a window that begins above the image is the last",
        old='wanted = f.clamp("max", f.binary("mul", reader_row, stride), pad)',
        new='wanted = f.binary("mul", reader_row, stride)',
    ),
)
