"""What is computed from the constants of a TensorFlow Lite model, and how these are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.tflite.arrays import DTYPES, array_of
from mbc.frontends.tflite.codes import codes_of, numbers_of
from mbc.frontends.tflite.folding import FOLDS, folded
from mbc.frontends.tflite.model import Dimension, Operator, Scales, Sparsity, Tensor

Array = np.ndarray

X = np.array([[4.0, -2.0, 0.5], [1.0, 9.0, -7.5]], np.float32)
POSITIVE = np.abs(X)
INTEGERS = np.array([7, -7, 4], np.int32)


def ints(*values: int) -> Array:
    return np.array(values, np.int32)


def scalar(value: float, kind: type = np.int32) -> Array:
    return np.array(value, kind)


KEEP = {"KeepDims": True}
MASKS = {"BeginMask": 2, "EndMask": 0, "EllipsisMask": 0, "NewAxisMask": 0, "ShrinkAxisMask": 1}

CASES: Mapping[str, tuple[tuple[Array, ...], dict[str, Any], Any]] = {
    "ABS": ((X,), {}, np.abs(X)),
    "ADD": ((X, X[0]), {}, X + X[0]),
    "BROADCAST_TO": ((X[0], ints(2, 3)), {}, X[[0, 0]]),
    "CAST": ((X,), {}, X),
    "CONCATENATION": ((X, X), {"Axis": -1}, np.hstack([X, X])),
    "DIV": ((INTEGERS, scalar(2)), {}, [3, -3, 2]),
    "EXP": ((X,), {}, np.exp(X)),
    "EXPAND_DIMS": ((X, scalar(1)), {}, X[:, None]),
    "FILL": ((ints(2, 2), scalar(0.5, np.float32)), {}, [[0.5, 0.5], [0.5, 0.5]]),
    "FLOOR": ((X,), {}, np.floor(X)),
    "FLOOR_DIV": ((INTEGERS, scalar(2)), {}, [3, -4, 2]),
    "GATHER": ((X, ints(2, 0, 2)), {"Axis": 1, "BatchDims": 0}, X[:, [2, 0, 2]]),
    "LOG": ((POSITIVE,), {}, np.log(POSITIVE)),
    "MAXIMUM": ((X, scalar(0)), {}, np.maximum(X, 0)),
    "MINIMUM": ((X, scalar(0)), {}, np.minimum(X, 0)),
    "MUL": ((X, X), {}, X * X),
    "NEG": ((X,), {}, -X),
    "PACK": ((X, X), {"Axis": 1}, np.stack([X, X], 1)),
    "POW": ((POSITIVE, scalar(2)), {}, POSITIVE**2),
    "RANGE": ((scalar(5), scalar(0), scalar(-2)), {}, [5, 3, 1]),
    "REDUCE_MAX": ((X, ints(1)), KEEP, X.max(1, keepdims=True)),
    "REDUCE_MIN": ((X, ints(1)), KEEP, X.min(1, keepdims=True)),
    "REDUCE_PROD": ((INTEGERS, ints(0)), {"KeepDims": False}, -196),
    "RESHAPE": ((X, ints(-1, 2)), {}, X.reshape(3, 2)),
    "RSQRT": ((POSITIVE,), {}, 1 / np.sqrt(POSITIVE)),
    "SLICE": ((X, ints(0, 1), ints(-1, 2)), {}, X[:, 1:]),
    "SQRT": ((POSITIVE,), {}, np.sqrt(POSITIVE)),
    "SQUARE": ((X,), {}, X * X),
    "SQUEEZE": ((X[None],), {"SqueezeDims": (0,)}, X),
    "STRIDED_SLICE": ((X, ints(1, 9), ints(2, -4), ints(1, -1)), MASKS | {"Offset": 0}, X[1, ::-1]),
    "SUB": ((X, X[0]), {}, X - X[0]),
    "SUM": ((X, ints(0)), {"KeepDims": False}, X.sum(0)),
    "TILE": ((X, ints(1, 2)), {}, np.tile(X, (1, 2))),
    "TRANSPOSE": ((X, ints(1, 0)), {}, X.T),
    "UNPACK": ((X,), {"Axis": 0}, [X[0], X[1]]),
    "ZEROS_LIKE": ((X,), {}, np.zeros_like(X)),
}


def test_every_op_has_a_case() -> None:
    assert CASES.keys() == FOLDS.keys()


@pytest.mark.parametrize("kind", sorted(CASES))
def test_ops(kind: str) -> None:
    given, options, expected = CASES[kind]
    found = folded(Operator(kind, (), (), options), given)
    wanted = expected if isinstance(expected, list) and kind == "UNPACK" else [expected]
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        assert ours.shape == np.shape(theirs)


@pytest.mark.parametrize(
    ("kind", "given", "options"),
    [
        ("DIV", (INTEGERS, scalar(0)), {}),
        ("ADD", (X, X[:, :2]), {}),
        ("RANGE", (scalar(0), scalar(1), scalar(0)), {}),
        ("GATHER", (X, ints(9)), {"Axis": 1, "BatchDims": 0}),
        ("GATHER", (X, ints(0)), {"Axis": 1, "BatchDims": 1}),
        ("TRANSPOSE", (X, ints(1, 1)), {}),
        ("RESHAPE", (X, ints(4, 4)), {}),
        ("FILL", (ints(-1), scalar(0)), {}),
        ("ADD", (X, X), {"FusedActivationFunction": 1}),
    ],
    ids=str,
)
def test_operands_that_do_not_fit(
    kind: str, given: tuple[Array, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(Unsupported):
        folded(Operator(kind, (), (), options), given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("FILL", (ints(2**13, 2**13), scalar(0))),
        ("BROADCAST_TO", (scalar(1), ints(2**13, 2**13))),
        ("TILE", (X, ints(2**13, 2**13))),
        ("RANGE", (scalar(0), scalar(2**30), scalar(1))),
        ("ADD", (np.zeros((2**13, 1)), np.zeros((1, 2**13)))),
        ("GATHER", (np.zeros((1, 2**13)), np.zeros(2**13, np.int32))),
    ],
    ids=str,
)
def test_results_that_are_too_large(kind: str, given: tuple[Array, ...]) -> None:
    """They are refused before they are computed."""
    with pytest.raises(MbcError) as caught:
        folded(Operator(kind, (), (), {}), given)
    assert caught.value.diagnostics[0].code == "E0807"


NOTHING = Scales(np.zeros(0, np.float32), np.zeros(0, np.int64), 0)


def tensor(data: Array, shape: tuple[int, ...], element: str, sparsity: Any = None) -> Tensor:
    return Tensor("t", shape, element, data.view(np.uint8), NOTHING, sparsity)


def stored(data: Array, scales: Scales = NOTHING) -> Tensor:
    return Tensor("t", data.shape, "INT8", data.view(np.uint8), scales)


@pytest.mark.parametrize("element", sorted(DTYPES.keys() - {"INT4"}))
def test_types_of_elements(element: str) -> None:
    names = {"float16": "FLOAT16", "float32": "FLOAT32", "float64": "FLOAT64", "bool": "BOOL"}
    names |= {
        f"{u}int{bits}": f"{u}INT{bits}".upper() for u in ("", "u") for bits in (8, 16, 32, 64)
    }
    kind = {name: dtype for dtype, name in names.items()}[element]
    values = np.array([[0, 1, 1]], kind)
    found = array_of(tensor(values, (1, 3), element))
    assert found is not None
    assert found.dtype == values.dtype
    assert np.array_equal(found, values)


def test_every_type_is_tried() -> None:
    assert len(DTYPES) == 13


def test_integers_that_stand_for_numbers() -> None:
    q = np.array([[10, 20], [30, 40]], np.int8)
    each = Scales(np.array([0.5, 2], np.float32), np.array([10, 0]), 1)
    assert np.array_equal(numbers_of(stored(q, each), q), [[0, 40], [10, 80]])
    one = Scales(np.array([0.5], np.float32), np.zeros(0, np.int64), 0)
    assert np.array_equal(numbers_of(stored(q, one), q), q / 2)
    with pytest.raises(Unsupported, match="stand for no numbers"):
        numbers_of(stored(q), q)


def test_numbers_as_integers() -> None:
    """Rounded to even, and cut off at the ends."""
    x = np.array([[0.25, 0.75, 1e9, -1e9]], np.float32)
    steps = Scales(np.array([0.5], np.float32), np.array([10]), 0)
    found = codes_of(stored(x, steps), x)
    assert found.dtype == np.int8
    assert found.tolist() == [[10, 12, 127, -128]]
    with pytest.raises(Unsupported, match="its result is int8 without a scale"):
        codes_of(stored(x), x)


def test_integers_of_four_bits() -> None:
    """Two in a byte, the lower half first."""
    data = np.array([0x1F, 0x78], np.uint8)
    found = array_of(Tensor("q", (3,), "INT4", data, NOTHING))
    assert found is not None
    assert found.tolist() == [-1, 1, -8]


# ---- sparse tensors

NONE = np.zeros(0, np.int64)


def rows(segments: Any, indices: Any) -> Sparsity:
    """A matrix [3,4] of which each row has some elements."""
    dense = Dimension(3, NONE, NONE)
    return Sparsity((0, 1), (), (dense, Dimension(0, np.array(segments), np.array(indices))))


def test_a_sparse_matrix() -> None:
    values = np.array([1, 2, 3], np.float32)
    found = array_of(tensor(values, (3, 4), "FLOAT32", rows([0, 2, 2, 3], [0, 3, 1])))
    assert np.array_equal(found, [[1, 0, 0, 2], [0, 0, 0, 0], [0, 3, 0, 0]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sparsity",
    [
        rows([0, 2, 2, 3], [0, 4, 1]),
        rows([0, 2, 2, 3], [0, -1, 1]),
        rows([0, 2, 2, 2], [0, 3, 1]),
        rows([0, 3, 2, 3], [0, 3, 1]),
        rows([1, 2, 2, 3], [0, 3, 1]),
        rows([0, 2, 3], [0, 3, 1]),
        rows([0, 2, 2, 2], [0, 3]),
        Sparsity((0, 0), (), (Dimension(3, NONE, NONE),) * 2),
        Sparsity((0, 1), (), (Dimension(3, NONE, NONE),)),
        Sparsity((0, 1), (), (Dimension(3, NONE, NONE), Dimension(2**30, NONE, NONE))),
        Sparsity((0, 1, 2), (1,), (Dimension(3, NONE, NONE),) * 3),
        Sparsity((0, 1, 2), (5,), (Dimension(3, NONE, NONE),) * 3),
        Sparsity((0, 1, 2), (1,), (Dimension(0, NONE, NONE),) * 3),
    ],
    ids=range(13),
)
def test_sparse_tensors_that_do_not_fit(sparsity: Sparsity) -> None:
    values = np.array([1, 2, 3], np.float32)
    with pytest.raises(MbcError) as caught:
        array_of(tensor(values, (3, 4), "FLOAT32", sparsity))
    assert caught.value.diagnostics[0].code == "E0806"


def test_a_sparse_tensor_that_is_too_large() -> None:
    with pytest.raises(MbcError) as caught:
        array_of(tensor(NONE, (2**13, 2**13), "FLOAT32", rows([0], [])))
    assert caught.value.diagnostics[0].code == "E0807"
