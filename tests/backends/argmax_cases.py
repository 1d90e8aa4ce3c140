"""The index of the largest element along every axis: of numbers, of equal ones, and beside NaN."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from mbc.ir.activations import RELU
from mbc.ir.graph import Constant, Graph
from mbc.ir.views import Value
from mbc.ops import ArgMax, Concat, ConcatAlong, Min, Mul, Reshape, Slice, Transpose
from mbc.ops.elementwise import Activate
from tests.backends.cases import Case
from tests.backends.kernel_check import Net

SHAPES: tuple[tuple[int, ...], ...] = (
    (2, 3, 5, 13),
    (1, 3, 4, 21),
    (1, 2, 3, 77),
    (3, 103),
    (2, 2, 3, 1, 8),
    (1, 4, 5, 2),
    (11,),
)


def argmax_cases() -> Iterator[Case]:
    """Each shape, over each of its axes; what moves integers."""
    for shape in SHAPES:
        yield f"argmax-{'x'.join(map(str, shape))}", partial(_over_all_axes, shape)
    yield "argmax-moved", _moved


def _over_all_axes(shape: tuple[int, ...]) -> Graph:
    net = Net()
    x = net.input(*shape)
    found: list[Value] = []
    for number, operand in enumerate((x, *_special(net, x))):
        for axis in range(len(shape)):
            keep = len(shape) == 1 or (number + axis) % 2 == 1
            found.append(net.graph.add(ArgMax(axis, keep), [operand]).result)
    return net.outputs(*found)


def _special(net: Net, x: Value) -> Iterator[Value]:
    """In the arena: zeros of both signs, NaN beside infinities, nothing but -inf."""
    positive = net.graph.add(Activate(RELU), [x]).result
    signs = np.where(np.arange(x.type.channels) % 2, 1, -1).astype(np.float32)
    zero = Constant.of("zero", np.zeros(1, np.float32))
    zeros = net.graph.add(Mul(), [positive, zero]).result
    yield net.graph.add(Mul(), [zeros, Constant.of("signs", signs)]).result
    infinite = Constant.of("infinite", np.full(1, np.inf, np.float32))
    yield net.graph.add(Mul(), [positive, infinite]).result
    lowest = Constant.of("lowest", np.full(1, -np.inf, np.float32))
    yield net.graph.add(Min(), [positive, lowest]).result


def _moved() -> Graph:
    net = Net()
    x = net.input(2, 3, 5, 13)
    (labels, rows), add = (net.graph.add(ArgMax(a), [x]).result for a in (3, 1)), net.graph.add
    turned = add(Transpose((0, 2, 1)), [labels]).result
    joined = add(Concat(), [labels, labels]).result
    below = add(ConcatAlong(1), [rows, rows]).result
    part = add(Slice(1, 0, 2), [labels]).result
    return net.outputs(turned, joined, below, part, add(Reshape((2, 65)), [rows]).result, labels)
