"""Seeded mistakes in what kernels may touch."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

MEMORY = "tests/backends/test_kernel_memory.py::test_kernels_touch_what_is_their_own"

_shufflenet = partial(Mutant, tests=f"{MEMORY}[shufflenet_v2-scale1.0]")
_mobilenet = partial(Mutant, tests=f"{MEMORY}[mobilenet_v2]")

MUTANTS = (
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
