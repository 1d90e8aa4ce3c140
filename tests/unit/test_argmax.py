"""argmax: what the DSL makes of it, who takes its integers, and which of them rounding decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbc.accuracy import Difference, difference
from mbc.backends.llvm.lower import lower
from mbc.diag import MbcError
from mbc.driver.platforms import resolve
from mbc.driver.rivals import relative_difference
from mbc.frontends.dsl import Net, load_network
from mbc.frontends.weights.seeded import initialise
from mbc.interp import run
from mbc.interp.ties import run_with_ties
from mbc.ir.elements import S32
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.ops import ArgMax, MaxPool, Transpose
from mbc.runtime import reference
from mbc.runtime.abi import IoSpec
from tests.unit.test_dsl import build

INF, NAN = np.inf, np.nan


def test_the_dsl_takes_an_axis_and_keepdims() -> None:
    nn = build(batch=2)
    x = nn.input(3, 4, 5)
    made = [nn.argmax(x), nn.argmax(x, 1), nn.argmax(x, axis=-2, keepdims=True)]
    assert [tensor.shape for tensor in made] == [(2, 3, 4), (2, 4, 5), (2, 3, 1, 5)]
    assert [node.op for node in nn.graph.topo()] == [ArgMax(3), ArgMax(1), ArgMax(2, True)]
    assert {tensor.value.type.element for tensor in made} == {S32}


@pytest.mark.parametrize(
    ("row", "first"),
    [
        ([1, 3, 3, 2], 1),
        ([-INF, -INF], 0),
        ([0.0, -0.0], 0),
        ([-0.0, 0.0], 0),
        ([INF, NAN, -NAN], 1),
        ([-INF, INF, INF], 1),
    ],
)
def test_the_first_of_equal_ones_and_the_first_nan(row: list[float], first: int) -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType((1, len(row))))
    graph.set_outputs([graph.add(ArgMax(1), [x]).result])
    (found,) = run(graph, {"x": np.array([row], np.float32)}).values()
    assert found.dtype == np.int32
    assert found.tolist() == [first]


def _labels(nn: Net) -> Any:
    return nn.argmax(nn.input(4, 4, 6))


@pytest.mark.parametrize(
    "use",
    [
        lambda nn: nn.relu(_labels(nn)),
        lambda nn: _labels(nn) + 1.0,
        lambda nn: nn.argmax(_labels(nn)),
        lambda nn: nn.reduce_max(_labels(nn), 1),
        lambda nn: nn.concat(_labels(nn), nn.softmax(nn.input(4, 4))),
        lambda nn: nn.pad(_labels(nn), ((0, 0), (1, 1), (0, 0))),
    ],
    ids=["relu", "add", "argmax", "reduce_max", "concat", "pad"],
)
def test_no_layer_computes_with_integers(use: Any) -> None:
    with pytest.raises(MbcError) as caught:
        use(build())
    (problem,) = caught.value.diagnostics
    assert "s32" in f"{problem.message} {problem.label}"
    assert "test_argmax.py" in str(problem.location)


def test_kernels_refuse_integers_where_the_oracle_takes_them() -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType((1, 4, 4, 6)))
    labels = graph.add(ArgMax(3, keep=True), [x]).result
    graph.set_outputs([graph.add(MaxPool((2, 2), (2, 2)), [labels]).result])
    with pytest.raises(MbcError, match="E0509: LLVM for arm64 takes f32 tensors only, found s32"):
        lower(graph, resolve("arm64"))
    inputs = Graph("net")
    inputs.set_outputs([inputs.add(Transpose((1, 0)), [inputs.add_input("x", S32_ROWS)]).result])
    with pytest.raises(MbcError, match="E0509"):
        lower(inputs, resolve("arm64"))


S32_ROWS = TensorType((2, 3), S32)


def _rows() -> Graph:
    graph = Graph("net")
    x = graph.add_input("x", TensorType((4, 3)))
    moved = graph.add(Transpose((1, 0)), [graph.add(ArgMax(1, keep=True), [x]).result]).result
    graph.set_outputs([moved, x])
    return graph


ROWS = np.array([[1, 2, 3], [1.00001, 1, 0], [0, -5, 0], [NAN, 1, 1]], np.float32)


def test_indices_are_masked_where_rounding_decides() -> None:
    """Relative to the largest magnitude; what only moves them moves the mask."""
    labels, x = run_with_ties(_rows(), {"x": ROWS}).values()
    assert np.asarray(labels).tolist() == [[2, 0, 0, 0]]
    assert np.ma.getmaskarray(labels).tolist() == [[False, True, True, False]]
    assert not np.ma.isMaskedArray(x)
    (exact, _) = run_with_ties(_rows(), {"x": ROWS}, tie=1e-7).values()
    assert np.ma.getmaskarray(exact).tolist() == [[False, False, True, False]]


def test_integers_are_compared_exactly_but_for_masked_ones() -> None:
    wanted = np.ma.masked_array(np.array([[1, 2], [3, 4]], np.int32), [[False, True], [False] * 2])
    found = np.array([[1, 7], [3, 4]], np.int32)
    assert difference(found, wanted) == Difference(0.0)
    found[1, 0] = 2
    assert difference(found, wanted) == Difference(INF, "element (1, 0)")
    assert relative_difference(found.astype(np.int64), np.asarray(wanted)) == 0.5


def test_the_reference_keeps_the_mask(tmp_path: Path) -> None:
    outputs = run_with_ties(_rows(), {"x": ROWS})
    path = tmp_path / "net.check.npz"
    path.write_bytes(reference.to_bytes(outputs))
    specs = [
        IoSpec(n, y.shape, "s32" if y.dtype == np.int32 else "f32") for n, y in outputs.items()
    ]
    for name, read in reference.read(path, specs).items():
        np.testing.assert_array_equal(read, outputs[name])
        np.testing.assert_array_equal(np.ma.getmaskarray(read), np.ma.getmaskarray(outputs[name]))


def test_a_page_ends_in_labels_on_request() -> None:
    network = load_network(Path(__file__).resolve().parents[2] / "examples" / "lraspp.py")
    graph = network.trace({"resolution": 64, "labels": True})
    assert [str(view.type) for view in graph.outputs] == ["s32[1,64,64]"]


def test_weights_before_it_are_drawn() -> None:
    nn = build()
    nn.graph.set_outputs([nn.argmax(nn.pointwise(nn.input(4, 4, 6), 5)).value])
    initialise(nn.graph)
    assert all(constant.data is not None for constant in nn.graph.constants().values())
