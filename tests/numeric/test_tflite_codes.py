"""Quantised models of TensorFlow Lite give the codes that LiteRT gives, or next to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType

import mbc
from mbc.driver.net import CompiledNet
from mbc.frontends.options import ModelOptions
from mbc.frontends.tflite import import_tflite
from mbc.ir.elements import F32, Q8, S8, S32
from mbc.ir.graph import Graph
from tests.example_networks import Example
from tests.tflite_models import (
    PLAIN,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    SAME,
    VALID,
    XNNPACK,
    Array,
    Drawing,
    inputs_of,
    interpreter,
    ops,
)
from tests.tflite_pages import drawing_of
from tests.tflite_quantised import Codes, by_oracle, on_codes, quantised, steps_apart

S8_CODES, U8_CODES = Codes(), Codes("UINT8")
ONE: Mapping[str, Any] = {"StrideW": 1, "StrideH": 1, "Padding": SAME}
POOL: Mapping[str, Any] = {
    "options": "Pool2DOptions",
    "Padding": SAME,
    "StrideW": 2,
    "StrideH": 2,
    "FilterWidth": 3,
    "FilterHeight": 3,
}
IMAGE_AXES: Mapping[str, Any] = {"options": "ReducerOptions", "KeepDims": True}

Make = Callable[[Drawing], str]


def one(kind: str, *inputs: str, **options: Any) -> Make:
    return lambda d: d.op(kind, *inputs, **options)


def transposed(d: Drawing) -> str:
    options = {"options": "TransposeConvOptions", **ONE, "StrideW": 2, "StrideH": 2}
    shape, weight = d.constant([1, 12, 12, 5]), d.weight(5, 3, 3, 8)
    return d.op("TRANSPOSE_CONV", shape, weight, "x", d.weight(5), **options)


def depthwise(x: str, d: Drawing, channels: int, **options: Any) -> str:
    weight, bias = d.weight(1, 3, 3, channels), d.weight(channels)
    given = {"options": "DepthwiseConv2DOptions", "DepthMultiplier": 1, **ONE, **options}
    return d.op("DEPTHWISE_CONV_2D", x, weight, bias, **given)


def dense(d: Drawing, *shape: int, **options: Any) -> str:
    given = {"options": "FullyConnectedOptions", **options}
    return d.op("FULLY_CONNECTED", "x", d.weight(*shape), d.weight(shape[0]), **given)


def divided(d: Drawing) -> str:
    """By what is far from 0."""
    below = d.op("ADD", d.op("RELU6", "y"), d.constant(2, np.float32), options="AddOptions")
    return d.op("DIV", "x", below, options="DivOptions")


def hard_swish(d: Drawing) -> str:
    """As arithmetic, of which each step is rounded to codes."""
    three, sixth = d.constant(3, np.float32), d.constant(1 / 6, np.float32)
    gate = d.op("ADD", "x", three, options="AddOptions", FusedActivationFunction=RELU6)
    gate = d.op("MUL", gate, sixth, options="MulOptions")
    return d.op("MUL", "x", gate, options="MulOptions")


def squeezed(d: Drawing) -> str:
    gate = d.op("MEAN", "x", d.constant([1, 2]), **IMAGE_AXES)
    gate = d.op("LOGISTIC", d.conv(d.conv(gate, 4, 8, act=RELU), 8, 4))
    return d.op("MUL", "x", gate, options="MulOptions")


def padded(d: Drawing) -> str:
    pads = d.constant([[0, 0], [1, 1], [1, 1], [0, 0]])
    return d.conv(d.op("PAD", "x", pads), 4, 8, 3, Padding=VALID)


def arithmetic(kind: str, other: Callable[[Drawing], str] = lambda d: "y", act: int = 0) -> Make:
    options = {"options": f"{kind.title()}Options", "FusedActivationFunction": act}
    return lambda d: d.op(kind, "x", other(d), **options)


def resized(kind: str, *size: int, **grid: bool) -> Make:
    words = "".join(word.title() for word in kind.split("_"))
    return lambda d: d.op(kind, "x", d.constant(size), options=f"{words}Options", **grid)


def reduced(kind: str, *axes: int, keep: bool = True) -> Make:
    options = {"options": "ReducerOptions", "KeepDims": keep}
    return lambda d: d.op(kind, "x", d.constant(axes), **options)


CASES: Mapping[str, Make] = {
    "convolution": lambda d: d.conv("x", 5, 8, 3),
    "relu6": lambda d: d.conv("x", 5, 8, 3, act=RELU6, StrideW=2, StrideH=2),
    "relu1": lambda d: d.conv("x", 5, 8, 3, act=RELU_N1_TO_1, DilationWFactor=2, DilationHFactor=2),
    "grouped": lambda d: d.op(
        "CONV_2D", "x", d.weight(12, 3, 3, 2), d.weight(12), options="Conv2DOptions", **ONE
    ),
    "depthwise": lambda d: depthwise("x", d, 8, StrideW=2, StrideH=2),
    "two filters a channel": lambda d: depthwise("x", d, 16, DepthMultiplier=2),
    "transposed convolution": transposed,
    "dense": lambda d: dense(d, 5, 6 * 6 * 8),
    "dense over rows": lambda d: dense(d, 5, 8, KeepNumDims=True, FusedActivationFunction=RELU),
    "pad before a convolution": padded,
    "add": arithmetic("ADD"),
    "add and relu": arithmetic("ADD", act=RELU),
    "add by channel": arithmetic("ADD", lambda d: d.weight(8)),
    "add a number": arithmetic("ADD", lambda d: d.constant(1.5, np.float32)),
    "add an image": arithmetic("ADD", lambda d: d.weight(1, 6, 6, 8)),
    "subtract": arithmetic("SUB"),
    "multiply": arithmetic("MUL"),
    "multiply by channel": arithmetic("MUL", lambda d: d.weight(8)),
    "divide": divided,
    "squared difference": one("SQUARED_DIFFERENCE", "x", "y"),
    "maximum": one("MAXIMUM", "x", "y"),
    "minimum": one("MINIMUM", "x", "y"),
    "average pool": one("AVERAGE_POOL_2D", "x", **POOL),
    "average pool and relu": one("AVERAGE_POOL_2D", "x", **POOL, FusedActivationFunction=RELU),
    "max pool and relu6": one("MAX_POOL_2D", "x", **POOL, FusedActivationFunction=RELU6),
    "mean of the image": reduced("MEAN", 1, 2),
    "mean of channels": reduced("MEAN", 3, keep=False),
    "sum": reduced("SUM", 1, 2),
    "reduce max": reduced("REDUCE_MAX", 1, 2),
    "reduce min": reduced("REDUCE_MIN", 1),
    "concatenation": one("CONCATENATION", "x", "y", options="ConcatenationOptions", Axis=3),
    "concatenation of rows": one("CONCATENATION", "x", "y", options="ConcatenationOptions", Axis=1),
    "reshape": lambda d: d.op("RESHAPE", "x", d.constant([1, 36, 8])),
    "transpose": lambda d: d.op("TRANSPOSE", "x", d.constant([0, 2, 1, 3])),
    "pad": lambda d: d.op("PAD", "x", d.constant([[0, 0], [1, 2], [0, 1], [0, 0]])),
    "mirror pad": lambda d: d.op(
        "MIRROR_PAD", "x", d.constant([[0, 0], [1, 2], [0, 1], [0, 0]]), options="MirrorPadOptions"
    ),
    "bilinear": resized("RESIZE_BILINEAR", 12, 12, HalfPixelCenters=True),
    "bilinear at corners": resized("RESIZE_BILINEAR", 9, 7, AlignCorners=True),
    "bilinear to less": resized("RESIZE_BILINEAR", 3, 4),
    "nearest": resized("RESIZE_NEAREST_NEIGHBOR", 12, 12, HalfPixelCenters=True),
    "slice": lambda d: d.op("SLICE", "x", d.constant([0, 1, 0, 2]), d.constant([1, 4, 6, 4])),
    "every second channel": lambda d: d.op(
        "STRIDED_SLICE",
        "x",
        *(d.constant(each) for each in ([0, 1, 0, 0], [1, 6, 6, 8], [1, 2, 1, 2])),
        options="StridedSliceOptions",
    ),
    "gather": lambda d: d.op("GATHER", "x", d.constant([3, 1, 2]), options="GatherOptions", Axis=3),
    "pack": one("PACK", "x", "y", options="PackOptions", Axis=1, ValuesCount=2),
    "depth to space": one("DEPTH_TO_SPACE", "x", options="DepthToSpaceOptions", BlockSize=2),
    "space to depth": one("SPACE_TO_DEPTH", "x", options="SpaceToDepthOptions", BlockSize=2),
    "softmax": one("SOFTMAX", "x", options="SoftmaxOptions", Beta=0.5),
    "logarithm of softmax": one("LOG_SOFTMAX", "x"),
    "norm": one("L2_NORMALIZATION", "x", options="L2NormOptions"),
    "slopes": lambda d: d.op("PRELU", "x", d.weight(1, 1, 8)),
    "leaky relu": one("LEAKY_RELU", "x", options="LeakyReluOptions", Alpha=0.3),
    "gelu": one("GELU", "x", options="GeluOptions", Approximate=True),
    "product": one("BATCH_MATMUL", "x", "y", options="BatchMatMulOptions", AdjY=True),
    "silu": lambda d: d.op("MUL", "x", d.op("LOGISTIC", "x"), options="MulOptions"),
    "hard-swish as arithmetic": hard_swish,
    "squeeze and excitation": squeezed,
    "square root": lambda d: d.op("SQRT", d.op("RELU", "x")),
    **{
        kind.lower(): one(kind, "x")
        for kind in (
            *("HARD_SWISH", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"),
            *("ABS", "ELU", "EXP"),
        )
    },
}

OF_INT8 = frozenset({
    "abs", "elu", "exp", "product", "square root", "squared difference",
})  # fmt: skip
"""What LiteRT does not compute on uint8."""

ROUNDED_WEIGHTS = {"relu1": 2}
"""Where weights of uint8, which reach beyond 127 steps from their zero point, make it more."""


def apart(make: Make, codes: Codes, folder: Path, kernels: OpResolverType) -> Counter[int]:
    d = Drawing({"x": (1, 6, 6, 8), "y": (1, 6, 6, 8)})
    content = quantised(d, [make(d)], codes)
    answer = by_oracle(on_codes(content, folder))
    return steps_apart(content, inputs_of(d, 9), answer, kernels=kernels)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kernels", [PLAIN, XNNPACK], ids=["plain", "XNNPACK"])
def test_ops_on_int8(case: str, kernels: OpResolverType, tmp_path: Path) -> None:
    found = apart(CASES[case], S8_CODES, tmp_path, kernels)
    assert max(found) <= 1
    assert found[1] <= 0.3 * found.total()


@pytest.mark.parametrize("case", sorted(CASES.keys() - OF_INT8))
def test_ops_on_uint8(case: str, tmp_path: Path) -> None:
    found = apart(CASES[case], U8_CODES, tmp_path, PLAIN)
    assert max(found) <= ROUNDED_WEIGHTS.get(case, 1)


# ---- networks


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": "0.35", "resolution": "32"},
        pytest.param({"resolution": "96"}, marks=pytest.mark.thorough),
    ],
    ids=str,
)
def test_a_page_on_int8(parameters: Mapping[str, str], tmp_path: Path) -> None:
    """All 65 layers. LiteRT's own two sets of kernels are up to 7 steps apart here."""
    d, output = drawing_of(Example("mobilenet_v2"), softmax="false", **parameters)
    content, given = quantised(d, [output], S8_CODES), inputs_of(d, 20)
    graph = on_codes(content, tmp_path)
    found = steps_apart(content, given, by_oracle(graph), kernels=XNNPACK)
    assert max(found) <= 3
    assert found[0] >= 0.5 * found.total()


def apart_by(net: CompiledNet, content: bytes, d: Drawing, draws: int = 8) -> Counter[int]:
    """Count the steps between a compiled network with one output and LiteRT."""

    def answer(given: Sequence[Array]) -> Sequence[Array]:
        made = net(*given)
        assert isinstance(made, np.ndarray)
        return [made]

    found = Counter[int]()
    for seed in range(draws):
        given = inputs_of(d, seed + 10)
        found += steps_apart(content, given, answer, step=1 / 256, kernels=XNNPACK)
    return found


def blocks(d: Drawing, count: int = 3) -> list[str]:
    """Residual blocks of MobileNetV2, pooled, with logits and softmax."""
    x = d.conv("x", 8, 3, 3, act=RELU6, StrideW=2, StrideH=2)
    for _ in range(count):
        y = d.conv(x, 24, 8, act=RELU6)
        y = d.conv(depthwise(y, d, 24, FusedActivationFunction=RELU6), 8, 24)
        x = d.op("ADD", x, y, options="AddOptions")
    x = d.op("MEAN", x, d.constant([1, 2]), options="ReducerOptions")
    options = {"options": "FullyConnectedOptions"}
    x = d.op("FULLY_CONNECTED", x, d.weight(10, 8), d.weight(10), **options)
    return [x, d.op("SOFTMAX", x, options="SoftmaxOptions", Beta=1.0)]


@pytest.mark.parametrize(
    ("codes", "most"),
    [
        (S8_CODES, 1),
        pytest.param(Codes(per_channel=False), 1, marks=pytest.mark.thorough),
        pytest.param(Codes(float_ends=True), 1, marks=pytest.mark.thorough),
        pytest.param(U8_CODES, 3, marks=pytest.mark.thorough),
    ],
    ids=str,
)
def test_residual_blocks(codes: Codes, most: int, tmp_path: Path) -> None:
    """Compiled. Each value that the model has is rounded, so additions are kernels of their own."""
    d = Drawing({"x": (1, 16, 16, 3)})
    content = quantised(d, [blocks(d)[1]], codes)
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    net = mbc.compile(path)
    assert max(apart_by(net, content, d)) <= most


def test_codes_are_those_of_the_file(tmp_path: Path) -> None:
    """Weights, biases and multipliers; outputs are rounded as the file has them."""
    d = Drawing()
    content = quantised(d, [d.conv("x", 5, 8, 3, act=RELU6)])
    graph = on_codes(content, tmp_path)
    details = {each["name"]: each for each in interpreter(content).get_tensor_details()}
    steps = {name: each["quantization_parameters"] for name, each in details.items()}
    (weight,) = (
        n
        for n, each in details.items()
        if len(steps[n]["scales"]) == each["shape"][0] == 5 and len(each["shape"]) == 4
    )
    constants = {type.element: c for c in graph.constants().values() for type in [c.type]}
    net = import_tflite(tmp_path / "net.tflite").quantisation
    assert net is not None
    (scales,) = net.weights.values()
    assert np.array_equal(scales, steps[weight]["scales"])
    file = interpreter(content)
    stored = file.get_tensor(details[weight]["index"])
    assert np.array_equal(constants[S8].array, stored.transpose(1, 2, 3, 0))
    (bias,) = (n for n, each in details.items() if each["dtype"] == np.int32)
    assert np.array_equal(constants[S32].array, file.get_tensor(details[bias]["index"]))
    conv = graph.topo()[1].result.type.element
    x = graph.topo()[0].result.type.element
    assert isinstance(x, Q8)
    assert isinstance(conv, Q8)
    scale, zero = details["conv_2d0"]["quantization"]
    assert conv == Q8.of(scale, zero + 128)
    expected = x.scale * scales.astype(np.float64) / conv.scale
    assert np.allclose(constants[F32].array, expected, rtol=2e-7, atol=0)


# ---- in float


ENDLESS = (
    *("convolution", "dense", "transposed convolution", "product"),
    *("add", "add and relu", "subtract", "multiply", "divide"),
)


@pytest.mark.parametrize("case", ENDLESS)
def test_a_quantised_model_in_float(case: str, tmp_path: Path) -> None:
    """--float: what its codes cut off are clips."""
    d = Drawing({"x": (1, 6, 6, 8), "y": (1, 6, 6, 8)})
    output = CASES[case](d)
    content = quantised(d, [output])
    graph, notes = in_float(content, tmp_path)
    clips = [node.result.name for node in graph.topo() if node.op.label == "clip"]
    assert any(name.partition(".")[0] == output for name in clips)
    assert "computes in float32" in notes[0]
    assert max(steps_apart(content, inputs_of(d), by_oracle(graph))) <= 5


def test_inputs_in_float(tmp_path: Path) -> None:
    d = Drawing({"x": (1, 6, 6, 8)})
    content = quantised(d, [d.op("HARD_SWISH", "x")], Codes(float_ends=True))
    graph, _ = in_float(content, tmp_path)
    assert ops(graph) == {"clip": 1, "hard_swish": 1}


def in_float(content: bytes, folder: Path) -> tuple[Graph, list[str]]:
    path, notes = folder / "net.tflite", list[str]()
    path.write_bytes(content)
    made = import_tflite(path, ModelOptions(floats=True), notes.append)
    assert made.quantisation is None
    return made.graph, notes
