"""Seeded mistakes in activations and their polynomials."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

POLYNOMIALS = "tests/backends/test_polynomials.py"

_polynomials = partial(Mutant, file="backends/llvm/polynomials.py", tests=POLYNOMIALS)
_tiles = partial(Mutant, file="backends/llvm/gemm_tile.py")
_formulas = partial(
    Mutant,
    file="frontends/lowering/formulas.py",
    tests="tests/numeric/test_onnx_activations.py",
)

MUTANTS = (
    _polynomials(
        "exp of 88.73 is no infinity",
        old='power = given.number(float("inf")).where("ogt", EXP_HIGHEST, power, given)',
        new="pass",
    ),
    _polynomials(
        "exp of the first number that overflows is NaN",
        old="EXP_LOWEST, EXP_HIGHEST = -87.33654, 88.72283",
        new="EXP_LOWEST, EXP_HIGHEST = -87.33654, 88.72284",
    ),
    _polynomials(
        "what 1 + 2**-n loses is forgotten",
        old="most + (rise + (u - (most - 1.0)))",
        new="most + rise",
    ),
    _polynomials(
        "silu of -88 is 0",
        old="SMALLER = 2.0**-40",
        new="SMALLER = 1.0",
    ),
    _polynomials(
        "tanh of small numbers is left to exp",
        old="TANH_SMALL = 0.8",
        new="TANH_SMALL = 0.0",
    ),
    _polynomials(
        "gelu of minus infinity is not bounded",
        old="abs(x).at_most(GELU_MOST)",
        new="abs(x)",
        tests=f"{POLYNOMIALS}::test_gelus_absolute_error",
    ),
    _polynomials(
        "elu of a number below -88 has an exponent of any kind",
        old="x.at_least(-88.0)",
        new="x",
    ),
    _polynomials(
        "log(1 + u) has one polynomial for all u",
        old="LOG1P_LARGE = 0.4142",
        new="LOG1P_LARGE = 2.0",
    ),
    _polynomials(
        "mish of a large number overflows",
        old='return x.where("ogt", MISH_LARGE, result, x)',
        new="return result",
    ),
    _formulas(
        "a softplus that is cut is compared with a relu alone",
        old='"Tanh", "Softplus", "Mish")',
        new='"Tanh", "Mish")',
    ),
    _tiles(
        "the first row that Strassen's method dumps is activated in the output",
        old="first = f.offset(top.out, sink.offset)",
        new="first = f.offset(at.out, sink.offset)",
        tests="tests/backends/test_kernels.py",
    ),
    Mutant(
        "gelu is computed in the registers of a full tile",
        file="backends/llvm/activations.py",
        old="isinstance(act, Smooth)",
        new="isinstance(act, Smooth) and not isinstance(act, Gelu)",
        tests="tests/backends/test_generated_code.py::test_activations_of_large_tiles",
    ),
    _tiles(
        "a narrow vector is activated whole",
        old="lanes = tile.gemm.out_pitch, [tile.lanes(vector) for vector in range(tile.width)]",
        new="lanes = tile.gemm.out_pitch, [None for vector in range(tile.width)]",
        tests="tests/backends/test_kernel_memory.py",
    ),
    Mutant(
        "hard_swish of minus infinity is NaN",
        file="backends/llvm/activations.py",
        old='arithmetic(f, "fmul", at_least(f, vector, -3.0), share)',
        new='arithmetic(f, "fmul", vector, share)',
        tests="tests/backends/test_special_values.py::test_special_values_are_the_oracles",
    ),
    _formulas(
        "a formula that is close to an activation is taken for it",
        old="TOLERANCE = 1e-6",
        new="TOLERANCE = 1e-3",
    ),
    _formulas(
        "a constant for each channel counts as one number",
        old="all(array.size == 1 for array in constants)",
        new="True",
    ),
    _formulas(
        "the shortest formula that is an activation is taken",
        old="        if found is not None:",
        new="        if found is not None and result is None:",
    ),
    _formulas(
        "nodes of a formula that are read elsewhere are left out",
        old="nodes=live(nodes, model.outputs)",
        new="nodes=live(nodes, model.outputs[:1])",
    ),
)
