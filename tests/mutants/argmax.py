"""Seeded mistakes in argmax, and in what takes its integers."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

UNIT = "tests/unit/test_argmax.py"

_kernel = partial(
    Mutant,
    file="backends/llvm/kernels/argmax.py",
    tests="tests/backends/test_kernels.py::test_equals_the_oracle_bit_for_bit",
)
_unit = partial(Mutant, tests=UNIT)

MUTANTS = (
    _kernel(
        "a later NaN takes the place of the first",
        old='compare(f, "ord", self.number, self.number)',
        new='compare(f, "true", self.number, self.number)',
    ),
    _kernel(
        "a lane with -0.0 comes behind one with 0.0",
        old="{arithmetic(f, 'fadd', self.number, zero)}",
        new="{self.number}",
    ),
    _kernel(
        "NaN of the other sign comes last",
        old="key = _chosen(f, compare(",
        new="_chosen(f, compare(",
    ),
    _kernel(
        "the last vector counts as if it followed the one before it",
        old="_from(f, rest))\n    return found",
        new="_from(f, whole * lanes))\n    return found",
    ),
    _kernel(
        "an axis in the middle begins at every pixel",
        old='f.binary("mul", outer, self.extent * self.inner)',
        new='f.binary("mul", outer, self.inner)',
    ),
    _unit(
        "kernels take integers that callers give",
        "mbc/targets/elements.py",
        old="() if integer_refusal is None else (Q8,)",
        new="(S32, Q8)",
    ),
    _unit(
        "any kernel takes integers",
        "mbc/targets/elements.py",
        old="moved if node.op.moves_data_only else ()",
        new="moved",
    ),
    _unit(
        "the largest element is a tie with itself",
        "mbc/interp/ties.py",
        old="keepdims=op.keep) > 1",
        new="keepdims=op.keep) > 0",
    ),
    _unit(
        "masked integers are compared",
        "mbc/accuracy.py",
        old=" & ~np.ma.getmaskarray(reference)",
        new="",
    ),
    _unit(
        "the reference forgets about which integers rounding decides",
        "mbc/runtime/reference.py",
        old="and np.ma.isMaskedArray(array):",
        new="and False:",
    ),
    Mutant(
        "the last of equal elements is taken for the first",
        "frontends/lowering/rules/reductions.py",
        old='if whole(node, "select_last_index", 0):',
        new="if False:",
        tests="tests/numeric/test_onnx_argmax.py",
    ),
    Mutant(
        "executables say that integers are floats",
        "mbc/runtime/program.py",
        old="{io.count}, {io.code}, ",
        new="{io.count}, MBC_F32, ",
        tests="tests/e2e/test_argmax.py",
    ),
)
