"""Networks whose model states scales and zero points: they are taken as they are."""

from __future__ import annotations

import numpy as np

from mbc.int8.quantisation import Quantisation
from mbc.interp import run
from mbc.ir.elements import F32, Q8
from mbc.ir.graph import Graph, Node
from mbc.ir.text import parse
from mbc.ir.verify import verify
from mbc.ops import Dense, Dequantize, Quantize, Requantize
from mbc.passes.quantising.prepare import prepare
from mbc.passes.quantising.rewrite import rewrite
from mbc.passmgr.passes import PassResult
from tests.numeric.test_passes import bind

X, A, B, Y = Q8.of(0.04, 120), Q8.of(0.02, 0), Q8.of(0.05, 0), Q8.of(0.1, 130)

CONV = """
graph @g(%x: f32[1,2,2,3]) {
  const @w : f32[1,1,3,4]
  const @b : f32[4]
  %in = clip(%x) {lo=-4.8, hi=5.4} : f32[1,2,2,3]
  %c = conv2d(%in, @w, @b) : f32[1,2,2,4]
  %a = clip(%c) {lo=0.0, hi=5.1} : f32[1,2,2,4]
  return %a
}"""
SCALES = np.array([0.01, 0.0142, 0.5, 1e-3], np.float32)


def made(
    text: str,
    elements: dict[str, Q8],
    weights: dict[str, np.ndarray] | None = None,
    data: dict[str, np.ndarray] | None = None,
    keep_float: frozenset[str] = frozenset(),
) -> tuple[Graph, list[str]]:
    """The network on codes, and the remarks."""
    graph, result = parse(text), PassResult()
    bind(graph)
    for name, array in (data or {}).items():
        graph.constants()[name].data = array.astype(np.float32)
    stated = Quantisation({}, keep_float, elements=elements, weights=weights or {})
    prepare(graph, stated)
    rewrite(graph, stated, result)
    verify(graph)
    return graph, [remark.message for remark in result.remarks]


def ops(graph: Graph) -> list[str]:
    return [node.op.mnemonic for node in graph.topo()]


def element(node: Node) -> object:
    return node.result.type.element


def test_codes_of_weights_biases_and_multipliers() -> None:
    """Whatever the largest weight is; the clip of the input is that of its codes."""
    codes = np.array([[[[1, -127, 3, 0], [5, 7, -3, 64], [0, 100, 2, 127]]]])
    sums = np.array([3, -1000, 2**22, 0])
    data: dict[str, np.ndarray] = {"w": codes * SCALES}
    data["b"] = sums * (X.scale * SCALES.astype(np.float64))
    graph, remarks = made(CONV, {"in": X, "a": A}, {"w": SCALES}, data)
    assert ops(graph) == ["quantize", "conv2d", "dequantize"]
    quantize, conv, _ = graph.topo()
    assert (element(quantize), element(conv)) == (X, A)
    constants = graph.constants()
    assert constants["w.s8"].array.tolist() == codes.tolist()
    assert constants["b.s32"].array.tolist() == sums.tolist()
    expected = np.float32(X.scale) * SCALES / np.float32(A.scale)
    once = (X.scale * SCALES.astype(np.float64) / A.scale).astype(np.float32)
    assert not np.array_equal(expected, once)
    assert [c.array.tolist() for n, c in constants.items() if n.endswith("multiplier")] == [
        expected.tolist()
    ]
    assert not any("quantised here" in remark for remark in remarks)


def test_weights_that_are_no_codes_are_quantised_here() -> None:
    for weights, why in (
        ({}, "the model states no scales of its weights"),
        ({"w": np.full(3, 0.5)}, "the model states no scales of its weights"),
        ({"w": np.full(1, 1e-3)}, "its weights exceed 127 steps of the model"),
        ({"w": np.full(4, 0.3)}, "its weights are no multiples of the scales"),
    ):
        graph, remarks = made(CONV, {"in": X, "a": A}, weights)
        assert any(f"quantised here: {why}" in remark for remark in remarks), remarks
        assert abs(graph.constants()["w.s8"].array).max() == 127
    data = {"w": np.ones((1, 1, 3, 4)), "b": np.full(4, 1e9)}
    _, remarks = made(CONV, {"in": X, "a": Q8.of(1e5, 0)}, {"w": np.array([1.0])}, data)
    assert any("its sums may exceed 32 bits" in remark for remark in remarks)


def test_what_nothing_is_stated_of_is_in_float() -> None:
    """A layer leaves floats all the same."""
    graph, remarks = made(CONV, {"in": X})
    assert ops(graph) == ["quantize", "conv2d"]
    assert element(graph.topo()[1]) is F32
    graph, remarks = made(CONV, {"a": A})
    assert ops(graph) == ["activation", "conv2d", "quantize", "dequantize"]
    assert "in float: %a: the model has %in in float" in remarks
    graph, _ = made(CONV, {"in": X, "a": A}, keep_float=frozenset(["c"]))
    assert ops(graph) == ["quantize", "dequantize", "conv2d", "quantize", "dequantize"]


def test_results_are_rounded_as_the_model_says() -> None:
    """Though a network of ours would leave floats; and so is what an island reads."""
    text = """
    graph @g(%x: f32[1,4]) {
      %s = softmax(%x) : f32[1,4]
      %t = softmax(%s) : f32[1,4]
      return %t
    }"""
    graph, _ = made(text, {"s": Q8.of(1 / 256, 0), "t": Q8.of(1 / 128, 0)})
    expected = ["softmax", "quantize", "dequantize"]
    assert ops(graph) == [*expected, *expected]
    (found,) = run(graph, {"x": np.array([[1, 2, 3, 4]], np.float32)}).values()
    np.testing.assert_array_equal(found * 128, np.rint(found * 128))


def test_members_of_concatenations_are_requantised() -> None:
    text = """
    graph @g(%x: f32[1,2], %y: f32[1,3]) {
      %c = concat(%x, %y) : f32[1,5]
      return %c
    }"""
    for stated, joined in (
        ({"x": X, "y": Y, "c": Y}, ["x"]),
        ({"x": X, "y": X, "c": X}, []),
        ({"x": X, "y": X, "c": Y}, ["x", "y"]),
    ):
        graph, _ = made(text, stated)
        again = [n.view("x").value for n in graph.topo() if isinstance(n.op, Requantize)]
        assert [value.name.removesuffix(".quantize") for value in again] == joined
        assert isinstance(graph.topo()[-1].op, Dequantize)
        assert graph.topo()[-1].view("x").type.element == stated["c"]


def test_parts_without_codes_in_common_are_requantised() -> None:
    """Where nothing is stated of the concatenation, to the union of their ranges."""
    text = """
    graph @g(%x: f32[1,2], %y: f32[1,3]) {
      const @v : f32[2,2]
      const @w : f32[5,2]
      %a = dense(%x, @v) : f32[1,2]
      %c = concat(%a, %y) : f32[1,5]
      %d = dense(%c, @w) : f32[1,2]
      return %d
    }"""
    for other, parts in ((X, 0), (Q8.of(0.05, 200), 2)):
        graph, _ = made(text, {"x": A, "a": X, "y": other, "d": Y})
        again = [n for n in graph.topo() if isinstance(n.op, Requantize)]
        assert len(again) == parts
        rounded = [element(n) for n in graph.topo() if isinstance(n.op, Quantize | Dense)]
        assert rounded == [A, X, other, Y]


def test_a_clip_that_changes_nothing_may_round() -> None:
    text = """
    graph @g(%x: f32[1,4]) {
      %a = clip(%x) {lo=-4.8, hi=5.4} : f32[1,4]
      %b = clip(%a) {lo=-13.0, hi=12.5} : f32[1,4]
      return %b
    }"""
    graph, _ = made(text, {"a": X, "b": Y})
    assert ops(graph) == ["quantize", "requantize", "dequantize"]
    graph, _ = made(text, {"a": X, "b": X})
    assert ops(graph) == ["quantize", "dequantize"]


def test_a_clip_to_other_codes_requantises() -> None:
    text = """
    graph @g(%x: f32[1,4,4,2]) {
      %p = max_pool(%x) {kernel=(2,2), stride=(2,2)} : f32[1,2,2,2]
      %a = clip(%p) {lo=-13.0, hi=12.5} : f32[1,2,2,2]
      %b = clip(%p) {lo=0.0, hi=100.0} : f32[1,2,2,2]
      return %a, %b
    }"""
    graph, _ = made(text, {"x": X, "a": Y})
    kinds = ["quantize", "max_pool", "requantize", "dequantize"]
    assert sorted(ops(graph)) == sorted([*kinds, "dequantize", "activation"])
    assert isinstance(graph.topo()[0].op, Quantize)


def test_parts_on_scales_of_their_own_are_split_in_float() -> None:
    text = """
    graph @g(%x: f32[1,4]) {
      %a, %b = split(%x) {sizes=(2,2)} : f32[1,2], f32[1,2]
      return %a, %b
    }"""
    graph, remarks = made(text, {"x": X, "a": X, "b": Y})
    assert any("the model has its results on several scales" in remark for remark in remarks)
    assert ops(graph)[:3] == ["quantize", "dequantize", "split"]
    graph, _ = made(text, {"x": X, "a": Y, "b": Y})
    assert ops(graph) == ["quantize", "requantize", "split", "dequantize", "dequantize"]
