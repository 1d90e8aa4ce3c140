"""Imported ops that have no form of their own in the IR compute what onnxruntime computes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from mbc.diag import MbcError
from mbc.interp import run
from mbc.ops.pool import MaxPool
from tests.onnx_models import Drawing, agree, imported

Draw = Callable[[Drawing], tuple[str, ...]]
SHAPES: dict[str, tuple[int | str, ...]] = {
    "row": (2, 4, 11),
    "volume": (2, 4, 5, 6, 7),
    "matrix": (3, 4),
    "other": (4, 3),
}


def rows(d: Drawing) -> tuple[str, ...]:
    """Windows of one dimension, and the batch norm between them."""
    vectors = [d.weight(6), d.weight(6), d.weight(6), d.constant(d.rng.random(6), np.float32)]
    conv = d.op("Conv", "row", d.weight(6, 2, 3), d.weight(6), group=2, pads=[1, 0], strides=[2])
    norm = d.op("BatchNormalization", conv, *vectors)
    return (
        d.op("Relu", norm),
        d.op("MaxPool", norm, kernel_shape=[3], pads=[1, 1], dilations=[2]),
        d.op("AveragePool", "row", kernel_shape=[3], strides=[2], pads=[0, 1], ceil_mode=1),
        d.op("ConvTranspose", conv, d.weight(6, 3, 4), strides=[2], pads=[1, 0]),
        d.op("GlobalMaxPool", "row"),
        d.op("InstanceNormalization", "row", d.weight(4), d.weight(4)),
        d.op("LpPool", "row", kernel_shape=[2], p=2),
    )


def volumes(d: Drawing) -> tuple[str, ...]:
    """Windows of three dimensions."""
    pads = [1, 0, 1, 1, 1, 0]
    return (
        d.op("MaxPool", "volume", kernel_shape=[2, 3, 2], strides=[2, 1, 2], pads=pads),
        d.op("AveragePool", "volume", kernel_shape=[3, 2, 2], pads=pads),
        d.op("AveragePool", "volume", kernel_shape=[3, 2, 2], pads=pads, count_include_pad=1),
        d.op("Conv", "volume", d.weight(6, 2, 2, 3, 1), d.weight(6), group=2, pads=pads),
        d.op("Conv", "volume", d.weight(3, 4, 2, 2, 2), dilations=[2, 1, 3], strides=[2, 1, 1]),
        d.op("GlobalAveragePool", "volume"),
    )


def products(d: Drawing) -> tuple[str, ...]:
    """Matrices that are broadcast, turned, scaled, and multiplied from the left."""
    stack = d.op("Reshape", "row", d.constant([2, 4, 11]))
    turned = d.op("Transpose", stack, perm=[0, 2, 1])
    return (
        d.op("MatMul", "matrix", stack),
        d.op("MatMul", turned, "other"),
        d.op("MatMul", d.weight(5, 4), stack),
        d.op("MatMul", stack, d.weight(11, 5)),
        d.op("Gemm", "matrix", "other", d.weight(3, 3), alpha=0.5, beta=2.0),
        d.op("Gemm", "matrix", d.weight(3, 5), "", transA=1),
        d.op("Gemm", "matrix", d.weight(4, 3), "matrix3", transB=0),
        d.op("Gemm", "other", "matrix", transA=1, transB=1),
    )


def selections(d: Drawing) -> tuple[str, ...]:
    """By constants: conditions, indices, lengths, repeats."""
    mask = d.constant([[True, False, True, True]], bool)
    updates = d.op("Relu", d.op("Slice", "matrix", d.constant([0]), d.constant([2])))
    return (
        d.op("Where", mask, "matrix", d.op("Neg", "matrix")),
        d.op("GatherElements", "matrix", d.constant([[2, 0, 1, 2], [0, 0, 2, 1]]), axis=0),
        d.op("GatherND", "row", d.constant([[[0, 3]], [[1, 2]]])),
        d.op("GatherND", "row", d.constant([[2], [1]]), batch_dims=1),
        d.op("Gather", "row", d.constant([[0, -1, 0], [3, 2, 1]]), axis=1),
        d.op("ScatterElements", "matrix", d.constant([[1, 0, 2, 1], [2, 2, 1, 0]]), updates),
        d.op("ScatterND", "matrix", d.constant([[2], [0]]), updates),
        d.op("ReverseSequence", "row", d.constant([2, 4]), batch_axis=0, time_axis=1),
        d.op("Compress", "row", d.constant([False, True, True], bool), axis=1),
        d.op("Tile", "row", d.constant([1, 2, 2])),
        d.op("Expand", "matrix", d.constant([2, 1, 4])),
    )


def means(d: Drawing) -> tuple[str, ...]:
    window: dict[str, Any] = {"kernel_shape": [2, 3], "dilations": [2, 1], "pads": [1, 1, 0, 2]}
    return (
        d.op("AveragePool", "x", **window),
        d.op("AveragePool", "x", **window, count_include_pad=1),
        d.op("Mean", "x", d.op("Relu", "x"), d.weight(8, 1, 1)),
        d.op("ReduceMin", "x", d.constant([1, 3])),
        d.op("GlobalLpPool", "x", p=2),
    )


def definitions(d: Drawing) -> tuple[str, ...]:
    """Ops that ONNX defines by others, and forms of ops."""
    norm = d.op("LayerNormalization", "x", d.weight(6, 6), results=3, axis=2)
    return (
        d.op("GroupNormalization", "x", d.weight(8), d.weight(8), num_groups=2),
        d.op("ReduceL2", "x", d.constant([1])),
        d.op("Softsign", "x"),
        d.op("Celu", "x", alpha=0.5),
        norm,
        f"{norm}.1",
    )


def clips(d: Drawing) -> tuple[str, ...]:
    """Bounds in the wrong order; by comparisons; an elu that is written out."""
    one, low, zero = (d.constant(v, np.float32) for v in (1.0, -2.0, 0.0))
    below = d.op("Where", d.op("Less", "x", low), low, "x")
    powers = d.op("Mul", d.constant(0.7, np.float32), d.op("Sub", d.op("Exp", "x"), one))
    return (
        d.op("Clip", "x", one, low),
        d.op("Where", d.op("Greater", below, one), one, below),
        d.op("Where", d.op("Less", "x", zero), powers, "x"),
        d.op("SpaceToDepth", "x", blocksize=2),
        d.op("MeanVarianceNormalization", "x"),
    )


LOWERED: tuple[Draw, ...] = (rows, volumes, products, selections, means)
"""Those that need no opset of their own."""


@pytest.mark.parametrize(
    ("draw", "inputs", "opset"),
    [
        (rows, ("row",), 18),
        (volumes, ("volume",), 18),
        (selections, ("row", "matrix"), 18),
        (means, ("x",), 19),
        (definitions, ("x",), 21),
        (clips, ("x",), 18),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_it_is_imported(draw: Draw, inputs: tuple[str, ...], opset: int, tmp_path: Path) -> None:
    d = Drawing(opset, {name: SHAPES.get(name, (1, 8, 6, 6)) for name in inputs})
    agree(d, tmp_path, *draw(d))


def test_products_are_imported(tmp_path: Path) -> None:
    d = Drawing(18, {**{n: SHAPES[n] for n in ("row", "matrix", "other")}, "matrix3": (3, 3)})
    agree(d, tmp_path, *products(d))


def test_large_windows_are_two(tmp_path: Path) -> None:
    """Kernels have code for each tap."""
    d = Drawing(18, {"x": (1, 2, 48, 50)})
    graph = agree(d, tmp_path, d.op("MaxPool", "x", kernel_shape=[33, 40], pads=[3, 0, 2, 9]))
    kernels = [node.op.kernel for node in graph.topo() if isinstance(node.op, MaxPool)]
    assert kernels == [(33, 1), (1, 40)]


def test_slopes_of_opset_6_are_by_channel(tmp_path: Path) -> None:
    d = Drawing(6, {"x": (2, 3, 4, 3)})
    model = d.model(d.op("PRelu", "x", d.weight(3)))
    newer = Drawing(9, {"x": (2, 3, 4, 3)})
    newer.op("PRelu", "x", newer.constant(d.constants["c0"][:, None, None], np.float32))
    x = np.random.default_rng(1).standard_normal((2, 4, 3, 3)).astype(np.float32)
    old, new = (run(imported(m, tmp_path), {"x": x}) for m in (model, newer.model("prelu0")))
    np.testing.assert_array_equal(old["prelu0"], new["prelu0"])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda d: d.op("ScatterND", "x", d.constant([[0], [0]]), "x", reduction="add"),
            "ScatterND: it combines updates",
        ),
        (
            lambda d: d.op(
                "ScatterND", "x", d.constant([[0], [0]]), d.op("Concat", "x", "x", axis=0)
            ),
            "ScatterND: it updates an element several times",
        ),
        (lambda d: d.op("LpPool", "x", kernel_shape=[2, 2], p=3), "LpPool: its p is 3"),
        (
            lambda d: d.op("Where", d.op("Less", "x", d.weight(8, 1, 1)), "x", "x"),
            "Less is not supported",
        ),
    ],
)
def test_what_is_refused(draw: Callable[[Drawing], str], message: str, tmp_path: Path) -> None:
    d = Drawing()
    with pytest.raises(MbcError) as caught:
        imported(d.model(draw(d)), tmp_path)
    assert message in str(caught.value)


def test_casts_that_name_their_type_by_a_value(tmp_path: Path) -> None:
    d = Drawing(19)
    d.nodes.append(helper.make_node("CastLike", ["x", d.constant(1)], ["y"]))
    with pytest.raises(
        MbcError, match="Cast: its operand is float32 or float16, its result is not"
    ):
        imported(d.model("y"), tmp_path)
