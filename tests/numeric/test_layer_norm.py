"""Layer normalisation: by its formula in double precision, and as onnxruntime has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mbc.frontends.onnx.export import export_onnx
from mbc.frontends.weights import initialise
from mbc.frontends.weights.moments import propagate, standard_normal
from mbc.frontends.weights.names import hints
from mbc.frontends.weights.stored import Stored
from mbc.interp import run
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import OpError
from mbc.ir.types import TensorType
from mbc.ops import LayerNorm
from tests.numeric.test_onnx_export import check
from tests.onnx_models import Drawing, agree


def graph_of(*shape: int, epsilon: float = 1e-5) -> Graph:
    graph, rng = Graph("g"), np.random.default_rng(0)
    vectors = [
        Constant.of(name, rng.standard_normal(shape[-1], np.float32)) for name in ("gamma", "beta")
    ]
    x = graph.add_input("x", TensorType(shape))
    graph.set_outputs([graph.add(LayerNorm(epsilon), [x, *vectors]).result])
    return graph


@pytest.mark.parametrize("shape", [(2, 3, 4, 7), (3, 5), (2, 6, 4), (1, 2, 2, 1)], ids=str)
def test_it_is_its_formula(shape: tuple[int, ...]) -> None:
    """Also of numbers whose squares have no bits for their differences."""
    graph = graph_of(*shape, epsilon=1e-3)
    gamma, beta = (c.array.astype(np.float64) for c in graph.constants().values())
    for offset in (0, 3000):
        x = np.random.default_rng(1).standard_normal(shape) + offset
        x = x.astype(np.float32)
        exact = x.astype(np.float64)
        mean, variance = exact.mean(-1, keepdims=True), exact.var(-1, keepdims=True)
        wanted = (exact - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        np.testing.assert_allclose(run(graph, {"x": x})["y"], wanted, atol=2e-3 if offset else 1e-5)
        found = run(graph, {"x": exact}, dtype=np.float64)["y"]
        np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 3, 4, 7), (3, 5), (2, 6, 4)], ids=str)
def test_onnxruntime_computes_the_same(shape: tuple[int, ...]) -> None:
    graph = graph_of(*shape)
    check(graph, export_onnx(graph).data, tolerance=1e-5)


def test_moments_are_those_of_its_results() -> None:
    graph = graph_of(4, 8, 8, 32)
    (found,) = propagate(graph, [standard_normal(graph.inputs[0].type)], lambda *_: None)
    x = np.random.default_rng(1).standard_normal((4, 8, 8, 32), np.float32)
    y = run(graph, {"x": x})["y"].reshape(-1, 32)
    np.testing.assert_allclose(found.mean, y.mean(0), atol=0.3)
    np.testing.assert_allclose(found.variance, y.var(0), rtol=0.3)


def test_weights_are_drawn() -> None:
    graph = Graph("g")
    vectors = [Constant(name, TensorType((6,))) for name in ("ln.gamma", "ln.beta")]
    x = graph.add_input("x", TensorType((2, 6)))
    graph.set_outputs([graph.add(LayerNorm(), [x, *vectors]).result])
    initialise(graph, 0)
    assert np.abs(vectors[0].array - 1).max() <= 0.2
    assert vectors[1].array.std() > 0.3


def test_names_of_pytorch_are_told() -> None:
    type = TensorType((6,))
    names = {"ln.weight": "gamma", "ln.bias": "beta"}
    missing = [f"ln.{role}" for role in names.values()]
    stored = {name: Stored(name, (6,), "f32", lambda: np.zeros(6)) for name in names}
    (hint,) = hints([*names], missing, {name: Constant(name, type) for name in missing}, stored)
    assert hint == "'ln.weight' is 'ln.gamma' here, 'ln.bias' is 'ln.beta' here"


def test_epsilon_is_not_negative() -> None:
    vector = TensorType((4,))
    with pytest.raises(OpError, match="epsilon must not be negative, found -1"):
        LayerNorm(-1.0).infer([TensorType((2, 4)), vector, vector])


def test_vectors_are_of_its_channels() -> None:
    with pytest.raises(OpError, match="beta does not match its channels"):
        LayerNorm().infer([TensorType((2, 4)), TensorType((4,)), TensorType((3,))])


def test_several_axes_are_imported_as_one(tmp_path: Path) -> None:
    d = Drawing()
    bare = d.op("LayerNormalization", "x", d.weight(8, 6, 6), axis=-3)
    agree(d, tmp_path, d.op("LayerNormalization", "x", d.weight(6, 6), d.weight(6), axis=2), bare)
