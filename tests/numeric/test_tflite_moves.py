"""Moves, constants and parts of TensorFlow Lite models: what LiteRT says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.frontends.options import ModelOptions
from tests.tflite_models import SAME, VALID, Drawing, agree, imported, ops, sparse

WINDOW: dict[str, Any] = {"StrideW": 1, "StrideH": 1}


def test_shapes(tmp_path: Path) -> None:
    d = Drawing()
    flat = d.op("RESHAPE", "x", d.constant([1, 36, 8]), options="ReshapeOptions", NewShape=[])
    matrix = d.op("RESHAPE", "x", d.constant([-1, 48]))
    squeezed = d.op("SQUEEZE", "x", options="SqueezeOptions", SqueezeDims=[0])
    wide = d.op("EXPAND_DIMS", "x", d.constant(1))
    back = d.op("RESHAPE", flat, d.constant([1, 9, 4, 8]))
    turned = d.op("TRANSPOSE", "x", d.constant([0, 2, 3, 1]))
    same = d.op("CAST", "x", options="CastOptions", InDataType=0, OutDataType=0)
    agree(d, tmp_path, flat, matrix, squeezed, wide, back, turned, same)


def test_a_channel_shuffle_moves_nothing(tmp_path: Path) -> None:
    d = Drawing()
    x = d.op("RESHAPE", d.conv("x", 8, 8), d.constant([1, 6, 6, 2, 4]))
    x = d.op("TRANSPOSE", x, d.constant([0, 1, 2, 4, 3]))
    d.conv(d.op("RESHAPE", x, d.constant([1, 6, 6, 8])), 5, 8)
    assert ops(agree(d, tmp_path)) == {"conv2d": 2, "channel_shuffle": 1}


@pytest.mark.parametrize("axis", [1, 3])
def test_parts(axis: int, tmp_path: Path) -> None:
    d = Drawing()
    at = d.constant(axis)
    halves = d.op("SPLIT", at, "x", options="SplitOptions", NumSplits=2, results=2)
    rest = 4 if axis == 3 else 2
    sizes = d.constant([3, 1, rest])
    thirds = d.op("SPLIT_V", "x", sizes, at, options="SplitVOptions", NumSplits=3, results=3)
    parts, options = (f"{halves}.1", thirds, halves), "ConcatenationOptions"
    joined = d.op("CONCATENATION", *parts, options=options, Axis=axis - 4)
    rows = d.op("GATHER", "x", d.constant([4, 1, 0]), options="GatherOptions", Axis=axis)
    agree(d, tmp_path, joined, f"{thirds}.2", rows)


def test_stacks(tmp_path: Path) -> None:
    d = Drawing({"x": (2, 3, 8), "y": (2, 3, 8)})
    each = []
    for axis in (0, 2, 3, -1):
        options = {"ValuesCount": 2, "Axis": axis}
        each.append(d.op("PACK", "x", "y", options="PackOptions", **options))
    packed = each[1]
    cut = d.op("UNPACK", packed, options="UnpackOptions", Num=2, Axis=2, results=2)
    agree(d, tmp_path, *each, cut, f"{cut}.1")


def test_slices(tmp_path: Path) -> None:
    d = Drawing({"x": (2, 6, 7, 8)})
    part = d.op("SLICE", "x", d.constant([0, 1, 2, 3]), d.constant([-1, 4, 1, 5]))
    bounds = [d.constant(each) for each in ([0, 1, -5, 7], [2, 0, 7, 0], [1, 2, 2, -1])]
    options = {"BeginMask": 1, "EndMask": 2}
    strided = d.op("STRIDED_SLICE", "x", *bounds, options="StridedSliceOptions", **options)
    one = [d.constant(each) for each in ([0, -1], [0, 0], [1, 1])]
    options = {"EllipsisMask": 1, "ShrinkAxisMask": 2}
    last = d.op("STRIDED_SLICE", "x", *one, options="StridedSliceOptions", **options)
    two = [d.constant(each) for each in ([0, 1, 3], [0, 0, 6], [1, 1, 2])]
    options = {"BeginMask": 1, "EndMask": 1, "NewAxisMask": 2}
    added = d.op("STRIDED_SLICE", "x", *two, options="StridedSliceOptions", **options)
    agree(d, tmp_path, part, strided, last, added)


@pytest.mark.parametrize(
    "pads", [[[0, 0], [1, 2], [0, 1], [0, 0]], [[0, 0], [0, 0], [0, 0], [1, 3]]]
)
def test_pads(pads: list[list[int]], tmp_path: Path) -> None:
    d = Drawing()
    by = d.constant(pads)
    each = [d.op("PAD", "x", by), d.op("PADV2", "x", by, d.constant(-1.5, np.float32))]
    each += [d.op("MIRROR_PAD", "x", by, options="MirrorPadOptions", Mode=mode) for mode in (0, 1)]
    agree(d, tmp_path, *each)


def test_a_pad_before_a_convolution_is_its_padding(tmp_path: Path) -> None:
    d = Drawing()
    x = d.op("PAD", "x", d.constant([[0, 0], [0, 1], [0, 1], [0, 0]]))
    d.conv(x, 5, 8, 3, Padding=VALID, StrideW=2, StrideH=2)
    assert ops(agree(d, tmp_path)) == {"conv2d": 1}


@pytest.mark.parametrize("kind", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
@pytest.mark.parametrize("size", [(12, 12), (3, 5), (8, 16)])
def test_resizes(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    d = Drawing()
    name = "ResizeBilinearOptions" if "BI" in kind else "ResizeNearestNeighborOptions"
    by = d.constant(size)
    grids: tuple[dict[str, bool], ...] = ({}, {"AlignCorners": True}, {"HalfPixelCenters": True})
    each = [d.op(kind, "x", by, options=name, **grid) for grid in grids]
    agree(d, tmp_path, *each)


def test_blocks(tmp_path: Path) -> None:
    d = Drawing()
    deep = d.op("SPACE_TO_DEPTH", "x", options="SpaceToDepthOptions", BlockSize=2)
    wide = d.op("DEPTH_TO_SPACE", "x", options="DepthToSpaceOptions", BlockSize=2)
    agree(d, tmp_path, deep, wide)


# ---- constants


def test_half_precision_weights(tmp_path: Path) -> None:
    d = Drawing()
    weight = d.constant(d.rng.standard_normal((5, 3, 3, 8)) / 9, np.float16)
    given = d.op("DEQUANTIZE", weight), d.weight(5)
    d.op("CONV_2D", "x", *given, options="Conv2DOptions", Padding=SAME, **WINDOW)
    assert ops(agree(d, tmp_path)) == {"conv2d": 1}


def test_weights_that_are_stored_as_integers(tmp_path: Path) -> None:
    d = Drawing()
    integers = d.rng.integers(-127, 128, (5, 1, 1, 8))
    weight = d.op("DEQUANTIZE", d.constant(integers, np.int8, scales=(0.01,)))
    d.op("CONV_2D", "x", weight, d.weight(5), options="Conv2DOptions", Padding=SAME, **WINDOW)
    assert ops(agree(d, tmp_path)) == {"conv2d": 1}


def test_sparse_weights(tmp_path: Path) -> None:
    d = Drawing({"x": (3, 8)})
    stored = d.rng.standard_normal(16)
    name = d.constant(stored, np.float32, sparsity=sparse)
    place = d.number(name)
    d.tensors[place] = replace(d.tensors[place], shape=(4, 8))
    d.op("FULLY_CONNECTED", "x", d.op("DENSIFY", name), "", options="FullyConnectedOptions")
    graph = agree(d, tmp_path)
    (weight,) = graph.constants().values()
    assert np.count_nonzero(weight.array) == 16
    assert not weight.array[:, 1].any()


def test_shapes_are_folded(tmp_path: Path) -> None:
    """What a converter computes from a shape, to keep the batch."""
    d = Drawing({"x": (2, 3, 4, 8)})
    shape = d.op("SHAPE", "x", options="ShapeOptions", OutType=2, element="INT32")
    bounds = [d.constant(each) for each in ([0], [1], [1])]
    options = {"ShrinkAxisMask": 1}
    batch = d.op(
        "STRIDED_SLICE", shape, *bounds, options="StridedSliceOptions", element="INT32", **options
    )
    rows = d.op("MUL", batch, d.constant(12), element="INT32")
    options = {"ValuesCount": 2, "Axis": 0}
    wanted = d.op("PACK", rows, d.constant(8), options="PackOptions", element="INT32", **options)
    d.op("RESHAPE", d.conv("x", 8, 8), wanted)
    assert ops(agree(d, tmp_path)) == {"conv2d": 1, "reshape": 1}


# ---- parts of a model, and names


def test_parts_of_a_model(tmp_path: Path) -> None:
    d = Drawing()
    first = d.conv("x", 8, 8, 3)
    second = d.op("TANH", d.conv(first, 4, 8))
    content = d.model(d.op("NEG", second))
    options = ModelOptions(inputs=(first,), outputs=(second,))
    graph = imported(content, tmp_path, options)
    assert ops(graph) == {"conv2d": 1, "tanh": 1}
    assert [value.type.shape for value in graph.inputs] == [(1, 6, 6, 8)]


def test_names(tmp_path: Path) -> None:
    """Of fused nodes the first, each once; weights have those of their tensors."""
    d = Drawing()
    d.conv(d.conv("x", 8, 8), 4, 8)
    for step in d.steps:
        (number,) = step.outputs
        d.tensors[number] = replace(d.tensors[number], name=f"block/Relu;conv{number}")
    graph = agree(d, tmp_path, d.tensors[-1].name)
    assert [node.result.name for node in graph.topo()] == ["block/Relu", "block/Relu.2"]
    assert set(graph.constants()) == {t.name for t in d.tensors if t.data is not None}
