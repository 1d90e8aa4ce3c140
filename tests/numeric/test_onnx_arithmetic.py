"""Arithmetic of ONNX models, broadcast along axes in whatever layout, computes what onnxruntime
computes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.ir.graph import Graph
from tests.onnx_models import Drawing, agree, imported, moves_after_fuse

OPS = ("Add", "Sub", "Mul", "Div", "Min", "Max")

FORMS: tuple[tuple[int, ...], ...] = (
    *((2, 8, 5, 6), (2, 8, 1, 1), (1, 8, 1, 1), (8, 1, 1), (2, 1, 5, 6), (5, 6), (1, 1, 5, 1)),
    *((6,), (1,), (), (2, 1, 1, 1), (1, 8, 5, 6)),
)
"""Shapes that are broadcast to [2,8,5,6]."""


def ops(graph: Graph) -> list[str]:
    return [node.op.label for node in graph.topo()]


def drawing() -> Drawing:
    return Drawing(inputs={"x": (2, 8, 5, 6)})


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_constants(form: tuple[int, ...], tmp_path: Path) -> None:
    """On either side; divisors are positive."""
    d = drawing()
    constant = d.constant(d.rng.uniform(0.5, 2, form), np.float32)
    firsts = [d.op(kind, "x", constant) for kind in OPS]
    seconds = [d.op(kind, constant, "x") for kind in OPS if kind != "Div"]
    agree(d, tmp_path, *firsts, *seconds, d.op("PRelu", "x", constant))


@pytest.mark.parametrize("form", [form for form in FORMS if len(form) == 4], ids=str)
def test_tensors(form: tuple[int, ...], tmp_path: Path) -> None:
    """On either side; images as they are stored."""
    d = drawing()
    d.inputs["y"] = form
    kinds = [kind for kind in OPS if kind != "Div"]
    results = [d.op(kind, "x", "y") for kind in kinds] + [d.op(kind, "y", "x") for kind in kinds]
    positive = d.op("Add", d.op("Relu", "y"), d.constant(1, np.float32))
    graph = agree(d, tmp_path, *results, d.op("Div", "x", positive), d.op("PRelu", "x", "y"))
    assert not {"transpose", "reshape"} & {*ops(graph)}


def gate(d: Drawing, x: str, channels: int) -> str:
    """Squeeze-and-excitation, arXiv 1709.01507, as MobileNetV3 has it."""
    inner = d.op("Relu", d.conv(d.op("GlobalAveragePool", x), 4, channels))
    return d.op("HardSigmoid", d.conv(inner, channels, 4), alpha=1 / 6)


def test_squeeze_and_excitation_moves_nothing(tmp_path: Path) -> None:
    """An inverted residual of MobileNetV3, its hard-swish written out."""
    d = drawing()
    x = d.conv("x", 16, 8)
    three, six = (d.constant(value, np.float32) for value in (3.0, 6.0))
    zero = d.constant(0.0, np.float32)
    x = d.op("Div", d.op("Mul", x, d.op("Clip", d.op("Add", x, three), zero, six)), six)
    x = d.conv(x, 16, 1, 3, group=16, pads=[1] * 4)
    x = d.conv(d.op("Mul", gate(d, x, 16), x), 8, 16)
    graph = agree(d, tmp_path, d.op("Add", "x", x))
    assert {"hard_swish", "hard_sigmoid", "mul"} <= {*ops(graph)}
    assert not {"transpose", "reshape", "batch_norm"} & {*ops(graph)}
    assert moves_after_fuse(graph) == []


def test_gates_of_two_axes(tmp_path: Path) -> None:
    """[n,c] with axes put behind it, and a mean over the channels that are last."""
    d = drawing()
    means = d.op("ReduceMean", "x", d.constant([2, 3]), keepdims=0)
    vector = d.op("Sigmoid", d.op("Gemm", means, d.weight(8, 8)))
    scale = d.op("Unsqueeze", d.op("Unsqueeze", vector, d.constant([2])), d.constant([3]))
    agree(d, tmp_path, d.op("Mul", scale, "x"), d.op("Mul", vector, means))


def test_channels_that_are_cut(tmp_path: Path) -> None:
    """Groups of channels, as for a shuffle, have constants of their own."""
    d = drawing()
    x = d.op("Reshape", "x", d.constant([2, 2, 4, 5, 6]))
    for form in ((2, 1, 1, 1), (4, 1, 1), (1, 2, 4, 1, 1), (2, 4, 5, 6), (6,)):
        x = d.op("Mul", x, d.constant(d.rng.uniform(0.5, 2, form), np.float32))
    x = d.op("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = d.op("Add", x, d.weight(4, 2, 1, 1))
    agree(d, tmp_path, d.op("Reshape", x, d.constant([2, 8, 5, 6])))


def test_other_layouts(tmp_path: Path) -> None:
    """Channels last inside, and a tensor beside one of another order."""
    d = drawing()
    last = d.op("Transpose", "x", perm=[0, 2, 3, 1])
    scaled = d.op("Mul", last, d.weight(8))
    rows = d.op("Mul", last, d.weight(5, 1, 1))
    square = d.op("Transpose", d.op("Reshape", "x", d.constant([2, 8, 30])), perm=[0, 2, 1])
    flat = d.op("Sub", square, d.op("Reshape", "x", d.constant([2, 30, 8])))
    agree(d, tmp_path, scaled, rows, flat)


def test_an_image_beside_its_mirror(tmp_path: Path) -> None:
    """What is stored has the same shape, but not the same order."""
    d = Drawing(inputs={"x": (2, 8, 5, 5)})
    agree(d, tmp_path, d.op("Sub", "x", d.op("Transpose", "x", perm=[0, 1, 3, 2])))


def test_more_than_two_operands(tmp_path: Path) -> None:
    d = drawing()
    row, channel = d.weight(6), d.weight(8, 1, 1)
    bound = d.constant(0.3, np.float32)
    results = [d.op(kind, row, "x", channel, "x") for kind in ("Sum", "Max", "Min")]
    graph = agree(d, tmp_path, *results, d.op("Max", "x", bound, channel))
    assert {"add", "min", "max", "clip"} <= {*ops(graph)}


def test_one_slope_is_a_leaky_relu(tmp_path: Path) -> None:
    d = drawing()
    slope, slopes = d.constant([0.25], np.float32), d.weight(8, 1, 1)
    graph = agree(d, tmp_path, d.op("PRelu", d.op("PRelu", "x", slope), slopes))
    assert ops(graph) == ["leaky_relu", "prelu"]
    assert [*graph.constants()] == [slopes]


def test_numbers_are_no_weights(tmp_path: Path) -> None:
    d = drawing()
    half = d.constant(0.5, np.float32)
    graph = agree(d, tmp_path, d.op("Sub", half, d.op("Mul", "x", half)))
    assert [c.name for c in graph.constants().values() if c.literal] == ["0.5"]


def test_two_operands_that_are_both_broadcast_are_refused(tmp_path: Path) -> None:
    d = Drawing(inputs={"x": (2, 8, 5, 1), "y": (2, 8, 1, 6)})
    with pytest.raises(MbcError, match="neither operand has the shape of the result"):
        imported(d.model(d.op("Mul", "x", "y")), tmp_path)
