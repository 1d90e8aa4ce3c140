"""Resizing: pixel by pixel as its definition says, and as onnxruntime has it."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.onnx.export import export_onnx
from mbc.frontends.weights.moments import propagate, standard_normal
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.op import OpError
from mbc.ir.types import TensorType
from mbc.ops.resize import MAX_SIDE, Resize, taps_of
from tests.onnx_models import Drawing, agree, by_onnxruntime, imported
from tests.spatial_models import resized

HALF = Fraction(1, 2)
SIDES = ((3, 6), (6, 3), (4, 9), (9, 4), (5, 1), (1, 5), (7, 7), (2, 17))
KINDS = [
    Resize((1, 1), mode, grid, rounding)
    for mode in ("nearest", "bilinear")
    for grid in ("asymmetric", "half_pixel", "align_corners")
    for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    if mode == "nearest" or rounding == "floor"
]


def coordinate(op: Resize, number: int, size: int, out: int) -> Fraction:
    """Where a pixel of the result lies, exactly."""
    match op.coordinates:
        case "asymmetric":
            at = Fraction(number * size, out)
        case "half_pixel":
            at = (number + HALF) * size / out - HALF
        case _:
            at = Fraction(number * (size - 1), out - 1) if out > 1 else Fraction(0)
    return min(max(at, Fraction(0)), Fraction(size - 1))


def weights(op: Resize, number: int, size: int, out: int) -> dict[int, float]:
    """The pixels that make one of the result, and their weights."""
    at = coordinate(op, number, size, out)
    if op.mode == "bilinear":
        return {k: float(1 - abs(at - k)) for k in (floor(at), floor(at) + 1) if abs(at - k) < 1}
    near = {
        "floor": floor(at),
        "ceil": ceil(at),
        "round_prefer_floor": ceil(at - HALF),
        "round_prefer_ceil": floor(at + HALF),
    }
    return {near[op.rounding]: 1.0}


def graph_of(op: Resize, *shape: int) -> Graph:
    graph = Graph("g")
    graph.set_outputs([graph.add(op, [graph.add_input("x", TensorType(shape))]).result])
    return graph


@pytest.mark.parametrize("kind", KINDS, ids=lambda op: f"{op.mode}-{op.coordinates}-{op.rounding}")
def test_pixel_by_pixel(kind: Resize) -> None:
    """The oracle and the tables of kernels, each by its own arithmetic."""
    for (height, rows), (width, columns) in zip(SIDES, SIDES[::-1], strict=True):
        op = Resize((rows, columns), kind.mode, kind.coordinates, kind.rounding)
        x = np.random.default_rng(0).standard_normal((2, height, width, 3))
        down, across = np.zeros((rows, height)), np.zeros((columns, width))
        for matrix, size, out in ((down, height, rows), (across, width, columns)):
            taps = taps_of(op, size, out)
            for i in range(out):
                for pixel, weight in weights(op, i, size, out).items():
                    matrix[i, pixel] = weight
                found = np.zeros(size)
                np.add.at(found, taps.low[i], 1 - taps.weight[i])
                np.add.at(found, taps.high[i], taps.weight[i])
                np.testing.assert_allclose(found, matrix[i], atol=1e-12)
        wanted = np.einsum("yh,xw,nhwc->nyxc", down, across, x)
        found = run(graph_of(op, *x.shape), {"x": x}, dtype=np.float64)["y"]
        np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS, ids=lambda op: f"{op.mode}-{op.coordinates}-{op.rounding}")
def test_onnxruntime_computes_the_same(kind: Resize) -> None:
    """Where float32 finds the same pixels, as it does for these sides."""
    for size in ((8, 12), (2, 3), (5, 7), (4, 6)):
        op = Resize(size, kind.mode, kind.coordinates, kind.rounding)
        graph = graph_of(op, 2, 4, 6, 5)
        x = np.random.default_rng(0).standard_normal((2, 4, 6, 5)).astype(np.float32)
        (found,) = by_onnxruntime(export_onnx(graph).data, {"x": x.transpose(0, 3, 1, 2)})
        wanted = run(graph, {"x": x})["y"].transpose(0, 3, 1, 2)
        np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_what_is_infinite_spreads_no_further_than_its_weight() -> None:
    graph = graph_of(Resize((6, 6)), 1, 2, 2, 1)
    x = np.array([[np.inf, 1.0], [2.0, 3.0]]).reshape(1, 2, 2, 1)
    found = run(graph, {"x": x})["y"][0, :, :, 0]
    assert found[0, 0] == np.inf
    assert found[1, 1] == np.inf
    assert np.isfinite(found[-1]).all()
    assert not np.isnan(found).any()


def test_no_pixel_is_read_without_a_weight() -> None:
    """As 0 times infinity would be no number."""
    for kind, (size, out) in product(KINDS, SIDES):
        taps = taps_of(kind, size, out)
        assert ((taps.weight > 0) & (taps.weight < 1)).all()


def test_moments() -> None:
    """A mean stays; the deviation shrinks between pixels, by less than for independent ones."""
    for op, least, most in ((Resize((16, 16)), 0.4, 0.8), (Resize((16, 16), "nearest"), 1, 1)):
        graph = graph_of(op, 1, 8, 8, 4)
        (found,) = propagate(graph, [standard_normal(graph.inputs[0].type)], lambda *_: None)
        assert (found.mean == 0).all()
        assert (least <= found.variance).all()
        assert (found.variance <= most).all()


@pytest.mark.parametrize(
    ("op", "code", "message"),
    [
        (Resize((4, 4), "cubic"), "E0201", "mode must be one of nearest, bilinear, found cubic"),
        (Resize((4, 4), "nearest", "corners"), "E0201", "coordinates must be one of asymmetric"),
        (Resize((4, 4), "nearest", rounding="up"), "E0201", "rounding must be one of floor"),
        (Resize((4, 4), rounding="ceil"), "E0201", "only mode nearest rounds coordinates"),
        (Resize((0, 4)), "E0201", r"a size must be positive, found \(0, 4\)"),
        (Resize((4, MAX_SIDE + 1)), "E0206", "a resize has a side of 16385, at most 16,384"),
    ],
)
def test_mistakes(op: Resize, code: str, message: str) -> None:
    with pytest.raises(OpError, match=message) as caught:
        op.infer([TensorType((1, 3, 3, 2))])
    assert caught.value.code == code


def test_it_is_of_images() -> None:
    with pytest.raises(OpError, match="a resize needs an NHWC tensor"):
        Resize((4, 4)).infer([TensorType((3, 2))])


@pytest.mark.parametrize("opset", [7, 9])
def test_upsample_is_a_resize(opset: int, tmp_path: Path) -> None:
    d, scales = Drawing(opset), (1.0, 1.0, 2.0, 3.0)
    given = [] if opset == 7 else [d.constant(scales, np.float32)]
    how: dict[str, Any] = {"scales": scales} if opset == 7 else {}
    outputs = [d.op("Upsample", "x", *given, mode=mode, **how) for mode in ("nearest", "linear")]
    graph = agree(d, tmp_path, *outputs)
    assert [node.op for node in graph.topo()] == [
        Resize((12, 18), "nearest", "asymmetric"),
        Resize((12, 18), "bilinear", "asymmetric"),
    ]


@pytest.mark.parametrize("opset", [10, 11, 13, 19])
def test_resizes_of_any_opset(opset: int, tmp_path: Path) -> None:
    d = Drawing(opset)
    roi = d.constant([], np.float32)
    inputs = ["x", roi, d.constant([1, 1, 2, 1.5], np.float32)]
    if opset == 10:
        inputs.remove(roi)
    agree(d, tmp_path, *(d.op("Resize", *inputs, mode=mode) for mode in ("nearest", "linear")))


def test_resizes_by_a_matrix(tmp_path: Path) -> None:
    """Cubic, antialiased, by scales that give no whole extent, of other axes."""
    d, odd = Drawing(19), (1, 1, 1.3, 0.7)
    agree(
        d,
        tmp_path,
        resized(d, mode="cubic", cubic_coeff_a=-0.5),
        resized(d, mode="cubic", exclude_outside=1, scales=odd),
        resized(d, mode="linear", antialias=1, scales=(1, 1, 0.5, 0.4)),
        resized(d, mode="linear", scales=odd),
        resized(d, scales=odd, nearest_mode="floor", coordinate_transformation_mode="asymmetric"),
        resized(d, mode="linear", scales=(1, 2, 1, 1)),
    )


def test_coordinates_of_other_names(tmp_path: Path) -> None:
    d = Drawing(19)
    names = ("half_pixel_symmetric", "pytorch_half_pixel")
    outputs = (resized(d, mode="linear", coordinate_transformation_mode=name) for name in names)
    agree(d, tmp_path, *outputs)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"mode": "spline"}, "its mode is spline"),
        ({"nearest_mode": "up"}, "its nearest_mode is up"),
        ({"coordinate_transformation_mode": "polar"}, "its coordinate_transformation_mode is pol"),
        ({"scales": (1, 1, 0.1, 1)}, "its result would be empty"),
    ],
    ids=str,
)
def test_what_is_not_imported(how: dict[str, Any], message: str, tmp_path: Path) -> None:
    d = Drawing()
    with pytest.raises(MbcError) as caught:
        imported(d.model(resized(d, **how)), tmp_path)
    assert message in str(caught.value)
