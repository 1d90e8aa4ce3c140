"""Seeded mistakes in arithmetic that broadcasts."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

BROADCAST = "tests/unit/test_broadcast.py"
CASES = "tests/numeric/test_onnx_export.py"
KERNELS = "tests/backends/test_kernels.py"

_op = partial(Mutant, file="mbc/ops/elementwise.py", tests=BROADCAST)
_kernel = partial(Mutant, file="backends/llvm/kernels/elementwise.py", tests=KERNELS)

MUTANTS = (
    _op(
        "one number for all channels moves with them",
        old="if type and type.channels < channels else spec",
        new="if False else spec",
    ),
    Mutant(
        "a vector of each image is along pixels",
        file="mbc/ops/broadcast.py",
        old="    images = shape[:-1] or (1,)\n",
        new="    images = (1,)\n",
        tests=BROADCAST,
    ),
    Mutant(
        "a result lies over an operand that is read again",
        file="backends/llvm/backend.py",
        old="return present(node.type_of(role)).shape == node.result.type.shape",
        new="return True",
        tests=BROADCAST,
    ),
    Mutant(
        "what is spread over an image is a map of its pixels",
        file="passes/pixels.py",
        old="return form if x.shape == result.shape else Form.PART",
        new="return Form.MAP",
        tests=BROADCAST,
    ),
    Mutant(
        "operands of other shapes are cut into strips",
        file="mbc/interp/strips.py",
        old="a is None or a.ndim == 1 or a.shape == x.shape",
        new="True",
        tests=BROADCAST,
    ),
    Mutant(
        "a residual is broadcast",
        file="passes/fuse_residual_add.py",
        old="    if residual.type.shape != conv.result.type.shape:\n",
        new="    if False:\n",
        tests="tests/golden/test_golden.py",
    ),
    Mutant(
        "constants alone are operands",
        file="mbc/ir/verify.py",
        old="    if all(spec.either for spec in specs) and",
        new="    if False and",
        tests=BROADCAST,
    ),
    _op(
        "slopes are larger than what they are for",
        old="        require(result.shape == a.shape",
        new="        require(True",
        tests="tests/unit/test_dsl_arithmetic.py",
    ),
    Mutant(
        "slopes are drawn as offsets",
        file="frontends/weights/seeded.py",
        old="            return _slope\n",
        new="            return DRAWS[role]\n",
        tests="tests/unit/test_dsl_arithmetic.py",
    ),
    _kernel(
        "each image reads the first one's vector",
        old="                row_bytes *= mine\n",
        new="                row_bytes *= 1\n",
    ),
    _kernel(
        "a row is not taken modulo the rows of an image",
        old='f.binary("urem", f.binary("udiv", index, below), extent)',
        new='f.binary("udiv", index, below)',
    ),
    Mutant(
        "a model reads a vector of each image along its height",
        file="frontends/onnx/emitters/elementwise.py",
        old="return reshaped(w, at.operand(role), onnx_shape(TensorType(shape)), at.name)",
        new="return reshaped(w, at.operand(role), shape, at.name)",
        tests=CASES,
    ),
    Mutant(
        "an imported tensor in another layout is read as it lies",
        file="frontends/lowering/rules/arithmetic.py",
        old="    return same and (",
        new="    return (",
        tests="tests/numeric/test_onnx_arithmetic.py",
    ),
    Mutant(
        "an imported constant for some digits of the channels is for all",
        file="frontends/lowering/rules/arithmetic.py",
        old="(next(extents), 1)[1] for _ in factors]",
        new="next(extents) for _ in factors]",
        tests="tests/numeric/test_onnx_arithmetic.py",
    ),
)
