"""Seeded mistakes in kernels on codes."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

KERNELS = "tests/backends/test_integer_kernels.py"
ARM = "tests/backends/test_integer_arm.py"
CHAINS = "tests/backends/test_integer_chains.py"
FOLDER = "backends/llvm/integer"

_codes = partial(Mutant, file=f"{FOLDER}/codes.py", tests=KERNELS)
_narrow = partial(Mutant, file=f"{FOLDER}/narrow.py", tests=KERNELS)
_product = partial(Mutant, file=f"{FOLDER}/product.py", tests=KERNELS)
_convert = partial(Mutant, file=f"{FOLDER}/convert.py", tests=KERNELS)
_rows = partial(Mutant, file=f"{FOLDER}/rows.py", tests=KERNELS)
_rows_of_arm = partial(Mutant, file=f"{FOLDER}/rows.py", tests=ARM)

MUTANTS = (
    _codes(
        "a step beyond s32 is narrowed as it is",
        old="fits=largest < LARGEST_STEP",
        new="fits=largest < 1e30",
    ),
    _codes(
        "the zero point of what is read counts for nothing",
        old="    if zero:\n        whole = f.op",
        new="    if False:\n        whole = f.op",
    ),
    _narrow(
        "an activation does not bound codes that saturate",
        old="if bound != free:",
        new="if False:",
    ),
    _narrow(
        "codes that lie apart are stored together",
        old="piece.offset != run[-1].offset + lanes",
        new="piece.offset < 0",
    ),
    _product(
        "units that subtract 128 have the bias of others",
        old="bias = bias + missing * weight",
        new="bias = bias + (missing - 1) * weight",
    ),
    _product(
        "the last columns of a group are stored whole",
        old="exact = self.groups > 1 or",
        new="exact = self.groups > 99 or",
    ),
    _rows(
        "padding is a code of 0",
        old="return self.zero - self.dot.subtracted(self.zero)",
        new="return 0",
    ),
    _rows_of_arm(
        "short runs are read beyond the pixel",
        old="if length + spare >= SIZE:",
        new="if length + spare >= 0:",
    ),
    _rows_of_arm(
        "the last vector of a run ends behind it",
        old="(length - SIZE, SIZE)]",
        new="(length // SIZE * SIZE, SIZE)]",
    ),
    _convert(
        "a pixel is there if its row or its column is",
        old='f.op(f"and i1 {inside[0]}, {inside[1]}")',
        new='f.op(f"or i1 {inside[0]}, {inside[1]}")',
    ),
    _convert(
        "pieces leave their row of the image",
        old="span = max(span, -(-self.reach // self.pitch))",
        new="pass",
    ),
    _convert(
        "windows above the image are copied as a whole",
        old="    if self.patches.padded_rows:\n            span",
        new="    if False:\n            span",
    ),
    Mutant(
        "vectors are halved on cores that multiply whole ones",
        file=f"{FOLDER}/dots.py",
        old="if isa.wide or isa.lanes == longest.lanes:",
        new="if isa.lanes == longest.lanes:",
        tests=KERNELS,
    ),
    Mutant(
        "numbers beyond s32 become the least code",
        file=f"{FOLDER}/kernels.py",
        old="steps = smaller(f, steps, splat",
        new="_ = smaller(f, steps, splat",
        tests=KERNELS,
    ),
    Mutant(
        "biases that no float holds are rounded",
        "backends/llvm/kernels/windows.py",
        old="far_bias=terms + largest > LARGEST_EXACT",
        new="far_bias=False",
        tests=KERNELS,
    ),
    Mutant(
        "a result in a chain overwrites rows that its product reads later",
        "backends/llvm/kernels/chain.py",
        old="isinstance(last.plan, Gemm | Product)",
        new="isinstance(last.plan, Gemm)",
        tests=CHAINS,
    ),
)
