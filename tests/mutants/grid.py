"""Seeded mistakes in moves along any axis, and in the pads of windows."""

from __future__ import annotations

from functools import partial

from tests.mutants.moves import GOLDEN
from tests.mutants.mutant import Mutant

NUMERIC = "tests/numeric/test_passes.py::test_passes_keep_the_answer"
PERMUTE = "tests/unit/test_permute.py"
KERNELS = "tests/backends/test_kernels.py::test_equals_the_oracle_bit_for_bit"
EXPORT = "tests/numeric/test_onnx_export.py::test_moves_along_any_axis"
IMPORT = "tests/numeric/test_onnx_moves.py"
DSL = "tests/unit/test_dsl_moves.py"

_pad = partial(Mutant, file="passes/fold_pad.py", tests=NUMERIC)
_order = partial(Mutant, file="passes/views/reorder.py", tests=PERMUTE)
_copies = partial(Mutant, file="mbc/ops/strided.py", tests=KERNELS)
_nests = partial(Mutant, file="backends/llvm/kernels/strided.py", tests=KERNELS)
_rules = partial(Mutant, file="frontends/lowering/rules/grid.py", tests=IMPORT)
_layers = partial(Mutant, file="frontends/dsl/layers/moves.py", tests=DSL)

MUTANTS = (
    # pads of windows
    _pad(
        "zeros around what is negative are the padding of a max pool",
        old="op.fill == 0 and not _is_positive(graph",
        new="op.fill == 0 and _is_positive(graph",
    ),
    _pad(
        "any number is as low as minus infinity",
        old="case MaxPool() if op.fill and not op.lowest:",
        new="case MaxPool() if False:",
    ),
    _pad(
        "a mean leaves its own padding out and counts the zeros",
        old="case AvgPool(count_pad=False) if any(window.pad):",
        new="case AvgPool(count_pad=False) if False:",
    ),
    _pad(
        "a convolution pads with any number",
        old="case Conv2d() | AvgPool() if op.fill:",
        new="case Conv2d() | AvgPool() if False:",
    ),
    _pad(
        "a mean does not count the zeros",
        old="new = replace(new, count_pad=True)",
        new="new = replace(new, count_pad=window.count_pad)",
    ),
    _pad(
        "the pads of the channels are lost",
        old="for axis in (0, -1)):",
        new="for axis in (0,)):",
    ),
    _pad(
        "the pads of the batch are lost",
        old="for axis in (0, -1)):",
        new="for axis in (-1,)):",
    ),
    _pad(
        "the padding of the window is lost",
        old="(a + b for a, b in zip(window.pad, sides, strict=True))",
        new="(b for a, b in zip(window.pad, sides, strict=True))",
    ),
    _pad(
        "what is returned is not padded",
        old="if graph.is_output(pad.result):",
        new="if False:",
        tests=GOLDEN,
    ),
    _pad(
        "a residual is read without its pads",
        old='role == "x" and operand.is_plain',
        new="operand.is_plain",
        tests=GOLDEN,
    ),
    _pad(
        "a product becomes a window",
        old='.shape[:2] == (1, 1):\n            return Refusal("product"',
        new='.shape[:2] == (0, 0):\n            return Refusal("product"',
        tests=GOLDEN,
    ),
    # orders of channels past moves
    _order(
        "a slice of channels takes the same of any order",
        old="return axis != last",
        new="return True",
    ),
    _order(
        "pads of channels come in any order",
        old="return before[-1] == after[-1] == 0",
        new="return before[-1] == 0",
    ),
    # copies
    _copies(
        "a step is one",
        old="steps = tuple(step if a == axis else 1",
        new="steps = tuple(1 if a == axis else 1",
    ),
    _copies(
        "the last pad of an axis lies inside x",
        old="(op.before[axis] + extent, op.after[axis])",
        new="(extent, op.after[axis])",
    ),
    _copies(
        "blocks are gathered as they are spread",
        old="if deep == 0:",
        new="if deep == 1:",
    ),
    _nests(
        "loops merge where only the result's are consecutive",
        old="if (self.source, self.target) != (source, target):",
        new="if self.target != target:",
    ),
    _nests(
        "a nest does the tasks of all",
        old='stop = f.clamp("min", f.clamp("max", "%end", first), first + nest.tasks)',
        new='stop = f.clamp("max", "%end", first + nest.tasks)',
    ),
    # from ONNX, and to it
    _rules(
        "elements in no order are a slice",
        old="if len(steps) > 1 or min(steps) < 1:",
        new="if min(steps) < 1:",
        tests="tests/hostile/test_onnx_files.py",
    ),
    _rules(
        "CRD is DCR",
        old='if mode == "CRD" and block > 0',
        new='if mode == "crd" and block > 0',
    ),
    _rules(
        "pads are in the order of ONNX's axes",
        old="tuple(side[list(order)].tolist()) for side in",
        new="tuple(side.tolist()) for side in",
    ),
    Mutant(
        "pads are exported in our order of axes",
        file="frontends/onnx/emitters/moves.py",
        old="axes = TO_NCHW if at.x_type.rank == 4 else range(at.x_type.rank)",
        new="axes = range(at.x_type.rank)",
        tests=EXPORT,
    ),
    _layers(
        "minus infinity is zero",
        old='else number("value", value), lowest)',
        new='else number("value", value), False)',
    ),
    _layers(
        "a slice to the channels' end is the part before it",
        old="return cut[1 if first else 0]",
        new="return cut[0]",
    ),
)
