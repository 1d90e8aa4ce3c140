"""Drawing weights: by name and seed alone, and by moments that hold."""

from collections.abc import Callable

import numpy as np
import pytest

from mbc.frontends.dsl import Net, Tensor
from mbc.frontends.weights import initialise
from mbc.frontends.weights.moments import propagate, standard_normal
from mbc.frontends.weights.normal import Moments, activated
from mbc.interp import evaluate
from mbc.ir.activations import RELU, Activation, Clip
from mbc.ir.graph import Constant, Graph
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap, ChannelView
from mbc.ops.elementwise import Activate
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d
from tests.activations import ALL_ACTS

SAMPLES = 400_000


def block(nn: Net, x: Tensor, channels: int) -> Tensor:
    return nn.relu(nn.batch_norm(nn.conv(x, channels, 3, padding=1)))


def sample(*, extra: bool = False) -> Graph:
    nn = Net(Graph("net"))
    x = nn.input(8, 8, 3)
    if extra:
        with nn.scope("extra"):
            x = block(nn, x, 3)
    with nn.scope("stem"):
        x = block(nn, x, 16)
    x = nn.dense(nn.global_avg_pool(x), 10)
    nn.graph.set_outputs([x.value])
    return nn.graph


def arrays(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    initialise(graph, seed)
    return {name: constant.array for name, constant in graph.constants().items()}


def test_the_same_seed_gives_the_same_bits() -> None:
    first, second = arrays(sample()), arrays(sample())
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights() -> None:
    first, second = arrays(sample()), arrays(sample(), seed=1)
    assert not any(np.array_equal(first[name], second[name]) for name in first)


def test_another_layer_leaves_the_others_weights_alone() -> None:
    first, second = arrays(sample()), arrays(sample(extra=True))
    drawn = [name for name in first if not name.endswith(("mean", "variance"))]
    assert len(drawn) == 5
    assert all(np.array_equal(first[name], second[name]) for name in drawn)


def test_data_is_bound_once_and_read_only() -> None:
    graph = sample()
    weight = graph.constants()["stem.conv.weight"]
    mine = np.ones(weight.type.shape, np.float32)
    weight.data = mine
    initialise(graph)
    for constant in graph.constants().values():
        assert constant.array.dtype == np.float32
        assert constant.array.shape == constant.type.shape
    assert weight.data is mine
    assert not graph.constants()["fc.weight"].array.flags.writeable


def test_filters_have_hes_deviation() -> None:
    drawn = arrays(sample())
    assert drawn["stem.conv.weight"].std() == pytest.approx(np.sqrt(2 / 27), rel=0.02)
    assert np.sqrt(np.mean(drawn["fc.weight"] ** 2)) == pytest.approx(np.sqrt(1 / 16), rel=1e-6)


def test_batch_norm_statistics_are_not_trivial() -> None:
    drawn = arrays(sample())
    gamma, beta, mean, variance = (
        drawn[f"stem.conv.bn.{role}"] for role in ("gamma", "beta", "mean", "variance")
    )
    assert gamma.min() >= 0.8
    assert gamma.max() <= 1.2
    assert abs(beta.mean()) < 1e-6
    assert beta.std() > 0.5
    assert mean.std() > 0
    assert variance.min() > 0
    for vector in (gamma, beta, mean, variance):
        assert len(np.unique(vector)) == 16


@pytest.mark.parametrize("act", ALL_ACTS)
def test_moments_of_activations(act: Activation | None) -> None:
    random = np.random.default_rng(0)
    mean, deviation = np.array([-1.0, 0.0, 2.0, 5.0]), np.array([1.0, 0.5, 2.0, 3.0])
    x = random.normal(mean, deviation, (SAMPLES, 4))
    y = x if act is None else act.reference(x)
    estimate = activated(Moments(mean, deviation**2), act)
    np.testing.assert_allclose(estimate.mean, y.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(estimate.variance, y.var(axis=0), rtol=0.05)


def test_moments_below_an_upper_bound_mirror_those_above_a_lower_one() -> None:
    """Both are in closed form, so they agree to the last digits."""
    mean, variance = np.array([-1.0, 0.0, 2.0]), np.array([1.0, 0.5, 4.0])
    found = activated(Moments(mean, variance), Clip(hi=1.0))
    mirrored = activated(Moments(-mean, variance), Clip(lo=-1.0))
    np.testing.assert_allclose(found.mean, -mirrored.mean, rtol=1e-12)
    np.testing.assert_allclose(found.variance, mirrored.variance, rtol=1e-12)


def conv_padded(nn: Net, x: Tensor) -> Tensor:
    return nn.conv(x, 6, 3, stride=2, padding="same", bias=True)


def grouped(nn: Net, x: Tensor) -> Tensor:
    return nn.conv(x, 6, 3, groups=2, dilation=2, padding=2)


def depthwise_relu_pointwise(nn: Net, x: Tensor) -> Tensor:
    return nn.pointwise(nn.relu(nn.depthwise(x, 2)), 6)


def norm(nn: Net, x: Tensor) -> Tensor:
    return nn.batch_norm(x)


def residual(nn: Net, x: Tensor) -> Tensor:
    kept, worked = nn.split(x, parts=2)  # independent, as the estimate takes them to be
    return nn.relu6(nn.add(kept, nn.batch_norm(worked)))


def moved(nn: Net, x: Tensor) -> Tensor:
    a, b = nn.split(nn.batch_norm(x), sizes=(1, 3))
    return nn.channel_shuffle(nn.concat(b, a), 2)


def moved_by_hand(nn: Net, x: Tensor) -> Tensor:
    n, h, w, c = x.shape
    y = nn.reshape(nn.batch_norm(x), (n, h, w, 2, c // 2))
    return nn.reshape(nn.transpose(y, (0, 1, 2, 4, 3)), (n, h, w, c))


def spread(nn: Net, x: Tensor) -> Tensor:
    return nn.transpose(nn.batch_norm(x), (0, 3, 1, 2))


def classifier(nn: Net, x: Tensor) -> Tensor:
    return nn.dense(nn.reshape(x, (x.shape[0], -1)), 5)


@pytest.mark.parametrize(
    "layers",
    [
        conv_padded,
        grouped,
        depthwise_relu_pointwise,
        norm,
        residual,
        moved,
        moved_by_hand,
        spread,
        classifier,
    ],
)
def test_moments_agree_with_the_oracle(layers: Callable[[Net, Tensor], Tensor]) -> None:
    nn = Net(Graph("net"), batch=2000)
    y = layers(nn, nn.input(5, 5, 4))
    nn.graph.set_outputs([y.value])
    initialise(nn.graph)
    x = np.random.default_rng(0).standard_normal((2000, 5, 5, 4), dtype=np.float32)
    (output,) = evaluate(nn.graph, {"input": x})
    axes = tuple(range(output.ndim - 1))
    (estimate,) = propagate(
        nn.graph, [standard_normal(nn.graph.inputs[0].type)], lambda graph, node, operands: None
    )
    np.testing.assert_allclose(estimate.channels.mean, output.mean(axes), atol=0.1)
    np.testing.assert_allclose(estimate.channels.variance, output.var(axes), rtol=0.15)


@pytest.mark.parametrize("kind", ["max_pool", "avg_pool"])
def test_moments_of_pools_are_of_the_right_size(kind: str) -> None:
    nn = Net(Graph("net"), batch=500)
    pool = nn.max_pool if kind == "max_pool" else nn.avg_pool
    y = pool(nn.relu(nn.input(6, 6, 4)), 3)
    nn.graph.set_outputs([y.value])
    x = np.random.default_rng(0).standard_normal((500, 6, 6, 4), dtype=np.float32)
    (output,) = evaluate(nn.graph, {"input": x})
    (estimate,) = propagate(
        nn.graph, [standard_normal(nn.graph.inputs[0].type)], lambda graph, node, operands: None
    )
    ratio = np.sqrt(estimate.channels.variance.mean()) / output.std()
    assert 0.5 < ratio < 2
    np.testing.assert_allclose(estimate.channels.mean, output.mean(), atol=0.3)


def test_views_and_fused_bodies_are_read() -> None:
    body = Graph("body")
    inner = body.add_input("x", TensorType((1, 2, 2, 4)))
    offset = Constant("w", TensorType((1, 1, 4, 4)))
    weighted = body.add(Conv2d(), [inner, offset])
    body.set_outputs([body.add(Activate(RELU), [weighted.result]).result])

    graph = Graph("net")
    x = graph.add_input("x", TensorType((1, 2, 2, 4)))
    shuffled = ChannelView.of(x).through(ChannelMap.shuffle(2, 4))
    fused = graph.add(Fused("test", body), [shuffled])
    graph.set_outputs([fused.result])
    initialise(graph)
    assert offset.data is not None
    (estimate,) = propagate(
        graph,
        [Moments(np.zeros(4), np.array([1.0, 2.0, 3.0, 4.0]))],
        lambda graph, node, operands: None,
    )
    wanted = activated(
        Moments(np.zeros(4), np.array([1.0, 3.0, 2.0, 4.0]) @ offset.array[0, 0] ** 2), RELU
    )
    np.testing.assert_allclose(estimate.variance, wanted.variance)
