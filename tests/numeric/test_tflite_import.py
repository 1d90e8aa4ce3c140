"""Models of TensorFlow Lite compute what LiteRT says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.interp import run
from mbc.ir.graph import Graph
from tests.tflite_models import (
    RELU,
    RELU6,
    RELU_N1_TO_1,
    SAME,
    VALID,
    Drawing,
    Shape,
    agree,
    by_litert,
    imported,
    inputs_of,
    ops,
)


def moves(graph: Graph) -> list[str]:
    return [repr(node) for node in graph.topo() if node.op.moves_data_only]


WINDOW: dict[str, Any] = {"StrideW": 1, "StrideH": 1}


# ---- convolutions, dense layers, pools


@pytest.mark.parametrize(
    ("kernel", "values"),
    [
        (1, {}),
        (3, {"StrideW": 2, "StrideH": 2}),
        (3, {"Padding": VALID, "act": RELU6}),
        (2, {"StrideH": 2, "act": RELU}),
        (3, {"DilationWFactor": 2, "DilationHFactor": 2, "act": RELU_N1_TO_1}),
        (5, {"StrideW": 3, "StrideH": 3}),
    ],
    ids=str,
)
def test_convolutions(kernel: int, values: dict[str, Any], tmp_path: Path) -> None:
    d = Drawing({"x": (2, 7, 6, 8)})
    x = d.conv("x", 5, 8, kernel, **values)
    graph = agree(d, tmp_path)
    assert not moves(graph)
    assert graph.topo()[-1].result.name == x


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_depthwise_convolutions(multiplier: int, tmp_path: Path) -> None:
    d = Drawing()
    weight, bias = d.weight(1, 3, 3, 8 * multiplier), d.weight(8 * multiplier)
    options = {"Padding": SAME, "StrideW": 2, "StrideH": 2, "DepthMultiplier": multiplier}
    d.op("DEPTHWISE_CONV_2D", "x", weight, bias, options="DepthwiseConv2DOptions", **options)
    assert ops(agree(d, tmp_path)) == {"conv2d": 1}


def test_grouped_convolution(tmp_path: Path) -> None:
    d = Drawing()
    weight, bias = d.weight(12, 3, 3, 2), d.weight(12)
    d.op("CONV_2D", "x", weight, bias, options="Conv2DOptions", Padding=SAME, **WINDOW)
    assert ops(agree(d, tmp_path)) == {"conv2d": 1}


def test_convolutions_without_options(tmp_path: Path) -> None:
    """The schema's defaults are those of a node without options."""
    d = Drawing()
    d.op("CONV_2D", "x", d.weight(4, 1, 1, 8), d.weight(4), options="Conv2DOptions", **WINDOW)
    agree(d, tmp_path)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"),
    [
        (2, 2, SAME, (12, 12)),
        (3, 2, SAME, (12, 12)),
        (3, 2, SAME, (11, 11)),
        (3, 2, VALID, (13, 13)),
        (4, 2, VALID, (14, 14)),
        (5, 3, SAME, (18, 16)),
        (3, 1, SAME, (6, 6)),
    ],
)
def test_transposed_convolutions(
    kernel: int, stride: int, padding: int, size: tuple[int, int], tmp_path: Path
) -> None:
    d = Drawing()
    shape, weight = d.constant([1, *size, 5]), d.weight(5, kernel, kernel, 8)
    options = {"Padding": padding, "StrideW": stride, "StrideH": stride}
    given = (shape, weight, "x", d.weight(5))
    d.op("TRANSPOSE_CONV", *given, options="TransposeConvOptions", **options)
    assert ops(agree(d, tmp_path)) == {"transposed_conv": 1}


def test_the_transposed_convolution_of_mediapipe(tmp_path: Path) -> None:
    d = Drawing()
    custom = np.array([1, 2, 2, 0, 0], np.int32).tobytes()
    kind, weight = "CUSTOM Convolution2DTransposeBias", d.weight(4, 2, 2, 8)
    d.op(kind, "x", weight, d.weight(4), custom=custom)
    d.tensors[-1] = replace(d.tensors[-1], shape=(1, 12, 12, 4))
    assert ops(agree(d, tmp_path)) == {"transposed_conv": 1}


@pytest.mark.parametrize("keep", [False, True])
def test_dense_layers(keep: bool, tmp_path: Path) -> None:
    """Over the last axis; of a flattened map the weight stays as it is."""
    d = Drawing()
    options = {"KeepNumDims": keep, "FusedActivationFunction": RELU}
    given = ("x", d.weight(5, 8), d.weight(5)) if keep else ("x", d.weight(5, 6 * 6 * 8), "")
    d.op("FULLY_CONNECTED", *given, options="FullyConnectedOptions", **options)
    graph = agree(d, tmp_path)
    assert ops(graph)["dense"] == 1
    assert "transpose" not in ops(graph)


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("kernel", [2, 3, 6])
def test_pools(kind: str, padding: int, kernel: int, tmp_path: Path) -> None:
    d = Drawing()
    options = {"FilterWidth": kernel, "FilterHeight": kernel, "StrideW": 2, "StrideH": 2}
    options |= {"Padding": padding, "FusedActivationFunction": RELU6}
    d.op(kind, "x", options="Pool2DOptions", **options)
    assert not moves(agree(d, tmp_path)) or kernel == 6


# ---- arithmetic and functions

ARITHMETIC = ("ADD", "SUB", "MUL", "DIV", "MINIMUM", "MAXIMUM", "SQUARED_DIFFERENCE")


@pytest.mark.parametrize("kind", ARITHMETIC)
def test_arithmetic(kind: str, tmp_path: Path) -> None:
    """With constants of several shapes, and a tensor with fewer axes."""
    d = Drawing({"x": (2, 3, 4, 8), "y": (2, 3, 4, 8), "z": (4, 8), "w": (2, 1, 1, 8)})
    vector, column, number = d.weight(8), d.weight(2, 3, 1, 1), d.constant(1.5, np.float32)
    others = ("y", "w", "z", vector, column, number, d.constant([[[[0.7]]]], np.float32))
    each = [d.op(kind, "x", other) for other in others]
    agree(d, tmp_path, *each, d.op(kind, d.weight(1, 1, 8), "x"))


def test_fused_activations_of_arithmetic(tmp_path: Path) -> None:
    d = Drawing()
    x = d.op("ADD", "x", d.weight(8), options="AddOptions", FusedActivationFunction=RELU)
    x = d.op("MUL", x, x, options="MulOptions", FusedActivationFunction=RELU6)
    act = {"FusedActivationFunction": RELU_N1_TO_1}
    x = d.op("SUB", x, d.weight(8), options="SubOptions", **act)
    graph = agree(d, tmp_path)
    assert ops(graph) == {"add": 1, "relu": 1, "mul": 1, "relu6": 1, "sub": 1, "clip": 1}
    assert graph.topo()[-1].result.name == x


FUNCTIONS = (
    *("ELU", "HARD_SWISH", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"),
    *("ABS", "NEG", "EXP", "SQUARE"),
)


def test_functions(tmp_path: Path) -> None:
    d = Drawing()
    each = [d.op(kind, "x") for kind in FUNCTIONS]
    positive = d.op("ABS", "x")
    each += [d.op(kind, positive) for kind in ("LOG", "SQRT", "RSQRT")]
    each += [d.op("POW", positive, d.constant(1.75, np.float32))]
    each += [d.op("LEAKY_RELU", "x", options="LeakyReluOptions", Alpha=0.3)]
    each += [d.op("GELU", "x", options="GeluOptions", Approximate=a) for a in (False, True)]
    each += [d.op("ADD_N", "x", positive, each[0])]
    agree(d, tmp_path, *each)


def test_prelu(tmp_path: Path) -> None:
    d = Drawing()
    x = d.op("PRELU", "x", d.weight(1, 1, 8))
    d.op("PRELU", x, d.constant([[[0.25]]], np.float32))
    assert ops(agree(d, tmp_path)) == {"prelu": 1, "leaky_relu": 1}


@pytest.mark.parametrize("shape", [(1, 6, 6, 8), (3, 8), (2, 5, 8)])
def test_normalisations(shape: Shape, tmp_path: Path) -> None:
    d = Drawing({"x": shape})
    each = [d.op("SOFTMAX", "x", options="SoftmaxOptions", Beta=beta) for beta in (1.0, 0.5)]
    each += [d.op("LOG_SOFTMAX", "x")]
    each += [d.op("L2_NORMALIZATION", "x", options="L2NormOptions")]
    assert not moves(agree(d, tmp_path, *each))


def test_local_response_normalisation(tmp_path: Path) -> None:
    d = Drawing()
    options = {"Radius": 2, "Bias": 1.5, "Alpha": 0.3, "Beta": 0.6}
    name = "LocalResponseNormalizationOptions"
    d.op("LOCAL_RESPONSE_NORMALIZATION", "x", options=name, **options)
    assert ops(agree(d, tmp_path)) == {"lrn": 1}


def test_hard_swish_as_arithmetic(tmp_path: Path) -> None:
    d = Drawing()
    three, sixth = d.constant(3, np.float32), d.constant(1 / 6, np.float32)
    x = d.op("ADD", "x", three, options="AddOptions", FusedActivationFunction=RELU6)
    d.op("MUL", "x", d.op("MUL", x, sixth))
    assert ops(agree(d, tmp_path)) == {"hard_swish": 1}


def test_squeeze_and_excitation(tmp_path: Path) -> None:
    """Its convolutions of one pixel are dense layers, and nothing is moved."""
    d = Drawing()
    x = d.conv("x", 8, 8)
    pooled = d.op("MEAN", x, d.constant([1, 2]), options="ReducerOptions", KeepDims=True)
    gate = d.op("LOGISTIC", d.conv(d.conv(pooled, 4, 8, act=RELU), 8, 4))
    d.op("MUL", x, gate)
    graph = agree(d, tmp_path)
    assert ops(graph)["dense"] == 2
    assert not moves(graph)


@pytest.mark.parametrize("kind", ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"])
def test_reductions(kind: str, tmp_path: Path) -> None:
    d = Drawing({"x": (2, 3, 4, 8)})
    each = [
        d.op(kind, "x", d.constant(axes), options="ReducerOptions", KeepDims=keep)
        for axes in ([1, 2], [-1], [1], [2, 3], [0, 1])
        for keep in (False, True)
    ]
    agree(d, tmp_path, *each)


def test_indices(tmp_path: Path) -> None:
    d = Drawing({"x": (2, 3, 4, 8)})
    kind = {"options": "ArgMaxOptions", "OutputType": 2, "element": "INT32"}
    each = [d.op("ARG_MAX", "x", d.constant(axis), **kind) for axis in (3, 1, -2)]
    wide = d.op("CAST", each[0], options="CastOptions", element="INT64")
    flat = d.op("RESHAPE", each[1], d.constant([-1]), element="INT32")
    turned = d.op("TRANSPOSE", each[2], d.constant([2, 0, 1]), element="INT32")
    more = d.op("EXPAND_DIMS", turned, d.constant(0), element="INT32")
    less = d.op("SQUEEZE", more, options="SqueezeOptions", SqueezeDims=[0], element="INT32")
    content = d.model(*each, wide, flat, more, less)
    given = inputs_of(d)
    found = run(imported(content, tmp_path), given).values()
    for ours, expected in zip(found, by_litert(content, given), strict=True):
        assert np.array_equal(ours, expected)


def test_products(tmp_path: Path) -> None:
    d = Drawing({"x": (2, 3, 5, 8), "y": (2, 3, 5, 8), "z": (2, 3, 8, 4)})
    kind, options = "BATCH_MATMUL", "BatchMatMulOptions"
    each = [d.op(kind, "x", "z", options=options), d.op(kind, "x", "y", options=options, AdjY=True)]
    each += [d.op(kind, "x", "y", options=options, AdjX=True)]
    flat = d.op("RESHAPE", "x", d.constant([6, 5, 8]))
    each += [d.op(kind, flat, d.weight(8, 4), options=options)]
    each += [d.op(kind, flat, d.weight(4, 8), options=options, AdjY=True)]
    each += [d.op(kind, flat, d.weight(1, 1, 8, 4), options=options)]
    each += [d.op(kind, d.weight(4, 5), "x", options=options)]
    each += [d.op(kind, d.weight(1, 5, 4), "x", options=options, AdjX=True)]
    agree(d, tmp_path, *each)
