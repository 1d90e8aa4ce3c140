"""Quantised arithmetic in the oracle, against definitions written out with Python's integers."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbc.diag import MbcError
from mbc.interp import run
from mbc.interp.kernels import KERNELS
from mbc.interp.quantized import INTEGER
from mbc.ir.activations import RELU, RELU6, Activation
from mbc.ir.elements import F16, Q8, S8, S32, U8, Element
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import Op, OpError
from mbc.ir.text import parse, print_graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ops import OPS, Add, AvgPool, Conv2d, Dense, Fused, GlobalAvgPool, MaxPool
from mbc.ops.elementwise import Activate
from mbc.ops.move import Concat, Move
from mbc.ops.quantized import TABLE, Dequantize, Lookup, Quantize, Requantize, ratio
from mbc.ops.transposed import TransposedConv
from tests.activations import ACTS
from tests.quantised_graphs import codes, drawn, random_graph

X, TO, OTHER = Q8.of(0.03, 121), Q8.of(0.047, 7), Q8.of(0.2, 200)
f32 = np.float32


def result_of(
    op: Op,
    operands: list[tuple[TensorType, np.ndarray]],
    constants: int = 0,
    roles: tuple[str, ...] = ("weight", "bias", "multiplier"),
) -> object:
    """One op on inputs, of which the last few are constants in these roles."""
    graph = Graph("g")
    values = operands[: len(operands) - constants]
    given = [graph.add_input(f"x{i}", type) for i, (type, _) in enumerate(values)]
    bound = {
        role: Constant.of(role, array, type.element)
        for role, (type, array) in zip(roles, operands[len(values) :], strict=False)
    }
    named = [bound.get(spec.name) for spec in op.operands if spec.constant]
    graph.set_outputs([graph.add(op, [*given, *named]).result])
    verify(graph)
    return run(graph, {f"x{i}": array for i, (_, array) in enumerate(values)})["y"]


def code(steps: np.float32, to: Q8, act: Activation | None) -> int:
    """Round half to even, add, clamp."""
    bounds = (-math.inf, math.inf) if act is None else act.range
    codes = (min(max(bound / to.scale, -999), 999) for bound in bounds)
    low, high = (min(max(round(code) + to.zero, 0), 255) for code in codes)
    return min(max(round(float(steps)) + to.zero, low), high)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("residual", [False, True])
def test_conv2d(act: Activation | None, groups: int, residual: bool) -> None:
    rng = np.random.default_rng(5)
    x_type = TensorType((2, 4, 5, 4), X)
    weight_type = TensorType((3, 2, 4 // groups, 8), S8)
    op = Conv2d(stride=(2, 1), pad=(1, 1, 1, 0), groups=groups, to=TO, act=act)
    (result,) = op.infer([x_type, weight_type, TensorType((8,), S32), None, TensorType((8,))])
    assert result == TensorType((2, 2, 5, 8), TO)
    other = TensorType(result.shape, OTHER)
    x, r = codes(1, x_type), codes(2, other)
    weight, bias, multiplier = (
        drawn(rng, role, type, weight_type)
        for role, type in (
            ("weight", weight_type), ("bias", TensorType((8,), S32)), ("", TensorType((8,)))
        )
    )  # fmt: skip
    wanted = np.zeros(result.shape, np.uint8)
    for n, i, j, o in product(*map(range, result.shape)):
        total = int(bias[o])
        for ky, kx, c in product(range(3), range(2), range(4 // groups)):
            row, column = 2 * i + ky - 1, j + kx - 1
            if 0 <= row < 4 and 0 <= column < 5:
                channel = o // (8 // groups) * (4 // groups) + c
                total += (int(x[n, row, column, channel]) - X.zero) * int(weight[ky, kx, c, o])
        steps = f32(total) * multiplier[o]
        if residual:
            distance = int(r[n, i, j, o]) - OTHER.zero
            steps = steps + f32(distance) * f32(OTHER.scale / TO.scale)
        wanted[n, i, j, o] = code(steps, TO, act)
    graph = Graph("g")
    operands = [
        graph.add_input("x", x_type),
        *(Constant.of(n, a, e) for n, a, e in (("w", weight, S8), ("b", bias, S32))),
        graph.add_input("r", other) if residual else None,
        Constant.of("m", multiplier),
    ]
    graph.set_outputs([graph.add(op, operands).result])
    verify(graph)
    found = run(graph, {"x": x} | ({"r": r} if residual else {}))["y"]
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == np.uint8
    assert len(np.unique(wanted)) > 4
    again = parse(print_graph(graph))
    assert print_graph(again) == print_graph(graph)


def test_dense_without_to_gives_real_numbers() -> None:
    rng = np.random.default_rng(5)
    x_type, weight_type = TensorType((3, 6), X), TensorType((6, 4), S8)
    x, weight = codes(3, x_type), drawn(rng, "weight", weight_type, weight_type)
    multiplier = rng.uniform(0, 1, 4).astype(f32)
    found = result_of(
        Dense(),
        [
            (x_type, x),
            (weight_type, weight),
            (TensorType((4,), S32), np.array([1, -2, 3, 4])),
            (TensorType((4,)), multiplier),
        ],
        constants=3,
    )
    sums = (x.astype(int) - X.zero) @ weight.astype(int) + np.array([1, -2, 3, 4])
    np.testing.assert_array_equal(found, sums.astype(f32) * multiplier)


def test_sums_that_f32_rounds_and_s32_wraps() -> None:
    """2^24 + 1 rounds to even; beyond 2^31 - 1 the sum is negative."""
    type, weight = TensorType((1, 1), Q8.of(1.0, 0)), TensorType((1, 3), S8)
    bias = np.array([2**24 + 1, 2**24 + 3, 2**31 - 1])
    found = result_of(
        Dense(),
        [
            (type, np.array([[1]], np.uint8)),
            (weight, np.array([[0, 0, 1]])),
            (TensorType((3,), S32), bias),
            (TensorType((3,)), np.ones(3, f32)),
        ],
        constants=3,
    )
    np.testing.assert_array_equal(found, [[2.0**24, 2.0**24 + 4, -(2.0**31)]])


def test_products_are_rounded_before_they_are_codes() -> None:
    """3 * f32(1/6) is a half in f32, and more in double precision; halves go to even codes."""
    types = TensorType((1, 1), Q8.of(1.0, 0)), TensorType((1, 3), S8), TensorType((3,))
    found = result_of(
        Dense(to=Q8.of(1.0, 10)),
        [
            (types[0], np.array([[3]], np.uint8)),
            (types[1], np.array([[1, 3, 5]], np.int8)),
            (types[2], np.full(3, 1 / 6, f32)),
        ],
        constants=2,
        roles=("weight", "multiplier"),
    )
    np.testing.assert_array_equal(found, [[10, 12, 12]])


def test_quotients_of_scales_are_rounded_once() -> None:
    counts = range(2, 200)
    found = [ratio(X, TO, count) for count in counts]
    assert found == [f32(X.scale / (count * TO.scale)) for count in counts]
    assert found != [f32(X.scale) / (f32(count) * f32(TO.scale)) for count in counts]


@pytest.mark.parametrize("act", ACTS)
def test_add(act: Activation | None) -> None:
    a, b = TensorType((64, 16), X), TensorType((64, 16), OTHER)
    one, other = codes(4, a), codes(5, b)
    found = result_of(Add(to=TO, act=act), [(a, one), (b, other)])
    steps = [
        (codes.astype(f32) - f32(e.zero)) * f32(e.scale / TO.scale)
        for codes, e in ((one, X), (other, OTHER))
    ]
    wanted = [[code(s, TO, act) for s in row] for row in steps[0] + steps[1]]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("count_pad", [False, True])
def test_avg_pool(count_pad: bool) -> None:
    type = TensorType((2, 4, 4, 3), X)
    x = codes(6, type)
    op = AvgPool(kernel=(3, 2), stride=(2, 1), pad=(1, 1, 1, 0), count_pad=count_pad, to=TO)
    found = result_of(op, [(type, x)])
    wanted = np.zeros((2, 2, 4, 3), np.uint8)
    for n, i, j, c in product(*map(range, wanted.shape)):
        window = x[n, max(2 * i - 1, 0) : 2 * i + 2, max(j - 1, 0) : j + 1, c].astype(int)
        count = 6 if count_pad else window.size
        total = f32(int((window - X.zero).sum())) * f32(X.scale / (count * TO.scale))
        wanted[n, i, j, c] = code(total, TO, None)
    np.testing.assert_array_equal(found, wanted)


def test_global_avg_pool() -> None:
    type = TensorType((2, 7, 5, 3), X)
    x = codes(7, type)
    found = result_of(GlobalAvgPool(to=TO), [(type, x)])
    sums = (x.astype(int) - X.zero).sum(axis=(1, 2)).astype(f32)
    steps = sums * f32(X.scale / (35 * TO.scale))
    np.testing.assert_array_equal(found, [[code(s, TO, None) for s in row] for row in steps])


@pytest.mark.parametrize("element", [S8, U8, S32, X])
def test_max_pool_of_integers(element: Element) -> None:
    """Padding never wins, though all numbers are the least but one."""
    least = -(2 ** (8 * element.bytes - 1)) if element in (S8, S32) else 0
    type = TensorType((1, 3, 3, 2), element)
    x = np.full(type.shape, least, element.numpy)
    x[0, 0, 0, 0] = least + 1
    found = result_of(MaxPool(kernel=(2, 2), stride=(1, 1), pad=(1, 1, 1, 1)), [(type, x)])
    wanted = np.full((1, 4, 4, 2), least, element.numpy)
    wanted[0, :2, :2, 0] = least + 1
    np.testing.assert_array_equal(found, wanted)


def test_activations_of_codes() -> None:
    type = TensorType((1, 256), OTHER)
    x = np.arange(256, dtype=np.uint8)[None]
    np.testing.assert_array_equal(result_of(Activate(RELU), [(type, x)]), np.maximum(x, 200))
    np.testing.assert_array_equal(result_of(Activate(RELU6), [(type, x)]), np.clip(x, 200, 230))


@given(st.integers(0, 2**32), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_random_networks_mean_the_same_as_text(seed: int, nodes: int) -> None:
    graph = random_graph(seed, nodes, wide=True)
    verify(graph)
    text = print_graph(graph)
    again = parse(text)
    verify(again)
    assert print_graph(again) == text
    for name, constant in graph.constants().items():
        again.constants()[name].data = constant.data
    inputs = {value.name: codes(seed, value.type) for value in graph.inputs}
    expected = run(graph, inputs)
    for name, found in run(again, inputs).items():
        np.testing.assert_array_equal(found, expected[name])
    for view, found in zip(graph.outputs, expected.values(), strict=True):
        assert found.dtype == view.type.element.numpy


def test_in_float64_only_f32_changes() -> None:
    graph = random_graph(3, 6)
    inputs = {value.name: codes(3, value.type) for value in graph.inputs}
    for name, found in run(graph, inputs, dtype=np.float64).items():
        np.testing.assert_array_equal(found, run(graph, inputs)[name])


def test_f16_is_rounded_once_a_node() -> None:
    rng = np.random.default_rng(5)
    graph = Graph("g")
    type = TensorType((1, 8), F16)
    a, b = graph.add_input("a", type), graph.add_input("b", type)
    total = graph.add(Add(), [a, b]).result
    graph.set_outputs([graph.add(Concat(), [total, a]).result])
    one, other = (rng.normal(0, 100, (1, 8)).astype(np.float16) for _ in range(2))
    found = run(graph, {"a": one, "b": other})["y"]
    assert found.dtype == np.float16
    exact = (one.astype(np.float64) + other.astype(np.float64)).astype(np.float16)
    np.testing.assert_array_equal(found, np.concatenate([exact, one], axis=1))


def test_integers_move_as_they_are() -> None:
    """-128 has no magnitude in s8; it is no subnormal number for that."""
    type = TensorType((1, 4), S8)
    x = np.array([[-128, -1, 0, 127]], np.int8)
    found = result_of(Concat(), [(type, x), (type, x)])
    np.testing.assert_array_equal(found, np.concatenate([x, x], axis=1))


def test_inputs_that_are_no_codes() -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 2), X))
    graph.set_outputs([graph.add(Activate(RELU), [x]).result])
    for numbers in ([256, 0], [-1, 0], [0.5, 0]):
        with pytest.raises(MbcError, match="E0710: input 'x' has elements that are no u8"):
            run(graph, {"x": np.array([numbers])})
    assert run(graph, {"x": np.array([[255.0, 0.0]])})["y"].dtype == np.uint8


Types = list[TensorType | None]


def operands_for(op: type[Op], element: Element) -> Types:
    """Types that fit an op on f32, with another element for what is read of values."""
    image, vector = TensorType((1, 4, 4, 4), element), TensorType((4,))
    if op in (Conv2d, TransposedConv):
        return [image, TensorType((1, 1, 4, 4))]
    if op is Dense:
        return [TensorType((1, 4), element), TensorType((4, 4))]
    constants = [TensorType(vector.shape) for spec in op.operands if spec.constant]
    return [*[image for spec in op.operands if not spec.constant], *constants]


@pytest.mark.parametrize("op", [op for op in OPS if not issubclass(op, Move | Fused)])
@pytest.mark.parametrize("element", [S8, U8, S32, F16, X], ids=str)
def test_every_op_takes_an_element_or_refuses_it(op: type[Op], element: Element) -> None:
    """What an op takes has a function; what it does not take is an error of the user's."""
    types = operands_for(op, element)
    given: dict[str, Any] = {"to": TO, "axes": (1,)}
    fields = {name: value for name, value in given.items() if name in op.__dataclass_fields__}
    try:
        (result,) = op(**fields).infer(types)
    except OpError as problem:
        refusal = problem.code
    else:
        refusal = ""
    if refusal:
        assert refusal == "E0207"
        return
    if element.is_float and result.element in (F16, S32):
        assert op in KERNELS
    else:
        assert op in INTEGER


def refusal_of(op: Op, types: Types) -> str:
    with pytest.raises(OpError) as caught:
        op.infer(types)
    return f"{caught.value.code}: {caught.value.message} ({caught.value.label})"


IMAGE, FILTER = TensorType((1, 4, 4, 4), X), TensorType((1, 1, 4, 8), S8)
BIAS, STEPS = TensorType((8,), S32), TensorType((8,))


@pytest.mark.parametrize(
    ("op", "types", "message"),
    [
        (Conv2d(to=TO), [IMAGE, FILTER], "needs a multiplier for each output channel"),
        (Conv2d(to=TO), [IMAGE, FILTER, None, None, BIAS], "has a multiplier of f32"),
        (Conv2d(to=TO), [IMAGE, FILTER, STEPS, None, STEPS], "has a bias of s32"),
        (Conv2d(to=TO), [IMAGE, TensorType((1, 1, 4, 8)), None, None, STEPS], "a weight of s8"),
        (Conv2d(), [IMAGE, FILTER, None, TensorType((1, 4, 4, 8), X), STEPS], "residual does not"),
        (Conv2d(to=TO), [IMAGE, FILTER, None, TensorType((1, 4, 4, 8)), STEPS], "residual does"),
        (Conv2d(to=TO), [IMAGE, FILTER, None, None, TensorType((4,))], "multiplier does not match"),
        (Conv2d(to=TO), [TensorType((1, 4, 4, 4)), TensorType((1, 1, 4, 8))], "no quantised resu"),
        (
            Conv2d(),
            [TensorType((1, 4, 4, 4)), TensorType((1, 1, 4, 8)), None, None, STEPS],
            "has no multiplier",
        ),
        (
            Dense(to=TO),
            [TensorType((1, 70_000), X), TensorType((70_000, 8), S8), None, STEPS],
            "E0206: dense adds 70,000 quantised terms, at most 65,793 fit s32",
        ),
        (Add(), [IMAGE, IMAGE], "needs the element of its result (there is no `to`)"),
        (Add(to=TO), [IMAGE, TensorType((1, 4, 4, 4))], "has no quantised result"),
        (Add(), [IMAGE, TensorType((1, 4, 4, 4))], "one floating-point element"),
        (GlobalAvgPool(), [IMAGE], "needs the element of its result"),
        (Quantize(to=TO), [IMAGE], "quantize takes f32"),
        (Quantize(), [TensorType((1, 4))], "needs the element of its result"),
        (Dequantize(), [TensorType((1, 4))], "dequantize takes a quantised tensor"),
        (Requantize(to=TO), [TensorType((1, 4))], "requantize takes a quantised tensor"),
        (Requantize(), [IMAGE], "needs the element of its result"),
        (Lookup(to=TO), [TensorType((1, 4)), TABLE], "lookup takes a quantised tensor"),
        (Lookup(), [IMAGE, TABLE], "needs the element of its result"),
        (Lookup(to=TO), [IMAGE, TensorType((255,), U8)], "a table is u8[256], found u8[255]"),
        (Lookup(to=TO), [IMAGE, TensorType((256,))], "a table is u8[256], found f32[256]"),
    ],
)
def test_refusals(op: Op, types: Types, message: str) -> None:
    assert message in refusal_of(op, types)
