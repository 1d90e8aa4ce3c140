"""Seeded mistakes that lose a NaN."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

SPECIAL = "tests/backends/test_special_values.py::test_special_values_are_the_oracles"

_vectors = partial(
    Mutant,
    file="backends/llvm/vectors.py",
    tests=SPECIAL,
)
_gpu = partial(
    Mutant,
    file="backends/tvm/gpu/epilogue.py",
    tests="tests/backends/tvm/test_gpu_special_values.py",
)

MUTANTS = (
    _vectors(
        "x86 takes the bound where the data is NaN",
        old="return select(f, compare(f, predicate, limit, x), limit, x)",
        new="return select(f, compare(f, predicate, x, limit), x, limit)",
    ),
    _vectors(
        "a max pool keeps the NaN of the last tap alone",
        old="    if not masks:\n",
        new="    if values:\n",
    ),
    _vectors(
        "a max pool forgets the NaN of a tap that has no pair",
        old="[*values[1::2], *values[-1:]]",
        new="values[1::2]",
    ),
    Mutant(
        "exp of a NaN with a payload is a number",
        file="backends/llvm/polynomials.py",
        old='return given.where("uno", 0.0, power, given).name',
        new="return power.name",
        tests=SPECIAL,
    ),
    _gpu(
        "a GPU's fmax makes 0 of NaN",
        old="value = select(given < least, least, given)",
        new="value = language().max(given, least)",
    ),
    _gpu(
        "a max pool on a GPU keeps the NaN of the last tap alone",
        old="return language().Select(a <= most, most, a + most)",
        new="return most",
    ),
    Mutant(
        "a max pool by TVM's ops keeps the NaN of the last tap alone",
        file="backends/tvm/legal/elementwise.py",
        old="first = emit(op.logical_or(emit(op.isnan(a)), emit(compare(a, b))))",
        new="first = emit(compare(a, b))",
        tests="tests/backends/test_tvm_cpu.py::test_special_values_are_the_oracles_by_tvms_ops",
    ),
)
