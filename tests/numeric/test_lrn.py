"""Local response normalisation of ONNX models, by onnxruntime; of even sizes, which it refuses, by
ONNX's own evaluator, which needs as many images as channels (1.23)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from mbc.frontends.onnx.export import export_onnx
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ops.rows import Lrn
from tests.onnx_models import Drawing, by_onnxruntime, imported, nhwc

Array = np.ndarray
NUMBERS: dict[str, Any] = {"alpha": 0.3, "beta": 0.6, "bias": 1.5}


def evaluated(content: bytes, size: int, x: Array) -> Array:
    """The output in ONNX's layout."""
    if size % 2:
        return by_onnxruntime(content, {"x": x})[0]
    (found,) = ReferenceEvaluator(ModelProto.FromString(content)).run(None, {"x": x})
    return np.asarray(found)


def drawn(*shape: int) -> Array:
    """Numbers of which squares count."""
    return np.random.default_rng(3).normal(0, 3, shape).astype(np.float32)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 19])
def test_import(size: int, tmp_path: Path) -> None:
    drawing, x = Drawing(inputs={"x": (8, 8, 3, 2)}), drawn(8, 8, 3, 2)
    model = drawing.model(drawing.op("LRN", "x", size=size, **NUMBERS))
    graph = imported(model, tmp_path)
    assert [node.op for node in graph.topo()] == [Lrn(size, **NUMBERS)]
    (found,) = run(graph, {"x": nhwc(x)}).values()
    expected = evaluated(model.SerializeToString(), size, x)
    np.testing.assert_allclose(found, nhwc(expected), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(7, 3, 4, 7), (9, 9)])
@pytest.mark.parametrize("size", [3, 4])
def test_export(size: int, shape: tuple[int, ...]) -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType(shape))
    graph.set_outputs(graph.add(Lrn(size, **NUMBERS), [x]).results)
    given = drawn(*shape)
    (expected,) = run(graph, {"x": given}).values()
    stored = given.transpose(0, 3, 1, 2) if given.ndim == 4 else given
    found = evaluated(export_onnx(graph).data, size, stored)
    np.testing.assert_allclose(nhwc(found), expected, rtol=2e-6, atol=1e-7)
