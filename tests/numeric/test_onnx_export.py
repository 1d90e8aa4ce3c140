"""ONNX models compute what the graphs compute, as another engine reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings

from mbc.diag import MbcError
from mbc.driver.export import onnx_model
from mbc.driver.request import Request, Silent
from mbc.driver.source import load
from mbc.frontends.onnx import export
from mbc.frontends.onnx.export import export_onnx
from mbc.interp import run
from mbc.ir.activations import RELU, Activation
from mbc.ir.graph import Constant, Graph
from mbc.ir.text.parser import parse
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.ops.elementwise import Activate, Add
from mbc.ops.linear import Dense
from mbc.ops.pool import AvgPool, MaxPool, Pool
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean, ReduceSum
from mbc.ops.rows import Lrn
from tests.activations import ALL_ACTS
from tests.backends.arithmetic_cases import broadcasting_cases
from tests.backends.cases import Case
from tests.backends.grid_cases import grid_cases
from tests.backends.reduce_cases import reduce_cases
from tests.backends.rows_cases import rows_cases
from tests.backends.slope_cases import slope_cases
from tests.backends.unary_cases import unary_cases
from tests.random_graphs import graphs

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def nchw(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def answers(model: bytes, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs of an ONNX model as onnxruntime computes them node by node."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options)
    outputs: list[np.ndarray] = session.run(None, {k: nchw(x) for k, x in inputs.items()})
    return outputs


def random_inputs(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {v.name: rng.standard_normal(v.type.shape).astype(np.float32) for v in graph.inputs}


def check(graph: Graph, model: bytes, tolerance: float = 1e-4) -> None:
    """At most `tolerance` from the oracle, relative to the largest element of each output."""
    inputs = random_inputs(graph)
    expected = run(graph, inputs)
    found = answers(model, inputs)
    assert len(found) == len(expected)
    for reference, result in zip(expected.values(), found, strict=True):
        assert result.shape == nchw(reference).shape
        scale = max(float(np.abs(reference).max(initial=0)), 1e-6)
        assert np.abs(result - nchw(reference)).max(initial=0) <= tolerance * scale


def node_kinds(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


@pytest.mark.parametrize("as_written", [False, True])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("mobilenet_v1", {"alpha": 0.5, "resolution": 96}),
        ("mobilenet_v2", {"resolution": 96, "softmax": False}),
        ("shufflenet_v1", {"groups": 3, "resolution": 64, "softmax": False}),
        ("shufflenet_v1", {"groups": 8, "resolution": 64, "softmax": False}),
        ("shufflenet_v2", {"resolution": 64, "softmax": False}),
    ],
)
def test_the_examples(name: str, params: dict[str, object], as_written: bool) -> None:
    graph = load(Request(EXAMPLES / f"{name}.py", params), Silent()).graph
    model = onnx_model(graph, as_written=as_written).data
    check(graph, model)
    assert ("BatchNormalization" in node_kinds(model)) == as_written


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_random_graphs(graph: Graph) -> None:
    check(graph, export_onnx(graph).data)


@pytest.mark.parametrize("act", [act for act in ALL_ACTS if act], ids=str)
def test_activations(act: Activation) -> None:
    """By themselves and in epilogues, with what the definition says at the ends."""
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 8, 9, 13)))
    ends = graph.add_input("ends", TensorType((1, 5)))
    layers = [(Activate(act), [x]), (Add(act), [x, x]), (Activate(act), [ends])]
    graph.set_outputs([graph.add(op, operands).result for op, operands in layers])
    model = onnx.load_from_string(export_onnx(graph).data)
    onnx.checker.check_model(model, full_check=True)
    inputs = {
        "x": 4 * random_inputs(graph)["x"],
        "ends": np.array([[-1e30, -100.0, 0.0, 100.0, 1e30]], np.float32),
    }
    expected = run(graph, inputs)
    found = answers(model.SerializeToString(), inputs)
    for wanted, result in zip(expected.values(), found, strict=True):
        np.testing.assert_allclose(result, nchw(wanted), rtol=2e-6, atol=4e-6)
    versions = {"gelu": (9, 20), "gelu_tanh": (9, 20), "mish": (8, 18)}
    found_versions = (model.ir_version, model.opset_import[0].version)
    assert found_versions == versions.get(act.name, (8, 17))


@pytest.mark.parametrize("case", [*grid_cases()], ids=lambda case: case[0])
def test_moves_along_any_axis(case: Case) -> None:
    """Bit for bit, minus infinity in pads too."""
    graph = case[1]()
    inputs = random_inputs(graph)
    found = answers(export_onnx(graph).data, inputs)
    for wanted, result in zip(run(graph, inputs).values(), found, strict=True):
        np.testing.assert_array_equal(result, nchw(wanted))


UNTIDY = """graph @g(%x: f32[1,3,2,6]) {
  %0 = relu(%x) : f32[1,3,2,6]
  %1 = reshape(%x) {shape=(1,3,2,6)} : f32[1,3,2,6]
  %2 = sigmoid(%1) : f32[1,3,2,6]
  return %2
}
"""


def test_what_changes_nothing_is_not_exported() -> None:
    assert node_kinds(onnx_model(parse(UNTIDY)).data) == ["Sigmoid"]
    assert len(node_kinds(onnx_model(parse(UNTIDY), as_written=True).data)) > 2


REDUCED = {name: make for name, make in reduce_cases() if name.endswith("-dense")}


@pytest.mark.parametrize("name", REDUCED)
def test_reductions(name: str) -> None:
    """To images and from them, whose axes ONNX has in another order."""
    graph = REDUCED[name]()
    check(graph, export_onnx(graph).data, tolerance=2e-6)


@pytest.mark.parametrize(
    "op",
    [
        MaxPool((3, 2), (2, 1), (2, 1, 0, 1), (2, 3)),
        AvgPool((3, 3), (2, 2), (1, 2, 1, 1), True, overhang=(1, 0)),
    ],
    ids=str,
)
def test_pools(op: Pool) -> None:
    graph = Graph("g")
    graph.set_outputs([graph.add(op, [graph.add_input("x", TensorType((2, 6, 7, 3)))]).result])
    check(graph, export_onnx(graph).data, tolerance=1e-6)


@pytest.mark.parametrize(
    ("op", "kinds"),
    [
        (ReduceMean((1, 2)), ["GlobalAveragePool", "Flatten"]),
        (ReduceMax((1, 2), keep=True), ["GlobalMaxPool"]),
        (ReduceSum((1, 2)), ["ReduceSum"]),
        (ReduceMax((2,)), ["ReduceMax", "Transpose"]),
    ],
)
def test_global_pools_are_what_engines_know(op: Reduce, kinds: list[str]) -> None:
    graph = Graph("g")
    graph.set_outputs([graph.add(op, [graph.add_input("x", TensorType((2, 3, 4, 5)))]).result])
    assert node_kinds(export_onnx(graph).data) == kinds


BROADCAST = {name: make for name, make in broadcasting_cases() if name.endswith("-dense")}


@pytest.mark.parametrize("name", BROADCAST)
def test_arithmetic_broadcasts_as_there(name: str) -> None:
    graph = BROADCAST[name]()
    check(graph, export_onnx(graph).data, tolerance=1e-6)


ROWS = {name: make for name, make in (*rows_cases(), *slope_cases()) if name.endswith("dense")}


@pytest.mark.parametrize("name", ROWS)
def test_normalisations_and_products(name: str) -> None:
    """onnxruntime refuses windows of an even size, and onnx's own evaluator is wrong there."""
    graph = ROWS[name]()
    model = export_onnx(graph).data
    if not any(isinstance(node.op, Lrn) and node.op.size % 2 == 0 for node in graph.topo()):
        check(graph, model, tolerance=1e-5)
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)


UNARIES = {name: make for name, make in unary_cases() if name.endswith("7-dense")}


@pytest.mark.parametrize("name", UNARIES)
def test_functions_are_those_of_onnx(name: str) -> None:
    graph = UNARIES[name]()
    check(graph, export_onnx(graph).data, tolerance=1e-6)


SHUFFLE = """graph @g(%x: f32[1,3,2,6]) {
  %0 = reshape(%x) {shape=(1,3,2,2,3)} : f32[1,3,2,2,3]
  %1 = transpose(%0) {perm=(0,1,2,4,3)} : f32[1,3,2,3,2]
  %2 = reshape(%1) {shape=(1,3,2,6)} : f32[1,3,2,6]
  return %2
}
"""


def test_a_shuffle_is_the_pattern_that_engines_look_for() -> None:
    graph = parse(SHUFFLE)
    model = onnx_model(graph).data
    assert node_kinds(model) == ["Reshape", "Transpose", "Reshape"]
    check(graph, model, tolerance=0)
    written = onnx_model(graph, as_written=True).data
    assert node_kinds(written) == ["Transpose", "Reshape", "Transpose", "Reshape", "Transpose"]
    check(graph, written, tolerance=0)


@pytest.mark.parametrize("perm", ["(0,2,1,3)", "(3,0,2,1)", "(1,2,3,0)"])
def test_transposed_images(perm: str) -> None:
    shape = [(2, 3, 4, 5)[int(axis)] for axis in perm[1:-1].split(",")]
    text = f"{{perm={perm}}} : f32[{','.join(map(str, shape))}]"
    graph = parse(f"graph @g(%x: f32[2,3,4,5]) {{\n  %0 = transpose(%x) {text}\n  return %0\n}}\n")
    check(graph, export_onnx(graph).data, tolerance=0)


NORM = """graph @g(%x: f32[2,3,4]) {
  const @bn.gamma : f32[4]
  const @bn.beta : f32[4]
  const @bn.mean : f32[4]
  const @bn.variance : f32[4]
  %0 = batch_norm(%x, @bn.gamma, @bn.beta, @bn.mean, @bn.variance) {epsilon=0.5} : f32[2,3,4]
  return %0
}
"""


def test_a_batch_norm_whose_channels_are_not_the_second_axis() -> None:
    graph = parse(NORM)
    for number, constant in enumerate(graph.constants().values(), 1):
        constant.data = np.arange(number, number + 4, dtype=np.float32)
    check(graph, export_onnx(graph).data, tolerance=1e-6)


def model_of(graph: Graph) -> Any:
    return onnx.load_from_string(export_onnx(graph).data)


def names(values: Any) -> list[str]:
    return [value.name for value in values]


def test_names_of_inputs_and_outputs_stay() -> None:
    """An output that is an input, and one value under two names, are copied; a name that an input
    and an output share goes to the input."""
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 4)))
    y: Value = graph.add(Activate(RELU), [x]).result
    graph.set_outputs([y, y, x, x], ["relu", "again", "x", "copy"])
    model = model_of(graph)
    assert names(model.graph.input) == ["x"]
    assert names(model.graph.output) == ["relu", "again", "x.2", "copy"]
    assert [n.op_type for n in model.graph.node] == ["Relu", "Identity", "Identity", "Identity"]
    assert model.graph.node[0].output == ["relu"]
    check(graph, model.SerializeToString(), tolerance=0)


def test_equal_constants_are_stored_once() -> None:
    graph = Graph("g")
    weight = np.ones((3, 3), np.float32)
    x = graph.add_input("x", TensorType((1, 3)))
    for name in ("a.weight", "b.weight"):
        x = graph.add(Dense(), [x, Constant.of(name, weight)]).result
    graph.set_outputs([x])
    model = model_of(graph)
    assert names(model.graph.initializer) == ["a.weight"]
    assert names(model.graph.node) == ["0", "1"]  # those of the values


def test_the_same_network_gives_the_same_bytes() -> None:
    request = Request(EXAMPLES / "shufflenet_v2.py", {"resolution": 32})
    first, second = (onnx_model(load(request, Silent()).graph).data for _ in range(2))
    assert first == second
    model = onnx.load_from_string(first)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    described = {entry.key: entry.value for entry in model.metadata_props}
    assert described["network"] == "shufflenet_v2"
    assert "resolution=32" in described["parameters"]
    computed = {value.name for value in model.graph.value_info}
    inner = {name for node in model.graph.node for name in node.output} - {"output"}
    assert computed == inner, "every value has its shape, for Netron"


def test_weights_beyond_what_the_format_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 3)))
    weight = Constant.of("w", np.ones((3, 4), np.float32))
    graph.set_outputs([graph.add(Dense(), [x, weight]).result])
    monkeypatch.setattr(export, "MAX_BYTES", 48)
    export_onnx(graph)
    monkeypatch.setattr(export, "MAX_BYTES", 47)
    with pytest.raises(MbcError, match="E0712: the weights take more than 2 GB"):
        export_onnx(graph)


def test_a_body_may_return_a_value_twice() -> None:
    graph = parse(
        """graph @twice(%x: f32[1,2,3,8]) {
  %a, %b, %c = fused body(%x0 = %x) {
    %mean = global_avg_pool(%x0) : f32[1,8]
    return %mean, %x0, %mean
  } : f32[1,8], f32[1,2,3,8], f32[1,8]
  return %c, %b, %a
}
"""
    )
    check(graph, export_onnx(graph).data)
