"""Quantised ONNX models, which are imported as float ones with clips."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, TypeProto, helper, numpy_helper

from mbc.diag import MbcError
from mbc.ir.graph import Graph
from mbc.ops.elementwise import Activate
from tests.onnx_models import Drawing, by_onnxruntime, evaluated, imported

NOTE = "the model is quantised; mbc computes on its codes of 8 bits; --float takes it in float32"
RNG = np.random.default_rng(8)


def labels(graph: Graph) -> list[str]:
    """The ops, and what activations by themselves do."""
    return [
        str(node.op.act) if isinstance(node.op, Activate) else node.op.label
        for node in graph.topo()
    ]


# ---- exactly ---------------------------------------------------------------------------------


def fine(d: Drawing, x: str, low: float, high: float) -> str:
    """Quantise to 16 bits and back, over a range."""
    step = np.float32((high - low) / 65535)
    scale = d.constant(step, np.float32)
    zero = d.constant(round(-low / step), np.uint16)
    return d.op("DequantizeLinear", d.op("QuantizeLinear", x, scale, zero), scale, zero)


def test_ranges_are_clips(tmp_path: Path) -> None:
    d = Drawing(opset=21)
    x = fine(d, "x", -1, 1.5)
    x = fine(d, d.conv(x, 8, 8), 0, 0.75)
    model = d.model(fine(d, d.conv(x, 8, 8), -0.2, 0.3))
    graph = imported(model, tmp_path)
    x_ = RNG.standard_normal((1, 8, 6, 6)).astype(np.float32)
    (expected,) = by_onnxruntime(model, {"x": x_})
    found = evaluated(graph, x_)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert found.min() == pytest.approx(-0.2, abs=1e-5)
    assert sum("clip" in label for label in labels(graph)) == 3


def test_a_range_that_is_a_relu_is_one(tmp_path: Path) -> None:
    """The exporter has left ReLU6 out: 0 to 6 with zero point 0."""
    d = Drawing(opset=17)
    scale, zero = d.constant(6 / 255, np.float32), d.constant(0, np.uint8)
    q = d.op("QuantizeLinear", d.conv("x", 8, 8), scale, zero)
    pooled = d.op("MaxPool", d.op("DequantizeLinear", q, scale, zero), kernel_shape=[2, 2])
    q = d.op("QuantizeLinear", d.op("Relu", pooled), scale, zero)
    graph = imported(d.model(d.op("DequantizeLinear", q, scale, zero)), tmp_path)
    conv, clip, pool = labels(graph)
    assert (conv.split()[0], pool.split()[0]) == ("conv2d", "max_pool")
    assert "relu6" in clip


def test_weights_are_folded_by_channels(tmp_path: Path) -> None:
    d = Drawing(opset=13)
    q = RNG.integers(-127, 128, (4, 8, 1, 1)).astype(np.int8)
    scales = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    steps = d.constant(scales, np.float32)
    weight = d.op("DequantizeLinear", d.constant(q, np.int8), steps, axis=0)
    bias = d.op(
        "DequantizeLinear",
        d.constant([1, 2, 3, 4], np.int32),
        d.constant(scales / 2, np.float32),
        d.constant([0] * 4, np.int32),
        axis=0,
    )
    fake = d.op("QuantizeLinear", d.weight(8, 4, 1, 1), d.constant(0.1, np.float32))
    fake = d.op("DequantizeLinear", fake, d.constant(0.1, np.float32))
    model = d.model(d.op("Conv", d.op("Conv", "x", weight, bias), fake))
    graph = imported(model, tmp_path)
    arrays = {name: constant.array for name, constant in graph.constants().items()}
    np.testing.assert_array_equal(
        arrays[weight][0, 0], (q[:, :, 0, 0] * scales[:, None]).T.astype(np.float32)
    )
    x = RNG.standard_normal((1, 8, 6, 6)).astype(np.float32)
    (expected,) = by_onnxruntime(model, {"x": x})
    np.testing.assert_allclose(evaluated(graph, x), expected, atol=1e-4 * np.abs(expected).max())


# ---- each operator ---------------------------------------------------------------------------

IN, OUT = (np.float32(0.05), np.uint8(100)), (np.float32(0.11), np.uint8(90))
MS: dict[str, Any] = {"domain": "com.microsoft"}


def pair(d: Drawing, steps: tuple[Any, Any]) -> list[str]:
    return [d.constant(steps[0], np.float32), d.constant(steps[1], steps[1].dtype)]


def integers(d: Drawing, dtype: Any, *shape: int) -> str:
    low, high = (-60, 60) if dtype == np.int8 else (-900, 900)
    return d.constant(RNG.integers(low, high, shape), dtype)


def weight(d: Drawing, channels: int, *shape: int) -> list[str]:
    scales = np.linspace(0.004, 0.008, channels).astype(np.float32)
    zeros = np.zeros(channels, np.int8)
    return [
        integers(d, np.int8, *shape),
        d.constant(scales, np.float32),
        d.constant(zeros, np.int8),
    ]


def conv(d: Drawing, x: list[str]) -> str:
    w = weight(d, 6, 6, 8, 3, 3)
    bias = integers(d, np.int32, 6)
    return d.op("QLinearConv", *x, *w, *pair(d, OUT), bias, pads=[1] * 4, strides=[2, 2])


def gemm(d: Drawing, x: list[str]) -> str:
    flat = d.op("Reshape", x[0], d.constant([1, 288]))
    w, bias = weight(d, 5, 5, 288), integers(d, np.int32, 5)
    return d.op("QGemm", flat, *x[1:], *w, bias, *pair(d, OUT), transB=1, **MS)


def matmul(d: Drawing, x: list[str]) -> str:
    flat = d.op("Reshape", x[0], d.constant([1, 288]))
    return d.op("QLinearMatMul", flat, *x[1:], *weight(d, 5, 288, 5), *pair(d, OUT))


def unary(kind: str, **attributes: Any) -> Callable[[Drawing, list[str]], str]:
    def made(d: Drawing, x: list[str]) -> str:
        return d.op(kind, *x, *pair(d, OUT), **attributes, **MS)

    return made


def binary(kind: str) -> Callable[[Drawing, list[str]], str]:
    def made(d: Drawing, x: list[str]) -> str:
        moved = d.op("Transpose", x[0], perm=[0, 1, 3, 2])
        return d.op(kind, *x, moved, *x[1:], *pair(d, OUT), **MS)

    return made


def concat(d: Drawing, x: list[str]) -> str:
    moved = d.op("Transpose", x[0], perm=[0, 1, 3, 2])
    return d.op("QLinearConcat", *pair(d, OUT), *x, moved, *x[1:], axis=1, **MS)


def padded(d: Drawing, x: list[str]) -> str:
    """By the number that the zero point stands for, and by another."""
    pads = d.constant([0, 0, 1, 1, 0, 0, 1, 1])
    y = d.op("Pad", x[0], pads, d.constant(IN[1], np.uint8))
    return d.op("QLinearSigmoid", d.op("Pad", y, pads), *x[1:], *pair(d, OUT), **MS)


CASES: dict[str, Callable[[Drawing, list[str]], str]] = {
    "QGemm": gemm,
    "QLinearAdd": binary("QLinearAdd"),
    "QLinearAveragePool": unary("QLinearAveragePool", kernel_shape=[3, 3], pads=[1] * 4),
    "QLinearConcat": concat,
    "QLinearConv": conv,
    "QLinearGlobalAveragePool": unary("QLinearGlobalAveragePool", channels_last=0),
    "QLinearLeakyRelu": unary("QLinearLeakyRelu", alpha=0.3),
    "QLinearMatMul": matmul,
    "QLinearMul": binary("QLinearMul"),
    "QLinearSigmoid": unary("QLinearSigmoid"),
    "QLinearSoftmax": unary("QLinearSoftmax", axis=1, opset=13),
    "Pad": padded,
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_on_integers(case: str, tmp_path: Path) -> None:
    """Within a step of the result, on inputs that are quantised without loss."""
    d = Drawing(opset=13)
    x = [d.op("QuantizeLinear", "x", *pair(d, IN)), *pair(d, IN)]
    made = CASES[case](d, x)
    model = d.model(d.op("DequantizeLinear", made, *pair(d, OUT)))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.opset_import.append(helper.make_opsetid("unheard.of", 7))
    graph = imported(model, tmp_path)
    q = RNG.integers(0, 256, (1, 8, 6, 6)).astype(np.float32)
    (expected,) = by_onnxruntime(without(model, "unheard.of"), {"x": (q - 100) * IN[0]})
    found = evaluated(graph, (q - 100) * IN[0])
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=float(OUT[0]))
    assert np.abs(found.reshape(expected.shape) - expected).max() > 0


def without(model: Any, domain: str) -> Any:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    kept = [entry for entry in made.opset_import if entry.domain != domain]
    del made.opset_import[:]
    made.opset_import.extend(kept)
    return made


MOVED: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "Concat": ((), {"axis": 1}),
    "DepthToSpace": ((), {"blocksize": 2}),
    "Flatten": ((), {}),
    "Gather": (([3, 2, 1],), {"axis": 1}),
    "Identity": ((), {}),
    "MaxPool": ((), {"kernel_shape": [2, 2]}),
    "Reshape": (([1, 2, 4, 6, 6],), {}),
    "Resize": ((), {}),
    "Slice": (([1], [3], [1]), {}),
    "SpaceToDepth": ((), {"blocksize": 2}),
    "Split": ((), {"axis": 1, "num_outputs": 1}),
    "Squeeze": (([0],), {}),
    "Transpose": ((), {"perm": [0, 2, 3, 1]}),
    "Unsqueeze": (([0],), {}),
}


@pytest.mark.parametrize("kind", MOVED)
def test_what_moves_integers_moves_floats(kind: str, tmp_path: Path) -> None:
    operands, attributes = MOVED[kind]
    d = Drawing(opset=18)
    q = d.op("QuantizeLinear", "x", *pair(d, IN))
    more = [d.constant(each) for each in operands]
    if kind == "Resize":
        more = ["", "", d.constant([1, 8, 12, 12])]
    moved = d.op(kind, q, *more, **attributes)
    model = d.model(d.op("DequantizeLinear", moved, *pair(d, IN)))
    graph = imported(model, tmp_path)
    assert labels(graph)[0].startswith("clip")


def test_every_operator_has_a_case() -> None:
    from mbc.frontends.onnx.importer.quantised_ops import CONCAT, OPERATORS

    assert CASES.keys() - {"Pad"} == {*OPERATORS, CONCAT}


# ---- what is refused -------------------------------------------------------------------------


def other_scale(d: Drawing) -> str:
    q = d.op("QuantizeLinear", "x", *pair(d, IN))
    return d.op("DequantizeLinear", q, *pair(d, OUT))


def by_channels(d: Drawing) -> str:
    scales, zeros = d.constant([0.1] * 8, np.float32), d.constant([0] * 8, np.int8)
    q = d.op("QuantizeLinear", "x", scales, zeros, axis=1)
    return d.op("DequantizeLinear", q, scales, zeros, axis=1)


def computed_scale(d: Drawing) -> str:
    scale = d.op("ReduceMax", "x", keepdims=0)
    return d.op("DequantizeLinear", d.op("QuantizeLinear", "x", scale), scale)


def integer_arithmetic(d: Drawing) -> str:
    q = d.op("QuantizeLinear", "x", *pair(d, IN))
    return d.op("DequantizeLinear", d.op("Add", q, q), *pair(d, IN))


def missing_parts(d: Drawing) -> str:
    q = d.op("QuantizeLinear", "x", *pair(d, IN))
    return d.op("QLinearSigmoid", q, **MS)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (other_scale, "has another scale or zero point than the value that it reads"),
        (by_channels, "values are quantised by channels"),
        (computed_scale, "scale is not constant"),
        (integer_arithmetic, "computes with integers that are quantised floats"),
        (missing_parts, "scale is not constant"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_floats_cannot_say_is_refused(
    case: Callable[[Drawing], str], reason: str, tmp_path: Path
) -> None:
    d = Drawing(opset=17)
    with pytest.raises(MbcError) as caught:
        imported(d.model(d.op("Hardmax", case(d))), tmp_path)
    first, *others = caught.value.diagnostics
    assert first.code == "E0802"
    assert reason in first.message
    assert [each.message for each in others] == ["Hardmax is not supported"]


def test_integers_from_outside_are_refused_with_the_cure(tmp_path: Path) -> None:
    d = Drawing(opset=17)
    x = d.op("DequantizeLinear", "x", *pair(d, (IN[0], np.uint16(100))))
    model = d.model(d.op("Relu", x))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT16
    with pytest.raises(MbcError) as caught:
        imported(model, tmp_path)
    (found,) = caught.value.diagnostics
    assert found.helps == (f"take the part that follows it: --inputs {x}",)
    assert labels(imported(model, tmp_path, inputs=(x,))) == ["relu"]


def test_an_output_of_integers_is_the_number_that_they_stand_for(tmp_path: Path) -> None:
    d = Drawing(opset=17)
    made = d.op("QuantizeLinear", d.op("Relu", "x"), *pair(d, IN))
    model = d.model(made)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    notes: list[str] = []
    graph = imported(model, tmp_path, note=notes.append)
    assert notes == [NOTE, f"outputs that are integers in the model are floats: '{made}'"]
    x = RNG.standard_normal((1, 8, 6, 6)).astype(np.float32)
    (q,) = by_onnxruntime(model, {"x": x})
    stands_for = (q.astype(np.float32) - IN[1]) * IN[0]
    np.testing.assert_allclose(evaluated(graph, x), stands_for, atol=float(IN[0]) / 2 + 1e-6)


def test_damaged_scales_are_told(tmp_path: Path) -> None:
    d = Drawing(opset=17)
    q = d.op("QuantizeLinear", "x", *pair(d, IN))
    model = d.model(d.op("DequantizeLinear", q, *pair(d, IN)))
    short = numpy_helper.from_array(np.zeros(1, np.float32), "c0")
    short.raw_data = b"\0"
    model.graph.initializer[0].CopyFrom(short)
    with pytest.raises(MbcError) as caught:
        imported(model, tmp_path)
    assert caught.value.diagnostics[0].code == "E0802"


@pytest.mark.parametrize("value", [b"no", [1, 2], [], TypeProto()])
@pytest.mark.parametrize("name", ["alpha", "opset", "kernel_shape"])
def test_attributes_of_other_types_are_refused(name: str, value: Any, tmp_path: Path) -> None:
    if name == "kernel_shape" and value in (b"no", [1, 2]):
        return
    d = Drawing(opset=17)
    x = d.op("QuantizeLinear", "x", *pair(d, IN))
    weight = [d.constant(np.ones((4, 8, 1, 1)), np.int8), *pair(d, (0.1, np.int8(0)))]
    d.op("QLinearConv", x, *pair(d, IN), *weight, *pair(d, IN))
    node = d.nodes[-1]
    made = node.attribute.add(name=name)
    if isinstance(value, bytes):
        made.type, made.s = AttributeProto.STRING, value
    elif isinstance(value, list):
        made.type = AttributeProto.INTS
        made.ints.extend(value)
    else:
        made.type = AttributeProto.TYPE_PROTO
    with pytest.raises(MbcError, match=f"E0802: QLinearConv: its attribute '{name}' is no number"):
        imported(d.model(node.output[0]), tmp_path)


def test_damaged_formulas_are_told_of(tmp_path: Path) -> None:
    """An activation with a fault is no part of a formula; the rule of its op refuses it."""
    d = Drawing(opset=17)
    d.op("LeakyRelu", "x")
    made = d.nodes[-1].attribute.add(name="alpha")
    made.type, made.s = AttributeProto.STRING, b"no"
    y = d.op("Add", d.nodes[-1].output[0], d.constant(1, np.float32))
    with pytest.raises(MbcError, match="E0802: LeakyRelu: its attribute alpha is no number"):
        imported(d.model(y), tmp_path)


def test_a_vector_times_a_matrix_is_refused(tmp_path: Path) -> None:
    d = Drawing(opset=17, inputs={"x": (8, 4)})
    y = d.op("MatMul", d.weight(8), "x")
    with pytest.raises(MbcError, match="E0802: MatMul: it multiplies a constant vector"):
        imported(d.model(y), tmp_path)
