"""Arithmetic, reductions, resizes and pads of codes in the oracle, against Python's own numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mbc.interp import run
from mbc.ir.activations import Activation, Clip
from mbc.ir.elements import Q8
from mbc.ir.graph import Graph
from mbc.ir.op import Op, OpError
from mbc.ir.text import parse, print_graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ops import Max, Min, Mul, Pad, ReduceMax, ReduceMean, ReduceSum, Resize, Sub
from mbc.ops.elementwise import ArithmeticOnCodes
from mbc.passes.fold_constants import FoldConstants
from mbc.passmgr.passes import PassContext
from tests.fake_backend import FakeBackend
from tests.numeric.test_quantised_oracle import OTHER, TO, X, code, f32
from tests.quantised_graphs import codes

IMAGE = TensorType((2, 3, 4, 5), X)


def result_of(op: Op, *types: TensorType) -> tuple[list[np.ndarray], np.ndarray]:
    """The operands, as random codes, and the result."""
    graph = Graph("g")
    values = [graph.add_input(f"x{i}", type) for i, type in enumerate(types)]
    graph.set_outputs([graph.add(op, values).result])
    verify(graph)
    text = print_graph(graph)
    assert print_graph(parse(text)) == text
    arrays = [codes(i + 1, type) for i, type in enumerate(types)]
    return arrays, run(graph, {f"x{i}": a for i, a in enumerate(arrays)})["y"]


def combined(op: ArithmeticOnCodes, a: int, b: int) -> np.float32:
    """The steps of the result."""
    if isinstance(op, Mul):
        return f32((a - X.zero) * (b - OTHER.zero)) * f32(X.scale * OTHER.scale / TO.scale)
    left = f32(a - X.zero) * f32(X.scale / TO.scale)
    right = f32(b - OTHER.zero) * f32(OTHER.scale / TO.scale)
    if isinstance(op, Sub):
        return f32(left - right)
    return min(left, right) if isinstance(op, Min) else max(left, right)


@pytest.mark.parametrize("kind", [Sub, Mul, Min, Max])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 5), (2, 3, 4, 1)], ids=str)
@pytest.mark.parametrize("act", [None, Clip(-0.1, 1.5)])
def test_arithmetic(
    kind: type[ArithmeticOnCodes], shape: tuple[int, ...], act: Activation | None
) -> None:
    op = kind(act=act, to=TO)
    (a, b), found = result_of(op, IMAGE, TensorType(shape, OTHER))
    spread = np.broadcast_to(b[:, None, None] if b.ndim == 2 else b, a.shape)
    pairs = zip(a.ravel().tolist(), spread.ravel().tolist(), strict=True)
    assert found.ravel().tolist() == [code(combined(op, *pair), TO, act) for pair in pairs]
    assert len(np.unique(found)) > (10 if act is None else 2)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("axes", [(1, 2), (3,), (0, 1, 2)], ids=str)
def test_reductions(axes: tuple[int, ...], keep: bool) -> None:
    terms = math.prod(IMAGE.shape[axis] for axis in axes)
    for op, divisor in ((ReduceMean(axes, keep, TO), terms), (ReduceSum(axes, keep, OTHER), 1)):
        (x,), found = result_of(op, IMAGE)
        to = found_element(op)
        sums = (x.astype(int) - X.zero).sum(axis=axes, keepdims=keep)
        step = f32(X.scale / (divisor * to.scale))
        assert found.ravel().tolist() == [code(f32(s) * step, to, None) for s in sums.ravel()]
        assert found.shape == sums.shape
    (x,), found = result_of(ReduceMax(axes, keep), IMAGE)
    np.testing.assert_array_equal(found, x.max(axis=axes, keepdims=keep))


def found_element(op: ReduceMean | ReduceSum) -> Q8:
    assert op.to is not None
    return op.to


@pytest.mark.parametrize("size", [(5, 7), (2, 3), (3, 4), (1, 1)], ids=str)
@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners", "asymmetric"])
def test_bilinear_resizes(size: tuple[int, int], coordinates: str) -> None:
    """Weights in steps of 1/2048, of exact fractions."""
    (x,), found = result_of(Resize(size, "bilinear", coordinates, to=TO), IMAGE)
    step = f32(X.scale / (2**22 * TO.scale))
    for i in range(size[0]):
        for j in range(size[1]):
            rows = taps(coordinates, i, 3, size[0])
            columns = taps(coordinates, j, 4, size[1])
            for n in range(2):
                for c in range(5):
                    total = sum(
                        u * v * (int(x[n, y, z, c]) - X.zero) for y, u in rows for z, v in columns
                    )
                    assert found[n, i, j, c] == code(f32(total) * step, TO, None)


def taps(coordinates: str, i: int, size: int, out: int) -> list[tuple[int, int]]:
    """Pixels of an axis and their weights, which add up to 2048."""
    at = {
        "half_pixel": Fraction(2 * i + 1, 2) * size / out - Fraction(1, 2),
        "align_corners": Fraction(i * (size - 1), max(out - 1, 1)),
        "asymmetric": Fraction(i * size, out),
    }[coordinates]
    at = min(max(at, Fraction(0)), Fraction(size - 1))
    low = math.floor(at)
    share = round(float(at - low) * 2048)
    return [(low, 2048 - share), *([(low + 1, share)] if share else [])]


def test_nearest_resizes_copy_codes() -> None:
    (x,), found = result_of(Resize((6, 4), "nearest", "asymmetric"), IMAGE)
    np.testing.assert_array_equal(found, x.repeat(2, axis=1))


def test_pads_have_codes() -> None:
    (x,), found = result_of(Pad((0, 1, 0, 0), (0, 0, 2, 0), 0.25), IMAGE)
    wanted = np.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=X.code(0.25))
    np.testing.assert_array_equal(found, wanted)
    _, found = result_of(Pad((0, 1, 0, 0), (0, 0, 0, 0), lowest=True), IMAGE)
    assert not found[:, 0].any()


def test_a_mean_that_changes_the_scale_is_no_copy() -> None:
    for to, dropped in ((X, True), (TO, False)):
        graph = Graph("g")
        first = graph.add(ReduceMax((1,), keep=True), [graph.add_input("x", IMAGE)])
        mean = graph.add(ReduceMean((1,), keep=True, to=to), [first.result])
        graph.set_outputs([graph.add(ReduceMax((2,)), [mean.result]).result])
        assert FoldConstants().run(graph, PassContext(FakeBackend())).changed == dropped
        verify(graph)


def test_a_mean_over_images_keeps_its_element() -> None:
    graph = Graph("g")
    mean = graph.add(ReduceMean((1, 2), to=TO), [graph.add_input("x", IMAGE)])
    graph.set_outputs([mean.result])
    FoldConstants().run(graph, PassContext(FakeBackend()))
    (node,) = graph.topo()
    assert (node.op.mnemonic, node.result.type.element) == ("global_avg_pool", TO)


WRONG: list[tuple[Op, list[TensorType], str]] = [
    (Mul(), [IMAGE, IMAGE], "mul of quantised operands needs the element of its result"),
    (Mul(to=TO), [TensorType((1, 4))] * 2, "mul of floating-point operands has no quantised"),
    (Mul(to=TO), [IMAGE, TensorType((2, 3, 4, 5))], "has no quantised result"),
    (ReduceMean((1,)), [IMAGE], "reduce_mean of quantised operands needs the element"),
    (ReduceSum((1,), to=TO), [TensorType((1, 4))], "has no quantised result"),
    (Resize((2, 2)), [IMAGE], "resize of quantised operands needs the element"),
    (Resize((2, 2), "nearest", to=TO), [IMAGE], "resize by the nearest pixels"),
]


@pytest.mark.parametrize(("op", "types", "message"), WRONG)
def test_refusals(op: Op, types: list[TensorType], message: str) -> None:
    with pytest.raises(OpError) as caught:
        op.infer(types)
    problem: Any = caught.value
    assert problem.code == "E0207"
    assert message in problem.message
