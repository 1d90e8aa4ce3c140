"""Conversions between floats and codes, and from codes to codes, in the oracle."""

from __future__ import annotations

import numpy as np

from mbc.interp import run
from mbc.ir.elements import Q8, U8
from mbc.ir.graph import Constant, Graph
from mbc.ir.types import TensorType
from mbc.ops.quantized import Dequantize, Lookup, Quantize, Requantize, ratio
from tests.numeric.test_quantised_oracle import OTHER, TO, X, code, f32, result_of
from tests.quantised_graphs import codes


def test_quantize() -> None:
    numbers = [0.0, -0.0, 0.25, 0.75, 1.25, -1.25, 1e9, -1e9, np.inf, -np.inf, np.nan]
    type, to = TensorType((1, len(numbers))), Q8.of(0.5, 100)
    found = result_of(Quantize(to=to), [(type, np.array([numbers], f32))])
    np.testing.assert_array_equal(found, [[100, 100, 100, 102, 102, 98, 255, 0, 255, 0, 100]])


def test_quantize_multiplies_by_the_reciprocal() -> None:
    """An engine that divides has other codes for some numbers."""
    to = Q8.of(0.013, 0)
    x = ((np.arange(255) + 0.5).astype(f32) * f32(to.scale))[None]
    found = result_of(Quantize(to=to), [(TensorType(x.shape), x)])
    steps = x * (f32(1) / f32(to.scale))
    np.testing.assert_array_equal(found, np.rint(steps).clip(0, 255))
    assert not np.array_equal(np.rint(steps), np.rint(x / f32(to.scale)))


def test_dequantize() -> None:
    type = TensorType((1, 256), OTHER)
    found = result_of(Dequantize(), [(type, np.arange(256, dtype=np.uint8)[None])])
    np.testing.assert_array_equal(found, [(np.arange(256) - 200).astype(f32) * f32(OTHER.scale)])


def test_requantize() -> None:
    """Both ways; what the other scale has no codes for is clamped."""
    type, all_codes = TensorType((1, 256), OTHER), np.arange(256, dtype=np.uint8)
    found = result_of(Requantize(to=TO), [(type, all_codes[None])])
    step = ratio(OTHER, TO)
    assert step == f32(OTHER.scale / TO.scale)
    steps = [f32(int(c) - OTHER.zero) * step for c in all_codes]
    np.testing.assert_array_equal(found, [[code(each, TO, None) for each in steps]])
    finer = result_of(Requantize(to=OTHER), [(TensorType((1, 256), TO), all_codes[None])])
    assert np.unique(np.asarray(finer)).tolist() == [*range(198, 256)]


def test_lookup() -> None:
    x = codes(3, type := TensorType((2, 3, 3, 4), X))
    table = codes(4, TensorType((256,), U8))
    graph = Graph("g")
    found = graph.add(
        Lookup(to=TO), [graph.add_input("x", type), Constant.of("table", table, U8)]
    ).result
    assert found.type == TensorType(type.shape, TO)
    graph.set_outputs([found])
    expected = [table[int(c)] for c in x.ravel()]
    np.testing.assert_array_equal(run(graph, {"x": x})["y"].ravel(), expected)
