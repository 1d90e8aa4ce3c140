"""Seeded mistakes in what kernels may touch."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

MEMORY = "tests/backends/test_kernel_memory.py::test_kernels_touch_what_is_their_own"

_shufflenet = partial(Mutant, tests=f"{MEMORY}[shufflenet_v2-scale1.0]")
_mobilenet = partial(Mutant, tests=f"{MEMORY}[mobilenet_v2]")

_strassen = partial(
    Mutant, file="backends/llvm/kernels/strassen.py", tests="tests/backends/test_kernels.py"
)

MUTANTS = (
    _strassen(
        "a product has the bias of the other columns",
        old="Q21: left, Q22: -left",
        new="Q21: right, Q22: -right",
    ),
    _strassen(
        "short blocks of pairs begin as if they were tall",
        old='return f.binary("sub", row, short)',
        new="return row",
    ),
    _strassen(
        "the residual and the activation come with any product",
        old="final=number == users[-1]",
        new="final=True",
    ),
    _strassen(
        "sums of pixels are given a block too little room",
        old="return blocks * self.blocks.tall",
        new="return (blocks - 1) * self.blocks.tall",
        tests=f"{MEMORY}[mobilenet_v1]",
    ),
    _shufflenet(
        "a window's last vector is stored whole, whatever room there is",
        "backends/llvm/window.py",
        old="fits = isa.padded(part.channels) <= min(part.room, room)",
        new="fits = True",
    ),
    _mobilenet(
        "a fused kernel asks for less scratch than it uses",
        "backends/llvm/kernels/stream.py",
        old="Kernel(name, tasks, chain.scratch_bytes,",
        new="Kernel(name, tasks, chain.scratch_bytes - 64,",
    ),
    _shufflenet(
        "a few lanes are stored with those that follow",
        "backends/llvm/vectors.py",
        old="if lanes is None or lanes == f.isa.lanes:\n        f.emit",
        new="if True:\n        f.emit",
    ),
)
