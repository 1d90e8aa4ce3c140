"""Parts of ONNX models, and the layout of their inputs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from mbc.diag import MbcError
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.runtime.abi import interface_of
from tests.onnx_models import Array, Drawing, by_onnxruntime, imported

RNG = np.random.default_rng(3)


def drawn(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def detector(shape: tuple[int | str, ...] = (1, 3, 8, 8), *, typed: bool = True) -> tuple[Any, str]:
    """A model that begins and ends in what mbc does not import, and the name of its feature map."""
    d = Drawing(inputs={"image": shape, "sizes": (1, 4)})
    x = d.op("Hardmax", "image")
    features = d.op("Relu", d.conv(x, 8, 3, 3, strides=[2, 2]))
    scores = d.op("Softmax", d.op("Flatten", d.op("GlobalAveragePool", features)))
    boxes = d.op("Hardmax", d.op("Mul", d.op("Flatten", features), "sizes.1"))
    d.nodes.insert(0, helper.make_node("Tile", ["sizes", d.constant([1, 18])], ["sizes.1"]))
    model = d.model(scores, boxes)
    if typed:
        info = helper.make_tensor_value_info(x, TensorProto.FLOAT, (1, 3, 8, 8))
        model.graph.value_info.append(info)
    return model, x


def evaluated(graph: Graph, inputs: Mapping[str, Array]) -> list[Array]:
    return [*run(graph, inputs).values()]


@pytest.mark.parametrize("typed", [True, False], ids=["stated", "inferred"])
def test_a_part_computes_what_the_model_does(typed: bool, tmp_path: Path) -> None:
    model, start = detector(typed=typed)
    graph = imported(model, tmp_path, inputs=(start,), outputs=("softmax5", "relu2"))
    assert graph.output_names == ("softmax5", "relu2")
    assert [str(value) for value in graph.inputs] == ["%hardmax0"]
    x = drawn(1, 3, 8, 8)
    whole = Drawing(nodes=[*model.graph.node][2:7], inputs={start: (1, 3, 8, 8)})
    part = whole.model("softmax5", "relu2")
    part.graph.initializer.extend(model.graph.initializer)
    scores, features = by_onnxruntime(part, {start: x})
    found = evaluated(graph, {"hardmax0": x.transpose(0, 2, 3, 1)})
    np.testing.assert_allclose(found[0], scores, atol=1e-5)
    np.testing.assert_allclose(found[1], features.transpose(0, 2, 3, 1), atol=1e-5)


def test_shapes_of_cut_values_follow_from_those_of_the_inputs(tmp_path: Path) -> None:
    model, start = detector(("n", 3, "h", 8), typed=False)
    cut: dict[str, Any] = {"inputs": (start,), "outputs": ("softmax5",)}
    for shapes in ({"image": (2, 3, 8, 8)}, {start: (2, 3, 8, 8)}):
        graph = imported(model, tmp_path, shapes, **cut)
        assert graph.inputs[0].type.shape == (2, 8, 8, 3)
    with pytest.raises(MbcError) as caught:
        imported(model, tmp_path, **cut)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (
        "E0804",
        "an input has no static shape: hardmax0 (any shape)",
    )


def test_inputs_that_nothing_reads_are_left_out(tmp_path: Path) -> None:
    d = Drawing(inputs={"a": (1, 8, 4, 4), "b": (1, 8, 4, 4)})
    d.op("Relu", "a"), d.op("Add", "a", "b")
    notes: list[str] = []
    graph = imported(d.model("add1"), tmp_path, note=notes.append, outputs=("relu0",))
    assert [value.name for value in graph.inputs] == ["a"]
    assert notes == ["inputs that no output depends on are left out: 'b'"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "message", "help"),
    [
        ([], ["softmx5"], "--outputs: the model has no value 'softmx5'", "'softmax5'"),
        (["c0"], [], "--inputs: the model has no value 'c0'", "inputs: image [1,3,8,8], sizes"),
        (
            ["relu2"],
            [],
            "--inputs: the outputs depend on the model's input 'sizes' too",
            "name it as well",
        ),
        (["sizes"], ["relu2"], "--inputs: no output depends on 'sizes'", "leave it out"),
    ],
)
def test_names_that_do_not_fit(
    inputs: list[str], outputs: list[str], message: str, help: str, tmp_path: Path
) -> None:
    model, _ = detector()
    with pytest.raises(MbcError) as caught:
        imported(model, tmp_path, inputs=tuple(inputs), outputs=tuple(outputs))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E0808", message)
    assert any(help in each for each in found.helps), found.helps


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_channels_may_come_first(order: str, tmp_path: Path) -> None:
    """Whatever the order in the model; other inputs are as they are."""
    shape = (1, 3, 5, 7) if order == "NCHW" else (1, 5, 7, 3)
    d = Drawing(inputs={"x": shape, "v": (1, 8)})
    x = "x" if order == "NCHW" else d.op("Transpose", "x", perm=[0, 3, 1, 2])
    pooled = d.op("Flatten", d.op("GlobalAveragePool", d.conv(x, 8, 3, 3)))
    model = d.model(d.op("Add", pooled, "v"), d.op("Relu", x))
    graph = imported(model, tmp_path, input_layout="nchw")
    image, vector = drawn(1, 3, 5, 7), drawn(1, 8)
    theirs = image if order == "NCHW" else image.transpose(0, 2, 3, 1)
    sums, map = by_onnxruntime(model, {"x": theirs, "v": vector})
    found = evaluated(graph, {"x": image, "v": vector})
    np.testing.assert_allclose(found[0], sums, atol=1e-5)
    np.testing.assert_array_equal(found[1], map.transpose(0, 2, 3, 1))
    specs, _ = interface_of(graph)
    assert [(spec.shape, spec.planar) for spec in specs] == [((1, 3, 5, 7), True), ((1, 8), False)]
    assert specs[0].image_shape == (1, 5, 7, 3)


def test_absent_operands_need_nothing(tmp_path: Path) -> None:
    """The op before the cut has no result any more, and another one no lower bound."""
    d = Drawing()
    x = d.op("Hardmax", "x")
    model = d.model(d.op("Clip", x, "", d.constant(1, np.float32)))
    model.graph.value_info.append(helper.make_tensor_value_info(x, TensorProto.FLOAT, (1, 8)))
    assert len(imported(model, tmp_path, inputs=(x,)).topo()) == 1
