"""argmax to ONNX and from it, against onnxruntime: the same integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from mbc.diag import MbcError
from mbc.frontends.onnx.export import export_onnx
from mbc.interp import run
from mbc.ir.elements import S32
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ops import ArgMax, Concat, Transpose
from tests.numeric.test_onnx_export import answers, nchw, node_kinds, random_inputs
from tests.onnx_models import Drawing, agree, imported

SHAPES = ((2, 3, 4, 5), (3, 7), (2, 2, 3, 2, 4), (6,))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_export(shape: tuple[int, ...]) -> None:
    """Over each axis, kept or not, and moved."""
    graph = Graph("g")
    x, kept = graph.add_input("x", TensorType(shape)), (False, True) if len(shape) > 1 else (True,)
    ops = [ArgMax(axis, keep) for axis in range(len(shape)) for keep in kept]
    found = [graph.add(op, [x]).result for op in ops]
    found.append(graph.add(Concat(), [found[-1], found[-1]]).result)
    graph.set_outputs(found)
    inputs = random_inputs(graph)
    wanted = run(graph, inputs).values()
    for mine, theirs in zip(wanted, answers(export_onnx(graph).data, inputs), strict=True):
        assert theirs.dtype == np.int32
        np.testing.assert_array_equal(theirs, nchw(mine))


def test_labels_of_an_image_are_not_transposed() -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 4, 5, 6)))
    graph.set_outputs([graph.add(ArgMax(3), [x]).result])
    assert node_kinds(export_onnx(graph).data) == ["ArgMax", "Cast"]


def drawn(tmp_path: Path, *outputs: tuple[str, int], d: Drawing) -> Graph:
    d.kinds = dict(outputs)
    graph = agree(d, tmp_path, *d.kinds)
    assert {view.type.element for view in graph.outputs} == {S32}
    return graph


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_import(axis: int, keep: int, tmp_path: Path) -> None:
    d = Drawing(inputs={"x": (2, 8, 6, 5)})
    made = d.op("ArgMax", "x", axis=axis, keepdims=keep)
    graph = drawn(tmp_path, (made, TensorProto.INT64), d=d)
    assert next(node.op for node in graph.topo()) == ArgMax({0: 0, 1: 3, 2: 1, -1: 2}[axis], True)


def test_import_of_groups_of_channels_and_of_an_axis_of_one_element(tmp_path: Path) -> None:
    d = Drawing()
    x = d.op("Reshape", "x", d.constant([1, 2, 4, 6, 6]))
    outputs = [d.op("ArgMax", x, axis=1), d.op("ArgMax", x, axis=0, keepdims=0)]
    pooled = d.op("GlobalAveragePool", "x")
    outputs += [d.op("ArgMax", pooled, axis=1), d.op("ArgMax", d.op("Flatten", pooled), axis=1)]
    drawn(tmp_path, *((name, TensorProto.INT64) for name in outputs), d=d)


def test_import_of_what_casts_and_moves_it(tmp_path: Path) -> None:
    d = Drawing(inputs={"x": (1, 8, 6, 5)})
    labels = d.op("Cast", d.op("ArgMax", "x", axis=1, keepdims=0), to=TensorProto.INT32)
    wide = d.op("Cast", d.op("Transpose", labels, perm=[0, 2, 1]), to=TensorProto.INT64)
    graph = drawn(tmp_path, (labels, TensorProto.INT32), (wide, TensorProto.INT64), d=d)
    assert Transpose in {type(node.op) for node in graph.topo()}


@pytest.mark.parametrize(
    ("attributes", "cast", "reason"),
    [
        ({"select_last_index": 1}, TensorProto.INT32, "takes the last of equal elements"),
        ({}, TensorProto.FLOAT, "its operand is int32 or int64, its result is not"),
    ],
)
def test_what_is_refused(
    attributes: dict[str, Any], cast: int, reason: str, tmp_path: Path
) -> None:
    d = Drawing()
    d.kinds = {(made := d.op("Cast", d.op("ArgMax", "x", axis=1, **attributes), to=cast)): cast}
    with pytest.raises(MbcError) as caught:
        imported(d.model(made), tmp_path)
    assert reason in str(caught.value.diagnostics)
