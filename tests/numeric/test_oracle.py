"""The oracle against the textbook: each op as nested loops, one output element at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.interp import evaluate, run
from mbc.ir.activations import RELU, RELU6, Activation
from mbc.ir.graph import Constant, Graph, Node, Operand
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops.elementwise import Activate, Add, BatchNorm, Softmax
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from tests.activations import ALL_ACTS, activation

RTOL = 1e-12  # in double; the order of sums is all that differs


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape) * 4


def single(op: Op, *arrays: np.ndarray | None) -> list[np.ndarray]:
    """The results of one op in double; operands that the op wants constant are constants."""
    graph = Graph("single")
    operands: list[Operand | Value | None] = []
    inputs: dict[str, np.ndarray] = {}
    for i, array in enumerate(arrays):
        spec = op.spec(i)
        if array is None:
            operands.append(None)
        elif spec.constant:
            operands.append(Constant(f"c{i}", TensorType(array.shape), array))
        else:
            operands.append(graph.add_input(f"x{i}", TensorType(array.shape)))
            inputs[f"x{i}"] = array
    graph.set_outputs(graph.add(op, operands).results)
    return list(run(graph, inputs, dtype=np.float64).values())


def window(
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    op: Conv2d | MaxPool | AvgPool,
    oy: int,
    ox: int,
) -> Iterator[tuple[int, int, int, int]]:
    """The kernel positions (i, j) that meet the input at (y, x), not its padding."""
    dilation = (1, 1) if isinstance(op, AvgPool) else op.dilation
    for i, j in product(range(kernel[0]), range(kernel[1])):
        y = oy * op.stride[0] + i * dilation[0] - op.pad[0]
        x = ox * op.stride[1] + j * dilation[1] - op.pad[2]
        if 0 <= y < shape[1] and 0 <= x < shape[2]:
            yield i, j, y, x


CONVS = [
    ("pointwise", Conv2d(), (2, 3, 5, 4), (1, 1, 4, 3)),
    ("one row", Conv2d(), (1, 1, 7, 1), (1, 1, 1, 1)),
    ("dense 3x3", Conv2d(pad=(1, 1, 1, 1)), (1, 5, 4, 3), (3, 3, 3, 2)),
    ("stem", Conv2d(stride=(2, 2), pad=(0, 1, 0, 1)), (2, 6, 7, 3), (3, 3, 3, 4)),
    ("uneven", Conv2d(stride=(2, 3), pad=(2, 0, 1, 3)), (1, 7, 8, 2), (4, 2, 2, 3)),
    ("dilated", Conv2d(dilation=(2, 3), pad=(2, 2, 3, 3)), (1, 5, 7, 2), (3, 3, 2, 2)),
    ("grouped", Conv2d(groups=3), (1, 2, 3, 6), (1, 1, 2, 9)),
    ("grouped 3x3", Conv2d(groups=2, pad=(1, 1, 1, 1)), (1, 4, 3, 6), (3, 3, 3, 4)),
    ("depthwise", Conv2d(groups=5, pad=(1, 1, 1, 1)), (2, 4, 3, 5), (3, 3, 1, 5)),
    ("multiplier", Conv2d(groups=3, stride=(2, 1)), (1, 5, 4, 3), (2, 3, 1, 6)),
    ("relu", Conv2d(act=RELU), (1, 3, 3, 2), (1, 1, 2, 3)),
    ("relu6", Conv2d(act=RELU6, groups=2), (1, 3, 3, 2), (1, 1, 1, 2)),
]


@pytest.mark.parametrize(("op", "x", "w"), [c[1:] for c in CONVS], ids=[c[0] for c in CONVS])
@pytest.mark.parametrize("extras", ["", "bias", "residual", "bias, residual"])
def test_conv2d(op: Conv2d, x: tuple[int, ...], w: tuple[int, ...], extras: str) -> None:
    data, weight = random(*x), random(*w, seed=1)
    (shape,) = op.infer([TensorType(x), TensorType(w)])
    bias = random(w[3], seed=2) if "bias" in extras else None
    residual = random(*shape.shape, seed=3) if "residual" in extras else None
    expected = np.empty(shape.shape)
    for n, oy, ox, o in np.ndindex(expected.shape):
        group = o // (w[3] // op.groups)
        total = 0.0
        for i, j, y, xx in window(x, (w[0], w[1]), op, oy, ox):
            for c in range(w[2]):
                total += data[n, y, xx, group * w[2] + c] * weight[i, j, c, o]
        total += 0.0 if bias is None else float(bias[o])
        total += 0.0 if residual is None else float(residual[n, oy, ox, o])
        expected[n, oy, ox, o] = activation(total, op.act)
    (found,) = single(op, data, weight, bias, residual)
    np.testing.assert_allclose(found, expected, rtol=RTOL, atol=1e-12)


@pytest.mark.parametrize("act", ALL_ACTS)
@pytest.mark.parametrize("biased", [False, True])
def test_dense(act: Activation | None, biased: bool) -> None:
    x, weight, bias = random(2, 5), random(5, 3), random(3) if biased else None
    expected = np.empty((2, 3))
    for n, o in np.ndindex(2, 3):
        total = sum(x[n, i] * weight[i, o] for i in range(5))
        expected[n, o] = activation(total + (0.0 if bias is None else bias[o]), act)
    (found,) = single(Dense(act=act), x, weight, bias)
    np.testing.assert_allclose(found, expected, rtol=RTOL, atol=1e-12)


def test_batch_norm() -> None:
    x, gamma, beta, mean = random(2, 3, 2, 4), random(4, seed=1), random(4, seed=2), random(4)
    variance = np.array([0.5, 1.0, 2.0, 0.0])
    expected = np.empty(x.shape)
    for n, y, xx, c in np.ndindex(x.shape):
        normal = (x[n, y, xx, c] - mean[c]) / math.sqrt(variance[c] + 0.001)
        expected[n, y, xx, c] = normal * gamma[c] + beta[c]
    (found,) = single(BatchNorm(epsilon=0.001), x, gamma, beta, mean, variance)
    np.testing.assert_allclose(found, expected, rtol=RTOL)


@pytest.mark.parametrize(("op", "act"), [(Activate(act), act) for act in ALL_ACTS if act])
def test_activations(op: Op, act: Activation | None) -> None:
    x = np.array([[-7.0, -0.0, 0.5, 6.0, 6.5]])
    (found,) = single(op, x)
    expected = [activation(value, act) for value in x[0]]
    np.testing.assert_allclose(found[0], expected, rtol=RTOL, atol=1e-12)


@pytest.mark.parametrize("act", ALL_ACTS)
def test_add(act: Activation | None) -> None:
    a, b = random(1, 2, 3, 4), random(1, 2, 3, 4, seed=1)
    expected = [activation(p + q, act) for p, q in zip(a.flat, b.flat, strict=True)]
    (found,) = single(Add(act=act), a, b)
    np.testing.assert_allclose(found.ravel(), expected, rtol=RTOL)


def test_softmax_is_over_the_channels_and_does_not_overflow() -> None:
    x = np.array([[[1.0, 2.0, 3.0], [1000.0, 1000.0, -1000.0]]])
    (found,) = single(Softmax(), x)
    powers = [math.exp(v) for v in (1, 2, 3)]
    expected = [[[p / sum(powers) for p in powers], [0.5, 0.5, 0.0]]]
    np.testing.assert_allclose(found, expected, rtol=RTOL)


POOLS = [
    {"kernel": (2, 2), "stride": (2, 2)},
    {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1, 1, 1)},
    {"kernel": (3, 2), "stride": (1, 3), "pad": (0, 2, 1, 0)},
    {"kernel": (1, 1), "stride": (2, 1)},
    {"kernel": (4, 5), "stride": (3, 3), "pad": (3, 0, 0, 4)},
]


@pytest.mark.parametrize("attributes", POOLS)
@pytest.mark.parametrize("shape", [(2, 5, 6, 3), (1, 4, 5, 1)])
def test_max_pool(attributes: dict[str, tuple[int, ...]], shape: tuple[int, ...]) -> None:
    op = MaxPool(**attributes)  # type: ignore[arg-type]
    x = random(*shape) - 100  # so that padding with zeros would win
    (found,) = single(op, x)
    expected = np.empty(op.infer([TensorType(shape)])[0].shape)
    for n, oy, ox, c in np.ndindex(expected.shape):
        places = window(shape, op.kernel, op, oy, ox)
        expected[n, oy, ox, c] = max(x[n, y, xx, c] for _, _, y, xx in places)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("attributes", POOLS)
@pytest.mark.parametrize("count_pad", [False, True])
def test_avg_pool(attributes: dict[str, tuple[int, ...]], count_pad: bool) -> None:
    op = AvgPool(**attributes, count_pad=count_pad)  # type: ignore[arg-type]
    x = random(2, 5, 6, 3)
    (found,) = single(op, x)
    expected = np.empty(op.infer([TensorType(x.shape)])[0].shape)
    for n, oy, ox, c in np.ndindex(expected.shape):
        met = [x[n, y, xx, c] for _, _, y, xx in window(x.shape, op.kernel, op, oy, ox)]
        count = op.kernel[0] * op.kernel[1] if count_pad else len(met)
        expected[n, oy, ox, c] = sum(met) / count
    np.testing.assert_allclose(found, expected, rtol=RTOL, atol=1e-14)


def test_global_avg_pool() -> None:
    x = random(2, 3, 4, 5)
    (found,) = single(GlobalAvgPool(), x)
    for n, c in np.ndindex(2, 5):
        cells = [x[n, y, xx, c] for y, xx in np.ndindex(3, 4)]
        np.testing.assert_allclose(found[n, c], sum(cells) / 12, rtol=RTOL)


def test_concat() -> None:
    parts = [random(1, 2, 2, channels) for channels in (1, 3, 2)]
    (found,) = single(Concat(), *parts)
    for n, y, x in np.ndindex(1, 2, 2):
        assert found[n, y, x].tolist() == [v for part in parts for v in part[n, y, x].tolist()]


def test_split() -> None:
    x = random(1, 2, 2, 6)
    first, second, third = single(Split(sizes=(1, 3, 2)), x)
    for n, y, xx in np.ndindex(1, 2, 2):
        joined = [*first[n, y, xx], *second[n, y, xx], *third[n, y, xx]]
        assert joined == x[n, y, xx].tolist()
    assert [part.shape[-1] for part in (first, second, third)] == [1, 3, 2]


@pytest.mark.parametrize("groups", [1, 2, 3, 6, 12])
def test_channel_shuffle(groups: int) -> None:
    """ShuffleNet (1707.01083 §3.1): channel c comes from (c mod g)*(C/g) + c floordiv g."""
    x = random(1, 2, 3, 12)
    (found,) = single(ChannelShuffle(groups=groups), x)
    for c in range(12):
        source = (c % groups) * (12 // groups) + c // groups
        np.testing.assert_array_equal(found[..., c], x[..., source])


def test_reshape_and_transpose() -> None:
    x = random(1, 2, 3, 4)
    (flat,) = single(Reshape(shape=(6, 4)), x)
    (turned,) = single(Transpose(perm=(2, 0, 3, 1)), x)
    assert turned.shape == (3, 1, 4, 2)
    for n, y, xx, c in np.ndindex(x.shape):
        assert flat[y * 3 + xx, c] == x[n, y, xx, c]
        assert turned[xx, n, c, y] == x[n, y, xx, c]


def test_shuffle_written_by_hand_is_the_op() -> None:
    x = random(1, 2, 2, 12)
    (apart,) = single(Reshape(shape=(1, 2, 2, 3, 4)), x)
    (turned,) = single(Transpose(perm=(0, 1, 2, 4, 3)), apart)
    (joined,) = single(Reshape(shape=(1, 2, 2, 12)), turned)
    np.testing.assert_array_equal(joined, single(ChannelShuffle(groups=3), x)[0])


# graphs


def conv(graph: Graph, x: Value | ChannelView, weight: np.ndarray, name: str) -> Node:
    return graph.add(
        Conv2d(groups=x.type.channels // weight.shape[2]), [x, Constant.of(name, weight)]
    )


def test_views_read_channels() -> None:
    graph = Graph("g")
    x, z = (graph.add_input(name, TensorType((1, 2, 2, 6))) for name in "xz")
    shuffled = ChannelView.of(x).through(ChannelMap.shuffle(2, 6))
    joined = ChannelView.concat([ChannelView.of(z).slice(4, 2), shuffled.slice(1, 2)])
    graph.set_outputs(
        [graph.add(Activate(RELU), [shuffled]).result, joined], ["shuffled", "joined"]
    )
    data = {"x": random(1, 2, 2, 6), "z": random(1, 2, 2, 6, seed=1)}
    found = run(graph, data, dtype=np.float64)
    np.testing.assert_array_equal(
        found["shuffled"], np.maximum(data["x"][..., [0, 3, 1, 4, 2, 5]], 0)
    )
    expected = [data["z"][..., 4], data["z"][..., 5], data["x"][..., 3], data["x"][..., 1]]
    np.testing.assert_array_equal(found["joined"], np.stack(expected, axis=-1))


def test_fused_bodies_are_evaluated() -> None:
    weight = random(1, 1, 1, 6)
    body = Graph("body")
    first = conv(body, body.add_input("a", TensorType((1, 2, 2, 6))), weight, "w").result
    added = body.add(Add(), [first, body.add_input("b", first.type)]).result
    body.set_outputs([added, ChannelView.of(first).slice(2, 3)])
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 2, 2, 6)))
    turned = ChannelView.of(x).through(ChannelMap.shuffle(3, 6))
    node = graph.add(Fused(kind="f", body=body), [turned, x])
    graph.set_outputs(node.results)
    data = random(1, 2, 2, 6)
    found = run(graph, {"x": data}, dtype=np.float64)
    scaled = data[..., [0, 2, 4, 1, 3, 5]] * weight.astype(np.float32)[0, 0, 0]
    np.testing.assert_allclose(found["y0"], scaled + data, rtol=RTOL)
    np.testing.assert_allclose(found["y1"], scaled[..., 2:5], rtol=RTOL)


def small() -> tuple[Graph, dict[str, np.ndarray]]:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 2, 2, 6)))
    hidden = conv(graph, x, random(1, 1, 6, 3), "w").result
    graph.set_outputs([graph.add(Activate(RELU), [hidden]).result], ["out"])
    return graph, {"x": random(1, 2, 2, 6)}


def test_each_node_is_shown_with_its_results() -> None:
    graph, inputs = small()
    seen: list[tuple[str, tuple[int, ...]]] = []
    (out,) = evaluate(graph, inputs, lambda node, r: seen.append((node.op.label, r[0].shape)))
    assert seen == [("conv2d", (1, 2, 2, 3)), ("relu", (1, 2, 2, 3))]
    np.testing.assert_array_equal(out, run(graph, inputs)["out"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_is_computed_in_the_type_that_is_asked_for(dtype: type) -> None:
    graph, inputs = small()
    kinds: list[np.dtype] = []
    evaluate(graph, inputs, lambda node, results: kinds.append(results[0].dtype), dtype=dtype)
    assert kinds == [np.dtype(dtype)] * 2


@pytest.mark.parametrize(
    "op", [BatchNorm(), AvgPool(), Softmax(), GlobalAvgPool(), Activate(RELU6)]
)
def test_no_op_widens_its_input(op: Op) -> None:
    graph = Graph("g")
    vectors = [Constant.of(f"v{i}", np.full(6, 2.0)) for i in range(len(op.operands) - 1)]
    x = graph.add_input("x", TensorType((1, 4, 4, 6)))
    graph.set_outputs(graph.add(op, [x, *vectors]).results)
    assert run(graph, {"x": np.ones((1, 4, 4, 6))})["y"].dtype == np.float32


def test_inputs_are_not_written() -> None:
    graph = Graph("g")
    x = graph.add_input("x", TensorType((4,)))
    graph.set_outputs([x])
    data = np.ones(4, np.float32)
    run(graph, {"x": data})["y"][:] = 7
    assert data.tolist() == [1] * 4


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "E0710: input 'x' is missing"),
        ({"x": np.ones(5)}, "E0710: input 'x' has shape [5], expected [1, 2, 2, 6]"),
        (
            {"x": np.ones((1, 2, 2, 6), complex)},
            "E0710: input 'x' holds complex128, expected numbers",
        ),
        (
            {"y": np.ones((1, 2, 2, 6))},
            "E0710: input 'x' is missing; E0710: there is no input 'y'",
        ),
    ],
)
def test_inputs_that_do_not_fit(inputs: Mapping[str, np.ndarray], message: str) -> None:
    with pytest.raises(MbcError) as caught:
        run(small()[0], inputs)
    assert str(caught.value) == message
    assert caught.value.diagnostics[0].helps[0] == "the inputs are x: f32[1,2,2,6]"


def test_constants_without_data() -> None:
    graph, inputs = small()
    graph.constants()["w"].data = None
    with pytest.raises(MbcError, match="E0711: constants without data: @w"):
        run(graph, inputs)
