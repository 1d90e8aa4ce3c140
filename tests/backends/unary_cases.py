"""Functions of each element, of what they are defined for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mbc.ir.views import Value
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt, Unary
from tests.backends.cases import Case, both
from tests.backends.kernel_check import Net

ANY = (Abs(), Neg(), Exp(), Pow(3.0), Pow(0.0))
POSITIVE = (Log(), Sqrt(), Reciprocal(), Pow(0.5), Pow(-1.25), Pow(-2.0), Pow(7.0))


def unary_cases() -> Iterator[Case]:
    """Each by itself, or of exp(x), over ragged shapes."""
    for op in (*ANY, *POSITIVE):
        for shape in ((2, 3, 5, 7), (3, 16), (1, 1)):
            suffix = getattr(op, "exponent", "")
            name = f"{op.mnemonic}{suffix}-{'x'.join(map(str, shape))}"
            yield from both(name, shape, partial(_applied, op))


def _applied(op: Unary, net: Net, x: Value) -> Value:
    given = x if op in ANY else net.graph.add(Exp(), [x]).result
    return net.graph.add(op, [given]).result
