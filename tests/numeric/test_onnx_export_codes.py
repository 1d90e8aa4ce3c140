"""ONNX models of networks on codes compute what the oracle does, to some steps of the codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from mbc.diag import MbcError
from mbc.driver.pipeline import on_codes
from mbc.driver.request import Request, Silent
from mbc.driver.source import load
from mbc.frontends.onnx.export import export_onnx
from mbc.interp import run
from mbc.ir.activations import RELU6, Activation, Clip, HardSwish, LeakyRelu, Sigmoid, Silu
from mbc.ir.elements import F16, Q8, U8
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ops import (
    Activate,
    ArgMax,
    Concat,
    ConcatAlong,
    Conv2d,
    DepthToSpace,
    Dequantize,
    Gather,
    Lookup,
    Quantize,
    Slice,
    SpaceToDepth,
    Split,
)
from mbc.ops.quantized import table_codes
from mbc.ops.unary import Unary
from mbc.passes.quantising.forms import FORMS, Form
from tests.backends.integer_cases import Net, integer_cases
from tests.everyday import part_of
from tests.example_networks import Example
from tests.numeric.test_onnx_export import answers, nchw
from tests.quantised_graphs import codes, random_graph
from tests.quantised_networks import quantised

IMAGE, X, Y = TensorType((1, 4, 6, 8)), Q8.of(0.05, 100), Q8.of(0.04, 60)


def differences(graph: Graph) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Answers of the oracle and of onnxruntime, node by node: codes as they are, floats as steps of
    1/200 of the largest."""
    inputs = {value.name: codes(at, value.type) for at, value in enumerate(graph.inputs)}
    expected = run(graph, inputs)
    found = answers(export_onnx(graph).data, inputs)
    for view, ours, theirs in zip(graph.outputs, expected.values(), found, strict=True):
        element = view.type.element
        step = 1.0 if isinstance(element, Q8) else max(float(np.abs(ours).max()), 1e-9) / 200
        assert theirs.dtype == view.type.element.numpy
        assert theirs.shape == nchw(ours).shape
        yield nchw(ours).astype(np.float64) / step, theirs.astype(np.float64) / step


CASES = [case for case in integer_cases() if "beyond" not in case[0]]
"""Sums that wrap at 32 bits do not in other engines."""


@pytest.mark.parametrize(
    ("name", "make"), part_of(CASES, lambda name, _: name.endswith("-dense"), lambda name, _: name)
)
def test_each_op(name: str, make: Callable[[], Graph]) -> None:
    """The same codes; those that round twice may be some steps away."""
    once, twice = (0.05, 1.01), (0.6, 4.0)  # share of codes that differ, and steps
    share, most = twice if name.startswith(("residual", "parts", "logits")) else once
    for ours, theirs in differences(make()):
        apart = np.abs(ours - theirs)
        assert apart.max() <= most
        assert np.mean(apart > 0.01) <= (1 if "logits" in name else share)


def moved(op: Op, others: int = 0) -> Callable[[], Graph]:
    def make() -> Graph:
        graph = Graph("g")
        x = [graph.add_input(f"x{i}", TensorType(IMAGE.shape, X)) for i in range(1 + others)]
        node = graph.add(op, x)
        graph.set_outputs(list(node.results))
        return graph

    return make


MOVES: list[Op] = [
    Slice(axis=1, start=1, stop=4, step=2),
    Gather(axis=3, indices=(7, 0, 3)),
    DepthToSpace(block=2),
    SpaceToDepth(block=2),
    Split(sizes=(3, 5)),
]
JOINS: list[Op] = [Concat(), ConcatAlong(axis=2)]


@pytest.mark.parametrize("op", [*MOVES, *JOINS], ids=lambda op: op.mnemonic)
def test_moves(op: Op) -> None:
    for ours, theirs in differences(moved(op, others=op in JOINS)()):
        np.testing.assert_array_equal(ours, theirs)


def test_every_op_on_codes_has_a_case() -> None:
    """All that `mbc ops --int8` calls integer or moves; functions are lookups by then."""
    seen = {type(node.op) for _, make in CASES for node in make().topo()}
    seen |= {type(op) for op in (*MOVES, *JOINS)}
    wanted = {op for op, form in FORMS.items() if form is not Form.ISLAND}
    assert {op for op in wanted - seen if not issubclass(op, Unary)} == set()


@pytest.mark.parametrize(
    "seed", part_of([(seed,) for seed in range(60)], lambda seed: seed < 10, str)
)
def test_random_networks(seed: int) -> None:
    """Rounding that differs once may differ more after other layers, but seldom."""
    for ours, theirs in differences(random_graph(seed, 8, wide=True)):
        assert np.median(np.abs(ours - theirs)) <= 1


def looked_up(function: Callable[[np.ndarray], np.ndarray]) -> Graph:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 256), X))
    table = Constant.of("table", table_codes(function, X, Y), U8)
    graph.set_outputs([graph.add(Lookup(to=Y), [x, table]).result])
    return graph


def kinds(graph: Graph) -> list[str]:
    """The op types of its model, but for the conversions."""
    nodes = onnx.load_from_string(export_onnx(graph).data).graph.node
    return [node.op_type for node in nodes if "quantize" not in node.op_type.lower()]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (HardSwish(), ["HardSwish"]),
        (Sigmoid(), ["Sigmoid"]),
        (Silu(), ["Sigmoid", "Mul"]),
        (LeakyRelu(0.25), ["Cast", "Gather"]),
    ],
    ids=str,
)
def test_tables_of_known_functions(act: Activation, expected: list[str]) -> None:
    """By the op, with its usual parameters; all others are read from the table."""
    graph = looked_up(act.reference)
    assert kinds(graph) == expected
    for ours, theirs in differences(graph):
        assert np.abs(ours - theirs).max() <= ("Gather" not in expected)
    assert "Abs" in kinds(looked_up(np.abs))


def test_a_random_table() -> None:
    table = np.random.default_rng(1).integers(0, 256, 256)
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 256), X))
    constant = Constant.of("table", table, U8)
    graph.set_outputs([graph.add(Lookup(to=Y), [x, constant]).result])
    every = np.arange(256, dtype=np.uint8)[None]
    (found,) = answers(export_onnx(graph).data, {"x": every})
    assert found.tolist() == [table.tolist()]


@pytest.mark.parametrize("shape", [(3, 5), (1, 6, 7, 5)], ids=len)
def test_tables_by_channel(shape: tuple[int, ...]) -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType(shape, X))
    table = Constant.of("table", np.random.default_rng(1).integers(0, 256, (256, 5)), U8)
    graph.set_outputs([graph.add(Lookup(to=Y), [x, table]).result])
    for ours, theirs in differences(graph):
        np.testing.assert_array_equal(ours, theirs)


def pointwise(act: Activation) -> Graph:
    net = Net()
    x = net.graph.add_input("x", TensorType(IMAGE.shape, X))
    net.graph.set_outputs([net.conv(x, Conv2d(act=act, to=Q8.of(6 / 255, 0)), (1, 1), 5)])
    return net.graph


def test_an_activation_that_no_code_is_beyond_is_left_out() -> None:
    assert kinds(pointwise(RELU6)) == ["Conv"]
    assert kinds(pointwise(Clip(1.0, 4.0))) == ["Conv", "Clip"]
    for ours, theirs in differences(pointwise(Clip(1.0, 4.0))):
        assert np.mean(ours != theirs) < 0.05


def test_a_channel_of_scale_0() -> None:
    """Engines divide by scales: such a channel has weights of 0 instead."""
    graph = pointwise(RELU6)
    multiplier = next(c for name, c in graph.constants().items() if "multiplier" in name)
    multiplier.data = multiplier.array * np.array([1, 0, 1, 1, 1], np.float32)
    model = onnx.load_from_string(export_onnx(graph).data)
    scales = [t for t in model.graph.initializer if t.name.endswith(".scale")]
    assert all(onnx.numpy_helper.to_array(t).min() > 0 for t in scales)
    for ours, theirs in differences(graph):
        assert np.mean(ours != theirs) < 0.05


@pytest.mark.parametrize(
    ("example", "like_ours"),
    [
        (Example("mobilenet_v2"), 25),  # dB; it has residuals, which round twice
        (Example("shufflenet_v2"), 60),
    ],
    ids=str,
)
def test_engines_compute_networks_on_codes(
    example: Example, like_ours: float, tmp_path: Path
) -> None:
    """Every layer, by their integer kernels."""
    found = quantised(example)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    session = onnxruntime.InferenceSession(export_onnx(found.graph).data, options)
    (theirs,) = session.run(None, {k: nchw(x) for k, x in found.inputs.items()})
    (ours,) = found.outputs.values()
    (exact,) = run(found.real, found.inputs).values()
    assert signal_to_noise(ours, theirs) > like_ours
    assert signal_to_noise(exact, theirs) > signal_to_noise(exact, ours) - 1
    nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
    kinds = Counter(node.op_type for node in nodes)
    assert kinds["QLinearConv"] == sum(isinstance(n.op, Conv2d) for n in found.graph.topo())
    assert kinds["QGemm"] == 1
    assert not {"Conv", "Gemm", "Add", "Concat", "DequantizeLinear"} & {*kinds}


def test_what_is_exported_comes_back(tmp_path: Path) -> None:
    """On the same codes, but for scales of weights, which multipliers in float32 give back."""
    found = quantised(Example("shufflenet_v2"))
    path = tmp_path / "net.onnx"
    path.write_bytes(export_onnx(found.graph).data)
    source = load(Request(path), Silent())
    assert source.quantisation is not None
    (again,) = run(on_codes(source.graph, source.quantisation), found.inputs).values()
    (ours,) = found.outputs.values()
    np.testing.assert_allclose(again, ours, rtol=1e-5)


def signal_to_noise(wanted: np.ndarray, found: np.ndarray) -> float:
    """In decibels."""
    noise = float(np.sum((wanted.astype(np.float64) - found) ** 2))
    return float(10 * np.log10(np.sum(wanted.astype(np.float64) ** 2) / max(noise, 1e-300)))


def test_islands_and_ends_are_floats() -> None:
    """So are indices; codes may be inputs and outputs."""
    graph = Graph("g")
    x = graph.add_input("x", TensorType((2, 9)))
    y = graph.add_input("y", TensorType((2, 9), X))
    onto = graph.add(Quantize(to=Y), [x]).result
    real = graph.add(Dequantize(), [y]).result
    graph.set_outputs([onto, real, graph.add(ArgMax(axis=1), [real]).result, y])
    model = onnx.load_from_string(export_onnx(graph).data)
    types = [v.type.tensor_type.elem_type for v in (*model.graph.input, *model.graph.output)]
    f32, u8, s32 = (getattr(onnx.TensorProto, kind) for kind in ("FLOAT", "UINT8", "INT32"))
    assert types == [f32, u8, u8, f32, s32, u8]
    for ours, theirs in differences(graph):
        assert np.abs(ours - theirs).max() <= 1


def test_what_cannot_be_exported() -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 4), F16))
    graph.set_outputs([graph.add(Activate(RELU6), [x]).result])
    with pytest.raises(MbcError, match="E0509: the export to ONNX takes f32 tensors only"):
        export_onnx(graph)
