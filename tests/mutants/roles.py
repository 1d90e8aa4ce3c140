"""Seeded mistakes in what specs say of operands, and in what is made of it."""

from __future__ import annotations

from functools import partial

from tests.mutants.mutant import Mutant

ROLES = "tests/unit/test_roles.py"
MADE_UP = "tests/numeric/test_made_up_ops.py"

_op = partial(Mutant, file="mbc/ir/op.py", tests=ROLES)
_graph = partial(Mutant, file="mbc/ir/graph.py", tests=ROLES)
_concat = partial(Mutant, file="passes/eliminate_concat.py", tests=MADE_UP)

MUTANTS = (
    _op(
        "all variadic operands have one role",
        old="    if last.variadic:\n",
        new="    if False:\n",
    ),
    _op(
        "a weight has as many inputs as elements",
        old='type.elements // type.channels if "out"',
        new='type.elements if "out"',
    ),
    _op(
        "axes may run along anything",
        old='if self.axes not in AXES or (self.constant and self.axes == ("in",)):',
        new="if False:",
    ),
    _graph(
        "operands are set in a role that the op does not have",
        old="if unknown := set(changes) - set(named):",
        new='if unknown := {""} - {""}:',
    ),
    _graph(
        "absent operands stay at the end",
        old="while count and operands[count - 1] is None:",
        new="while False:",
    ),
    Mutant(
        "a running mean is learned",
        "mbc/ops/elementwise.py",
        old='OperandSpec("mean", constant=True, along="out", statistic=True)',
        new='OperandSpec("mean", constant=True, along="out")',
        tests=ROLES,
    ),
    Mutant(
        "operands of a fused node have no names",
        "mbc/ops/fused.py",
        old="return tuple(value.name for value in self.body.inputs)",
        new="return super().roles(count)",
        tests=ROLES,
    ),
    Mutant(
        "only the vectors of known ops change their order",
        "passes/views/reorder.py",
        old='if isinstance(operand, Constant) and "out" in spec.axes:',
        new='if isinstance(operand, Constant) and spec.name in ("weight", "bias", "gamma"):',
        tests=MADE_UP,
    ),
    _concat(
        "parts share the vectors that they do not know",
        old='if operand is None or "out" not in spec.axes:',
        new='if operand is None or spec.name not in ("weight", "bias"):',
    ),
    _concat(
        "a part has its share of what is one for all channels",
        old='if operand is None or "out" not in spec.axes:',
        new="if operand is None:",
    ),
    Mutant(
        "a batch norm is folded past what it does not know",
        "passes/fold_batch_norm.py",
        old="if others := _others(layer):",
        new="if others := []:",
        tests=f"{MADE_UP}::test_a_batch_norm_stays_behind_an_operand_that_it_does_not_know",
    ),
    Mutant(
        "a convolution that adds a residual loses its other operands",
        "passes/fuse_residual_add.py",
        old='operands = conv.operands_with({"residual": residual})',
        new='operands = [conv["x"], conv["weight"], conv["bias"], residual]',
        tests=f"{MADE_UP}::test_a_residual_is_added_beside_the_other_operands",
    ),
    Mutant(
        "the oracle takes the bias for the residual",
        "mbc/interp/kernels.py",
        old="    bias: Array | None = None,\n    residual: Array | None = None,\n",
        new="    residual: Array | None = None,\n    bias: Array | None = None,\n",
        tests=ROLES,
    ),
)
