"""Subnormal numbers count as zero: in arrays, for the oracle, and in what is said of weights."""

import numpy as np
import pytest

from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.subnormals import PIECE, count_subnormals, flush, flushed
from mbc.ir.text.parser import parse
from mbc.report.subnormals import subnormal_weights
from tests.backends.kernel_check import equal

LEAST = np.finfo(np.float32).smallest_normal
MOST_SUBNORMAL = np.nextafter(LEAST, np.float32(0))
SMALLEST = np.finfo(np.float32).smallest_subnormal
KEPT = np.array([0.0, -0.0, LEAST, -LEAST, 1, -1e38, np.inf, -np.inf, np.nan], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subnormals_become_zeros_of_their_sign(dtype: type) -> None:
    small = np.array([MOST_SUBNORMAL, -MOST_SUBNORMAL, SMALLEST, -SMALLEST], np.float32)
    array: np.ndarray = np.concatenate([KEPT, small]).astype(dtype)
    result = flushed(array)
    assert count_subnormals(array) == 4
    assert array[-1] != 0, "what was given is as it was"
    equal(result, np.concatenate([KEPT, [0.0, -0.0, 0.0, -0.0]]).astype(dtype))
    equal(np.signbit(result), np.signbit(array))
    flush(array)
    equal(array, result)


def test_what_has_none_is_not_copied() -> None:
    whole = np.array([1, 2], np.int32)  # as bits, subnormal floats
    assert flushed(KEPT) is KEPT
    assert flushed(whole) is whole


def test_large_and_strided_arrays_are_seen_to_the_end() -> None:
    large = np.ones(PIECE + 3, np.float32)
    large[[0, PIECE - 1, PIECE, -1]] = 1e-39
    strided = np.asfortranarray(large[-4:].reshape(2, 2))
    assert (count_subnormals(large), count_subnormals(strided)) == (4, 3)
    for array in (large, strided):
        flush(array)
        assert not count_subnormals(array)
    assert np.flatnonzero(large == 0).tolist() == [0, PIECE - 1, PIECE, PIECE + 2]
    assert strided.ravel().tolist() == [0, 0, 1, 0]


def bound(text: str, **values: float) -> Graph:
    """A graph whose constants are of these values throughout, by the first letter of their name."""
    graph = parse(text)
    for constant in graph.constants().values():
        constant.data = np.full(constant.type.shape, values[constant.name[0]], np.float32)
    return graph


DENSE = """
graph @g(%x: f32[1,4]) {
  const @w : f32[4,3]
  const @b : f32[3]
  %0 = dense(%x, @w, @b) : f32[1,3]
  %1 = add(%0, %0) : f32[1,3]
  return %1
}
"""


@pytest.mark.parametrize(
    ("x", "w", "b", "y"),
    [
        (1.0, 1e-39, 0.0, 0.0),  # a constant, though the result would not be
        (1e5, 1e-39, 0.0, 0.0),
        (1e-39, 1e5, 0.0, 0.0),  # an input
        (1.0, 0.0, 1e-38, 0.0),
        (1e-20, 1e-20, 0.0, 0.0),  # a result
        (1.0, LEAST / 2, LEAST, 2 * LEAST),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_oracle_computes_without_them(
    x: float, w: float, b: float, y: float, dtype: type
) -> None:
    graph, given = bound(DENSE, w=w, b=b), np.full((1, 4), x, np.float32)
    (result,) = run(graph, {"x": given}, dtype=dtype).values()
    equal(result.astype(np.float32), np.full((1, 3), y, np.float32))
    assert given[0, 0] == np.float32(x), "what was given is as it was"


FUSED = """
graph @g(%x: f32[1,4,4,8]) {
  const @block.dw.weight : f32[3,3,1,8]
  const @block.pw.weight : f32[1,1,8,2]
  const @head.weight : f32[1,1,2,2]
  %0 = fused dw_pw(%x = %x) {
    %0 = conv2d(%x, @block.dw.weight) {pad=(1,1,1,1), groups=8} : f32[1,4,4,8]
    %1 = conv2d(%0, @block.pw.weight) : f32[1,4,4,2]
    return %1
  } : f32[1,4,4,2]
  %1 = conv2d(%0, @head.weight) : f32[1,4,4,2]
  return %1
}
"""


def test_layers_with_subnormal_weights_are_told() -> None:
    graph = bound(FUSED, b=1.0, h=1.0)
    assert subnormal_weights(graph) == ()
    weight = graph.constants()["block.dw.weight"]
    weight.data = np.where(np.arange(8) < 3, np.float32(-1e-40), weight.array)
    (found,) = subnormal_weights(graph)
    layer = "block.dw+block.pw"
    told = f": weights: 27 of 88 weights of {layer} are subnormal: packed as 0"
    assert str(found) == found.location + told
    assert subnormal_weights(parse(FUSED)) == (), "nothing is bound"
