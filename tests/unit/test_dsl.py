"""Tracing: parameters, shapes, names, locations, outputs."""

import inspect
import shlex
from typing import Any, Literal

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.frontends.dsl import Net, NetworkDef, Tensor, network
from mbc.frontends.dsl.params import Parameter, ParameterType, ParameterValue
from mbc.interp import run
from mbc.ir.graph import Graph
from mbc.ops.elementwise import Add, BatchNorm
from mbc.ops.linear import Conv2d
from mbc.ops.pool import AvgPool, MaxPool


@network
def sample(
    nn: Net,
    *,
    alpha: float = 1,
    resolution: int = 16,
    softmax: bool = True,
    act: Literal["relu", "relu6"] = "relu",
) -> Tensor:
    x = nn.input(resolution, resolution, 3, name="image")
    with nn.scope("stem"):
        x = nn.batch_norm(nn.conv(x, int(8 * alpha), 3, stride=2, padding=1))
    x = nn.relu(x) if act == "relu" else nn.relu6(x)
    x = nn.dense(nn.global_avg_pool(x), 10)
    return nn.softmax(x) if softmax else x


def build(batch: int = 1) -> Net:
    return Net(Graph("net"), batch)


def code(problem: pytest.ExceptionInfo[MbcError]) -> str:
    return problem.value.diagnostics[0].code


def test_parameters_are_read_from_the_signature() -> None:
    assert isinstance(sample, NetworkDef)
    assert sample.name == "sample"
    assert sample.parameters == (
        Parameter("alpha", float, 1.0),
        Parameter("resolution", int, 16),
        Parameter("softmax", bool, True),
        Parameter("act", str, "relu", ("relu", "relu6")),
    )
    assert isinstance(sample.parameters[0].default, float)


@pytest.mark.parametrize(
    ("type", "given", "value"),
    [
        (float, "0.5", 0.5),
        (float, "1", 1.0),
        (float, 1, 1.0),
        (float, np.float32(0.5), 0.5),
        (int, "224", 224),
        (int, np.int64(3), 3),
        (bool, "true", True),
        (bool, "No", False),
        (bool, "0", False),
        (bool, True, True),
        (str, "relu", "relu"),
    ],
)
def test_values_are_converted(type: ParameterType, given: object, value: ParameterValue) -> None:
    converted = Parameter("p", type, type()).convert(given)
    assert converted == value
    assert converted.__class__ is type


@pytest.mark.parametrize(
    ("type", "given"),
    [
        (float, True),
        (float, "inf"),
        (float, ""),
        (int, 1.0),
        (int, "1.0"),
        (int, True),
        (bool, 1),
        (bool, "2"),
        (str, 3),
    ],
)
def test_values_of_another_type_are_refused(type: ParameterType, given: object) -> None:
    with pytest.raises(MbcError) as problem:
        Parameter("p", type, type()).convert(given)
    assert code(problem) == "E0111"


def test_meta_holds_what_reproduces_the_graph() -> None:
    graph = sample.trace({"alpha": "0.5", "softmax": False}, batch=2)
    assert graph.name == "sample"
    assert graph.meta == {
        "network": "sample",
        "parameters": "alpha=0.5 resolution=16 softmax=false act=relu",
        "batch": "2",
    }
    params = dict(word.split("=") for word in shlex.split(graph.meta["parameters"]))
    assert sample.trace(params, int(graph.meta["batch"])).meta == graph.meta


def test_the_batch_is_the_first_extent() -> None:
    graph = sample.trace(batch=4)
    assert graph.inputs[0].type.shape == (4, 16, 16, 3)
    assert graph.outputs[0].type.shape == (4, 10)


@pytest.mark.parametrize("batch", [0, -1, True])
def test_a_batch_must_be_positive(batch: int) -> None:
    with pytest.raises(MbcError) as problem:
        sample.trace(batch=batch)
    assert code(problem) == "E0113"


def test_parameters_have_hierarchical_names() -> None:
    names = list(sample.trace().constants())
    norm = [f"stem.conv.bn.{role}" for role in ("gamma", "beta", "mean", "variance")]
    assert names == ["stem.conv.weight", *norm, "fc.weight", "fc.bias"]


def test_filters_are_hwio_and_dense_weights_io() -> None:
    nn = build()
    x = nn.input(8, 8, 12)
    x = nn.conv(x, 24, (3, 5), groups=2, padding=2, bias=True, name="a")
    x = nn.depthwise(nn.depthwise(x, 3, name="b"), 5, multiplier=2, padding=2, name="twice")
    x = nn.pointwise(x, 36, groups=4, name="c")
    nn.dense(nn.global_avg_pool(x), 7, name="d")
    shapes = {name: constant.type.shape for name, constant in nn.graph.constants().items()}
    assert shapes == {
        "a.weight": (3, 5, 6, 24),
        "a.bias": (24,),
        "b.weight": (3, 3, 1, 24),
        "twice.weight": (5, 5, 1, 48),
        "c.weight": (1, 1, 12, 36),
        "d.weight": (36, 7),
        "d.bias": (7,),
    }


def test_unnamed_layers_are_numbered_per_scope() -> None:
    nn = build()
    x = nn.input(8, 8, 4)
    for scope in ("a", "b"):
        with nn.scope(scope), nn.scope("inner"):
            x = nn.batch_norm(nn.pointwise(nn.pointwise(x, 4), 4))
    x = nn.batch_norm(nn.relu(nn.batch_norm(x)))
    layers = dict.fromkeys(name.rpartition(".")[0] for name in nn.graph.constants())
    assert list(layers) == [
        *("a.inner.pw", "a.inner.pw2", "a.inner.pw2.bn"),
        *("b.inner.pw", "b.inner.pw2", "b.inner.pw2.bn"),
        *("bn", "bn2"),
    ]


def test_a_scope_ends_with_its_block() -> None:
    nn = build()
    x = nn.input(8, 8, 4)
    with pytest.raises(ZeroDivisionError), nn.scope("broken"):
        raise ZeroDivisionError
    nn.pointwise(x, 4)
    assert list(nn.graph.constants()) == ["pw.weight"]


def test_names_do_not_depend_on_other_networks() -> None:
    first, second = sample.trace(), sample.trace()
    assert list(first.constants()) == list(second.constants())


def test_each_node_remembers_its_line_and_columns() -> None:
    nn = build()
    x, line = nn.input(8, 8, 4), inspect.currentframe().f_lineno  # type: ignore[union-attr]
    for _ in range(2):
        x = nn.relu(x)
    y = nn.add(nn.relu6(x), x)
    nodes = nn.graph.topo()
    (places,) = zip(*(node.locations for node in nodes), strict=True)
    assert {place.file for place in places} == {__file__}
    spans = [(place.line - line, place.column, place.end_column) for place in places]
    assert spans == [(2, 13, 23), (2, 13, 23), (3, 16, 27), (3, 9, 31)]
    assert y.shape == (1, 8, 8, 4)


@pytest.mark.parametrize(
    ("extent", "kernel", "stride", "pad"),
    [(8, 3, 1, (1, 1)), (8, 3, 2, (0, 1)), (7, 3, 2, (1, 1)), (8, 5, 2, (1, 2)), (8, 1, 2, (0, 0))],
)
def test_same_padding_is_tensorflows(
    extent: int, kernel: int, stride: int, pad: tuple[int, int]
) -> None:
    nn = build()
    x = nn.depthwise(nn.input(extent, extent, 2), kernel, stride=stride, padding="same")
    (op,) = (node.op for node in nn.graph.topo())
    assert isinstance(op, Conv2d)
    assert op.pad == pad * 2
    assert x.shape[1] == -(-extent // stride)


def test_same_padding_counts_dilation() -> None:
    nn = build()
    x = nn.conv(nn.input(9, 9, 2), 2, 3, dilation=2, padding="same")
    assert x.shape == (1, 9, 9, 2)


def test_an_integer_pads_like_pytorch_and_four_sides_as_they_are() -> None:
    nn = build()
    x = nn.input(8, 8, 2)
    nn.max_pool(x, 3, stride=2, padding=1)
    nn.avg_pool(x, (2, 3), padding=(0, 1, 2, 0), count_pad=True)
    most, mean = (node.op for node in nn.graph.topo())
    assert most == MaxPool((3, 3), (2, 2), (1, 1, 1, 1))
    assert mean == AvgPool((2, 3), (2, 3), (0, 1, 2, 0), count_pad=True)


def test_epsilon_is_kept() -> None:
    nn = build()
    nn.batch_norm(nn.input(4), epsilon=1e-3)
    assert nn.graph.topo()[0].op == BatchNorm(1e-3)


def test_a_shuffle_written_by_hand() -> None:
    nn = build(batch=2)
    x = nn.input(3, 3, 12)
    n, h, w, c = x.shape
    y = nn.transpose(nn.reshape(x, (n, h, w, 3, -1)), (0, 1, 2, 4, 3))
    y = nn.reshape(y, (n, h, w, c))
    nn.graph.set_outputs([y.value, nn.channel_shuffle(x, 3).value], ["by_hand", "op"])
    given = np.arange(2 * 3 * 3 * 12, dtype=np.float32).reshape(2, 3, 3, 12)
    outputs = run(nn.graph, {"input": given})
    np.testing.assert_array_equal(outputs["by_hand"], outputs["op"])


def test_split_in_parts_or_sizes() -> None:
    nn = build()
    x = nn.input(2, 2, 12)
    assert [part.channels for part in nn.split(x, parts=3)] == [4, 4, 4]
    assert [part.channels for part in nn.split(x, sizes=[2, 10])] == [2, 10]


def test_outputs_have_names() -> None:
    def two(nn: Net) -> tuple[Tensor, ...]:
        return nn.split(nn.input(4), parts=2)

    def named(nn: Net) -> dict[str, Tensor]:
        x = nn.input(4)
        return {"raw": x, "clipped": nn.relu6(x)}

    assert sample.trace().output_names == ("output",)
    assert network(two).trace().output_names == ("output0", "output1")
    assert network(named).trace().output_names == ("raw", "clipped")


def test_inputs_have_names() -> None:
    nn = build()
    nn.input(4)
    nn.input(4)
    nn.input(4, name="mask")
    assert [value.name for value in nn.graph.inputs] == ["input", "input2", "mask"]


def test_a_bug_of_ours_is_not_blamed_on_the_user() -> None:
    def net(nn: Net) -> Tensor:
        return nn.emit(None, [])[0]  # type: ignore[arg-type]

    with pytest.raises(AttributeError):
        network(net).trace()


# numbers of numpy, which only checkers of types tell from Python's, and operators
ARRAY: Any = np.array
YES: Any = np.bool_(True)
HALF: Any = np.float32(0.5)
TWO: Any = np.int64(2)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_integers_of_numpy_are_integers(kind: Any) -> None:
    nn = build()
    x = nn.input(kind(8), kind(8), kind(4))
    x = nn.conv(x, kind(8), kind(3), stride=(kind(2), kind(1)), padding=kind(1), groups=kind(2))
    x = nn.max_pool(x, kind(2), padding=(kind(0), kind(1), kind(0), kind(1)))
    left, right = nn.split(nn.channel_shuffle(x, kind(2)), parts=kind(2))
    x = nn.reshape(nn.concat(left, right), (kind(1), -1))
    assert nn.dense(x, kind(10)).shape == (1, 10)
    assert all(
        type(extent) is int for node in nn.graph.topo() for extent in node.results[0].type.shape
    )


def test_arrays_of_numpy_are_tuples() -> None:
    nn = build()
    kernel, padding, perm = map(ARRAY, ([3, 1], [1, 1, 0, 0], [0, 2, 1, 3]))
    x = nn.conv(nn.input(8, 8, 4), 4, kernel, padding=padding)
    assert nn.transpose(x, perm).shape == (1, 8, 8, 4)


def test_floats_of_numpy_are_floats_and_bools_are_flags() -> None:
    nn = build()
    nn.batch_norm(nn.conv(nn.input(8, 8, 4), 4, 1, bias=YES), epsilon=HALF)
    conv, norm = nn.graph.topo()
    assert len(conv.operands) == 3
    assert norm.op == BatchNorm(0.5)


@pytest.mark.parametrize("given", [True, np.bool_(True), np.float32(8), 8.0, "8", None, np.ones(1)])
def test_what_is_no_integer(given: object) -> None:
    nn = build()
    with pytest.raises(MbcError) as caught:
        nn.pointwise(nn.input(8, 8, 4), given)  # type: ignore[arg-type]
    assert code(caught) == "E0218"


@pytest.mark.parametrize("given", [True, np.bool_(True), np.inf, np.nan, 10**400, "1"])
def test_what_is_no_number(given: object) -> None:
    nn = build()
    with pytest.raises(MbcError) as caught:
        nn.batch_norm(nn.input(8, 8, 4), epsilon=given)  # type: ignore[arg-type]
    assert code(caught) == "E0218"


@pytest.mark.parametrize("batch", [0, -1, True, 1.5, "2", None])
def test_what_is_no_batch(batch: object) -> None:
    with pytest.raises(MbcError) as caught:
        sample.trace(batch=batch)  # type: ignore[arg-type]
    assert code(caught) == "E0113"
    assert sample.trace(batch=TWO).inputs[0].type.shape[0] == 2


def test_plus_is_add() -> None:
    nn = build()
    a, b = nn.input(2, 2, 4), nn.input(2, 2, 4)
    c = a + b
    c += a
    total = sum([a, b, c])
    assert isinstance(total, Tensor)
    assert [type(node.op) for node in nn.graph.topo()] == [Add] * 4
    nn.graph.set_outputs([total.value], ["total"])
    arrays = {name: np.full((1, 2, 2, 4), n, np.float32) for n, name in enumerate(nn_names(nn), 3)}
    assert (run(nn.graph, arrays)["total"] == 3 + 4 + (3 + 4 + 3)).all()


def nn_names(nn: Net) -> list[str]:
    return [value.name for value in nn.graph.inputs]
