"""Quantised ONNX models on their own codes, against onnxruntime's integers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mbc.accuracy import Steps
from mbc.driver.export import onnx_model
from mbc.frontends.onnx.importer import import_onnx
from mbc.frontends.onnx.importer.values import input_shapes, with_outputs
from mbc.frontends.options import AS_IT_IS, ModelOptions
from mbc.frontends.weights import initialise
from mbc.ir.elements import F32, Q8, S8
from mbc.ir.graph import Graph
from tests.everyday import part_of
from tests.example_networks import Example
from tests.numeric.test_onnx_quantised_networks import mixed, residual
from tests.onnx_codes import (
    FORMS,
    Array,
    apart,
    imported_codes,
    on_integers,
    ours,
    quantised,
    theirs,
)
from tests.onnx_models import Drawing

NOTE = "the model is quantised; mbc computes on its codes of 8 bits; --float takes it in float32"
NO_SCALES = "the model states no scales of its weights"
INTEGERS = (
    "inputs that are integers in the model are the numbers that they stand for: 'x'; "
    "--input-dtype u8 takes codes"
)
IN_FLOAT = "the model is quantised; mbc computes in float32, with the ranges of its values as clips"
RNG = np.random.default_rng(8)


def drawn(network: Callable[[Drawing], str]) -> bytes:
    d = Drawing(opset=17)
    content: bytes = d.model(network(d)).SerializeToString()
    return content


def inputs(count: int, *shape: int) -> list[Array]:
    rng = np.random.default_rng(3)
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("form", FORMS)
def test_every_logit_of_a_small_network(form: str, tmp_path: Path) -> None:
    model = quantised(drawn(residual), inputs(8, 1, 8, 6, 6), tmp_path, **FORMS[form])
    _, graph, notes, remarks = imported_codes(model, tmp_path)
    assert notes == [NOTE]
    assert not [text for text in remarks if "quantised here" in text or "in float" in text]
    assert apart(graph, model, inputs(4, 1, 8, 6, 6)).counts == (40,)


def gated(d: Drawing) -> str:
    """Concatenation, a gate, and a sum."""
    x = d.op("MaxPool", d.op("Relu", d.conv("x", 8, 8)), kernel_shape=[2, 2], strides=[2, 2])
    y = d.conv("x", 8, 8, 2, strides=[2, 2])
    x = d.op("Concat", x, y, axis=1)
    x = d.op("Add", x, d.op("Mul", x, d.op("Sigmoid", d.conv(x, 16, 16))))
    return d.op("MatMul", d.op("Flatten", x), d.weight(144, 6))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("network", "most"),
    [(gated, 3), (mixed, 8)],  # a step of an average is several of the leaky relu after it
)
def test_ops_that_round_otherwise(
    network: Callable[[Drawing], str], most: int, form: str, tmp_path: Path
) -> None:
    model = quantised(drawn(network), inputs(8, 1, 8, 6, 6), tmp_path, **FORMS[form])
    _, graph, _, _ = imported_codes(model, tmp_path)
    assert apart(graph, model, inputs(6, 1, 8, 6, 6)).most <= most


NETWORKS = [
    (Example("mobilenet_v1", (("alpha", "0.25"), ("classes", "100"))), 32),
    (Example("mobilenet_v2", (("alpha", "0.25"), ("classes", "100"))), 64),
    (Example("shufflenet_v1", (("scale", "0.5"), ("classes", "100"))), 64),
    (Example("shufflenet_v2", (("scale", "0.5"), ("classes", "100"))), 64),
]


@pytest.mark.parametrize(
    ("example", "resolution"), part_of(NETWORKS, lambda _, resolution: resolution == 32)
)
def test_networks(example: Example, resolution: int, tmp_path: Path) -> None:
    """MobileNetV1 equals onnxruntime; additions and concatenations round otherwise elsewhere."""
    network = example.graph(resolution=str(resolution), softmax="false")
    initialise(network, 0)
    shape = (1, 3, resolution, resolution)
    model = quantised(onnx_model(network).data, inputs(4, *shape), tmp_path, per_channel=True)
    _, graph, _, _ = imported_codes(model, tmp_path)
    found = apart(graph, model, inputs(2, *shape))
    assert found.most <= (0 if example.name == "mobilenet_v1" else 3), str(found)


# ---- by hand ---------------------------------------------------------------------------------

X, Y, Z = Q8.of(0.04, 120), Q8.of(0.06, 0), Q8.of(0.05, 130)
SCALES = np.array([0.02, 0.01, 0.03, 0.04], np.float32)


def pair(d: Drawing, element: Q8) -> list[str]:
    return [d.constant(element.scale, np.float32), d.constant(element.zero, np.uint8)]


def through(d: Drawing, x: str, element: Q8) -> str:
    """Round a value to codes."""
    steps = pair(d, element)
    return d.op("DequantizeLinear", d.op("QuantizeLinear", x, *steps), *steps)


def weight(d: Drawing, q: Array, scale: Any, zero: Array | None = None, **attributes: Any) -> str:
    zeros = [] if zero is None else [d.constant(zero, q.dtype)]
    scales = d.constant(scale, np.float32)
    return d.op("DequantizeLinear", d.constant(q, q.dtype), scales, *zeros, **attributes)


def layer(d: Drawing, x: str, q: Array, scale: Any = SCALES, zero: Array | None = None) -> str:
    """A convolution of 8 to 4 channels."""
    sums = RNG.integers(-500, 500, 4).astype(np.int32)
    by = np.broadcast_to(np.float32(X.scale) * np.asarray(scale, np.float32), 4)
    return d.op("Conv", x, weight(d, q, scale, zero, axis=0), weight(d, sums, by, axis=0))


def codes(low: int = -63, high: int = 63, kind: Any = np.int8) -> Array:
    """Weights of 7 bits, unless they have no sign: pairs of those never saturate."""
    return RNG.integers(low, high + 1, (4, 8, 1, 1)).astype(kind)


def close(d: Drawing, output: str, folder: Path, most: int) -> tuple[Graph, list[str], list[str]]:
    """Compare with onnxruntime; returns the graph, the notes and the remarks."""
    model = d.model(output).SerializeToString()
    _, graph, notes, remarks = imported_codes(model, folder)
    xs = [3 * x for x in inputs(4, 1, 8, 6, 6)]
    found = apart(graph, model, xs)
    assert found.most <= most, str(found)
    return graph, notes[1:], remarks


def integers(graph: Graph) -> list[Any]:
    return [c.array for c in graph.constants().values() if c.type.element is S8]


@pytest.mark.parametrize(
    ("q", "zero", "expected"),
    [
        (codes(), None, lambda q: q),
        (codes(1, 255, np.uint8), np.full(4, 128, np.uint8), lambda q: q.astype(int) - 128),
        (codes(0, 200, np.uint8), np.full(4, 100, np.uint8), lambda q: q.astype(int) - 100),
    ],
)
def test_codes_of_weights(q: Array, zero: Any, expected: Any, tmp_path: Path) -> None:
    d = Drawing(opset=17)
    y = layer(d, through(d, "x", X), q, zero=zero)
    graph, notes, remarks = close(d, through(d, y, Y), tmp_path, 0)
    (found,) = integers(graph)
    np.testing.assert_array_equal(found, expected(q).transpose(2, 3, 1, 0))
    assert not notes
    assert not [text for text in remarks if "quantised here" in text]


def test_weights_that_codes_do_not_reach_are_told_of(tmp_path: Path) -> None:
    d = Drawing(opset=17)
    q = codes()
    q.flat[[0, 9]] = -128
    y = layer(d, through(d, "x", X), q)
    _, graph, notes, _ = imported_codes(d.model(through(d, y, Y)).SerializeToString(), tmp_path)
    assert notes[1:] == ["the code -128 of 2 weights becomes -127, the least that mbc has"]
    np.testing.assert_array_equal(integers(graph)[0], q.clip(-127).transpose(2, 3, 1, 0))
    d = Drawing(opset=17)
    q = codes(1, 187, np.uint8)
    q[1, 0], q[2, 3] = 200, 0
    y = layer(d, through(d, "x", X), q, 0.02, np.full((), 60, np.uint8))
    graph, notes, remarks = close(d, through(d, y, Y), tmp_path, 2)
    (note,) = notes
    assert note.startswith("weights of 1 channels are more than 127 steps from their zero point")
    assert not [text for text in remarks if "quantised here" in text]
    steps, (found,) = q.transpose(2, 3, 1, 0).astype(int) - 60, integers(graph)
    np.testing.assert_array_equal(found[..., [0, 2, 3]], steps[..., [0, 2, 3]])
    np.testing.assert_array_equal(found[..., 1], np.rint(steps[..., 1] * (127 / 140)))


def test_dense_layers_either_way_round(tmp_path: Path) -> None:
    q = RNG.integers(-63, 64, (8, 8)).astype(np.int8)
    scales = RNG.uniform(0.01, 0.04, 8)
    for kind, transposed, axis, stated in (
        ("MatMul", False, 1, True),
        ("MatMul", False, -1, True),
        ("Gemm", False, 1, True),
        ("Gemm", True, 0, True),
        ("MatMul", False, 0, False),
        ("Gemm", True, 1, False),
    ):
        d = Drawing(opset=17, inputs={"x": (1, 8)})
        w = weight(d, q.T.copy() if transposed else q, scales, axis=axis)
        more = {"transB": 1} if transposed else {}
        y = d.op(kind, through(d, "x", X), w, **more)
        model = d.model(through(d, y, Z)).SerializeToString()
        _, graph, _, remarks = imported_codes(model, tmp_path)
        xs = [3 * x for x in inputs(4, 1, 8)]
        assert apart(graph, model, xs).most <= (0 if stated else 2)
        here = [text for text in remarks if "quantised here" in text]
        assert [text.partition(": ")[2] for text in here] == [NO_SCALES] * (not stated)
        if stated:
            np.testing.assert_array_equal(integers(graph)[0], q)


def test_weights_of_four_bits(tmp_path: Path) -> None:
    d = Drawing(opset=21, inputs={"x": (1, 8)})
    q = RNG.integers(-8, 8, (8, 4)).astype(np.int8)
    y = d.op("MatMul", through(d, "x", X), weight(d, q, SCALES, axis=1))
    model = d.model(through(d, y, Z))
    (tensor,) = (t for t in model.graph.initializer if [*t.dims] == [8, 4])
    tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.INT4, [8, 4], q.ravel().tolist()))
    _, graph, _, _ = imported_codes(model.SerializeToString(), tmp_path)
    np.testing.assert_array_equal(integers(graph)[0], q)


def test_a_weight_that_is_transposed_first(tmp_path: Path) -> None:
    d = Drawing(opset=17, inputs={"x": (1, 8)})
    q = RNG.integers(-63, 64, (4, 8)).astype(np.int8)
    w = d.op("Transpose", weight(d, q, SCALES, axis=0), perm=[1, 0])
    y = d.op("MatMul", through(d, "x", X), d.op("Identity", w))
    model = d.model(through(d, y, Z)).SerializeToString()
    _, graph, _, _ = imported_codes(model, tmp_path)
    np.testing.assert_array_equal(integers(graph)[0], q.T)


def test_scales_of_blocks_are_not_kept(tmp_path: Path) -> None:
    d = Drawing(opset=21, inputs={"x": (1, 8)})
    q = RNG.integers(-63, 64, (8, 4)).astype(np.int8)
    scale = RNG.uniform(0.01, 0.04, (2, 4))
    y = d.op("MatMul", through(d, "x", X), weight(d, q, scale, axis=0, block_size=4))
    model = d.model(through(d, y, Z)).SerializeToString()
    _, graph, _, remarks = imported_codes(model, tmp_path)
    assert any("quantised here: the model states no scales" in text for text in remarks)
    assert apart(graph, model, [3 * x for x in inputs(4, 1, 8)]).most <= 2


def test_a_value_that_is_quantised_twice(tmp_path: Path) -> None:
    """Alike, as exporters do for each that reads it; and by two scales."""
    for second in (Y, Z):
        d = Drawing(opset=17)
        x = layer(d, through(d, "x", X), codes())
        a, b = through(d, x, Y), through(d, x, second)
        wide = RNG.integers(-63, 64, (4, 4, 1, 1)).astype(np.int8)
        made = [d.op("Conv", v, weight(d, wide, SCALES, axis=0)) for v in (a, b)]
        sums = d.op("Add", *(through(d, each, Z) for each in made))
        graph, _, _ = close(d, through(d, sums, Z), tmp_path, 1)
        kinds = [node.op.mnemonic for node in graph.topo()]
        assert kinds.count("quantize") == (1 if second == Y else 3)


def test_as_pytorch_writes_it(tmp_path: Path) -> None:
    """Weights are quantised in the graph, biases are floats, a clip stays, and what an addition
    reads is not rounded."""
    d = Drawing(opset=18)
    x = through(d, "x", X)
    w = RNG.standard_normal((8, 8, 1, 1)).astype(np.float32)
    largest = np.abs(w).max(axis=(1, 2, 3)) / 63
    steps = [d.constant(largest, np.float32), d.constant([0] * 8, np.int8)]
    q = d.op("QuantizeLinear", d.constant(w, np.float32), *steps, axis=0)
    y = d.op("Conv", x, d.op("DequantizeLinear", q, *steps, axis=0), d.weight(8))
    y = d.op("Add", through(d, "x", X), y)
    y = d.op("Clip", y, d.constant(0, np.float32), d.constant(6, np.float32))
    graph, notes, remarks = close(d, through(d, y, Y), tmp_path, 1)
    assert [node.op.mnemonic for node in graph.topo()] == ["quantize", "conv2d", "dequantize"]
    assert graph.topo()[1]["residual"] is not None
    assert not notes
    assert not [text for text in remarks if "quantised here" in text]


def test_other_codes_than_bytes_are_floats(tmp_path: Path) -> None:
    d = Drawing(opset=21)
    scale, zero = d.constant(1e-3, np.float32), d.constant(30000, np.uint16)
    x = d.op("DequantizeLinear", d.op("QuantizeLinear", "x", scale, zero), scale, zero)
    y = d.op("Conv", x, weight(d, codes(), SCALES, axis=0))
    y = d.op("MaxPool", through(d, y, Y), kernel_shape=[2, 2])
    model = d.model(y).SerializeToString()
    made, graph, notes, remarks = imported_codes(model, tmp_path)
    assert [note.split(": ")[0] for note in notes[:-1]] == [
        "values that are not on codes of 8 bits are computed in float32"
    ]
    assert made.quantisation is not None
    assert [*made.quantisation.elements.values()] == [Y]
    kinds = [node.op.mnemonic for node in graph.topo()]
    assert kinds == ["activation", "conv2d", "quantize", "dequantize", "max_pool"]
    assert graph.topo()[1].view("x").type.element is F32
    assert any("in float" in text for text in remarks)
    x_ = inputs(1, 1, 8, 6, 6)[0]
    np.testing.assert_allclose(
        ours(graph, x_), on_integers(model, x_).transpose(0, 2, 3, 1), atol=1.01 * Y.scale
    )


def test_moves_to_other_codes(tmp_path: Path) -> None:
    """A pool and a concatenation whose results have scales of their own, and roundings in a row."""
    d = Drawing(opset=17)
    x = through(d, layer(d, through(d, "x", X), codes()), Y)
    y = through(d, layer(d, through(d, "x", X), codes()), Z)
    x = through(d, d.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), Z)
    y = d.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    z = through(d, d.op("Concat", x, y, axis=1), Q8.of(0.07, 100))
    z = through(d, through(d, z, Q8.of(0.08, 110)), Q8.of(0.09, 110))
    graph, _, _ = close(d, z, tmp_path, 1)
    kinds = [node.op.mnemonic for node in graph.topo()]
    assert kinds.count("requantize") == 5
    assert kinds.count("activation") == 0


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_integers_as_inputs(kind: Any, tmp_path: Path) -> None:
    """They are the numbers that they stand for, as what reads them says first."""
    offset = np.iinfo(kind).min
    zero = np.asarray(X.zero + offset, kind)
    d = Drawing(opset=17)
    steps = [d.constant(X.scale, np.float32), d.constant(zero, kind)]
    y = layer(d, d.op("DequantizeLinear", "x", *steps), codes())
    model = d.model(through(d, y, Y))
    number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    model.graph.input[0].type.tensor_type.elem_type = number
    content = model.SerializeToString()
    made, graph, notes, _ = imported_codes(content, tmp_path)
    assert notes[1:] == [INTEGERS]
    assert made.quantisation is not None
    assert made.quantisation.elements["x"] == X
    assert [node.op.mnemonic for node in graph.topo()] == ["quantize", "conv2d", "dequantize"]
    q = RNG.integers(offset, offset + 256, (1, 8, 6, 6)).astype(kind)
    numbers = (q.astype(np.float32) - np.float32(zero)) * np.float32(X.scale)
    wanted = theirs(on_integers(content, q))
    mixed_up = kind == np.int8  # beside codes without a sign onnxruntime multiplies floats
    assert Steps.of(ours(graph, numbers), wanted, Y.scale).most <= mixed_up
    path, output = tmp_path / "net.onnx", model.graph.output[0].name
    given = onnx.load_from_string(with_outputs(path, AS_IT_IS, [output]))
    assert [value.name for value in given.graph.input] == [*input_shapes(path, AS_IT_IS)]
    np.testing.assert_array_equal(theirs(on_integers(given.SerializeToString(), numbers)), wanted)


def test_integers_as_outputs(tmp_path: Path) -> None:
    d = Drawing(opset=17)
    y = d.op("QuantizeLinear", layer(d, through(d, "x", X), codes()), *pair(d, Z))
    d.kinds[y] = TensorProto.UINT8
    model = d.model(y).SerializeToString()
    _, graph, _, _ = imported_codes(model, tmp_path)
    x = inputs(1, 1, 8, 6, 6)[0]
    found = ours(graph, x) / np.float32(Z.scale) + Z.zero
    np.testing.assert_array_equal(np.rint(found), on_integers(model, x).transpose(0, 2, 3, 1))


def test_a_model_without_codes_of_8_bits_is_one_in_float(tmp_path: Path) -> None:
    d = Drawing(opset=17)
    path = tmp_path / "net.onnx"
    conv = d.op("Conv", "x", weight(d, codes(), SCALES, axis=0))
    path.write_bytes(d.model(conv).SerializeToString())
    notes: list[str] = []
    assert import_onnx(path, ModelOptions(), notes.append).quantisation is None
    assert notes == [IN_FLOAT]
    d = Drawing(opset=17)
    path.write_bytes(d.model(through(d, d.op("Relu", "x"), X)).SerializeToString())
    assert import_onnx(path, ModelOptions(floats=True), notes.append).quantisation is None
    assert notes == [IN_FLOAT, IN_FLOAT]
