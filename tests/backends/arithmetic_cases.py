"""Arithmetic on operands of every shape that broadcasts, with the larger one on either side."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mbc.ir.activations import RELU6
from mbc.ir.graph import Operand
from mbc.ir.views import ChannelView, Value
from mbc.ops import Add, Div, Max, Min, Mul, Prelu, Sub
from mbc.ops.elementwise import Arithmetic
from tests.backends.cases import Case, both
from tests.backends.kernel_check import Net

KINDS: tuple[Arithmetic, ...] = (Add(), Sub(act=RELU6), Mul(), Div(), Min(), Max(act=RELU6))

IMAGES = (2, 3, 5, 7)
FORMS: tuple[tuple[int, ...], ...] = (
    *((2, 3, 5, 7), (7,), (2, 7), (2, 1, 1, 7), (2, 3, 5, 1), (1,)),
    *((1, 3, 5, 7), (2, 1, 5, 1), (2, 3, 1, 7), (1, 1, 5, 7), (2, 1), (1, 3, 1, 1)),
)


def broadcasting_cases() -> Iterator[Case]:
    """Each kind with each form of a value and of a constant, and each form with other channels."""
    for number, form in enumerate(FORMS):
        yield from _pair(KINDS[number % 6], IMAGES, form)
        whole = (*form[:-1], 16 if form[-1] == 7 else 1)
        yield from _pair(KINDS[(number + 1) % 6], (2, 3, 5, 16), whole)
    for op in KINDS:
        yield from _pair(op, IMAGES, (2, 7))
    for form in FORMS[:6]:
        yield from _pair(Prelu(), IMAGES, form)
    for shape, form in (
        *(((1, 1, 1, 9), (9,)), ((3, 8), (8,)), ((3, 8), (3, 1)), ((3, 9), (1, 9)), ((3, 1), (1,))),
        *(((2, 4, 3, 1), (2, 1)), ((1, 2, 2, 513), (1, 513)), ((2, 6, 5), (2, 5)), ((1, 5), (5,))),
        ((2, 3, 2, 2, 5), (2, 1, 2, 1, 5)),
    ):
        yield from _pair(Mul(), shape, form)


def _pair(op: Arithmetic, shape: tuple[int, ...], form: tuple[int, ...]) -> Iterator[Case]:
    name = f"{op.mnemonic}-{'x'.join(map(str, shape))}-{'x'.join(map(str, form))}"
    if len(form) > 1:
        yield from both(f"{name}-value", shape, partial(_with_value, op, form))
    yield from both(f"{name}-constant", shape, partial(_with_constant, op, form))


def _with_value(op: Arithmetic, form: tuple[int, ...], net: Net, x: Value) -> Value:
    """Both ways round but for slopes; a divisor is positive, as is what divides."""
    other = net.input(*form, name="other")
    if isinstance(op, Div):
        other = net.graph.add(Max(), [other, net.positive(1)]).result
    first = net.graph.add(op, [x, other]).result
    one_way = isinstance(op, Div | Prelu)
    return first if one_way else net.graph.add(op, [other, first]).result


def _with_constant(op: Arithmetic, form: tuple[int, ...], net: Net, x: Value) -> Value:
    constants: list[Operand] = [net.positive(*form), net.positive(*form)]
    first = net.graph.add(op, [x, constants[0]]).result
    if isinstance(op, Prelu):
        return first
    if isinstance(op, Div):
        first = net.graph.add(Max(), [first, net.positive(1)]).result
    return net.graph.add(op, [constants[1], ChannelView.of(first)]).result
