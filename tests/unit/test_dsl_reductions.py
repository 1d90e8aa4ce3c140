"""Layers that reduce: over axes, and over windows of every kind."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mbc.diag import MbcError
from mbc.interp import run
from mbc.ops.pool import AvgPool, MaxPool
from mbc.ops.reduce import ReduceMax, ReduceMean, ReduceSum
from tests.unit.test_dsl import build


def test_pools_whose_extents_are_rounded_up() -> None:
    """As PyTorch's: what hangs over never counts, unless asked for."""
    nn = build()
    x = nn.input(6, 7, 2)
    window: dict[str, Any] = {"stride": 2, "padding": (1, 0, 0, 0), "ceil_mode": True}
    most = nn.max_pool(x, 3, dilation=(1, 2), **window)
    nn.avg_pool(x, 3, **window)
    nn.avg_pool(x, 3, **window, count_pad=True)
    nn.avg_pool(x, 3, **window, count_pad="overhang")
    nn.avg_pool(x, 3, stride=2, ceil_mode=True, count_pad=True)
    assert most.shape == (1, 3, 2, 2)
    pad = (1, 0, 0, 0)
    assert [node.op for node in nn.graph.topo()] == [
        MaxPool((3, 3), (2, 2), pad, (1, 2)),
        *(AvgPool((3, 3), (2, 2), pad, counted) for counted in (False, True, True)),
        AvgPool((3, 3), (2, 2), (0, 1, 0, 0)),
    ]
    nn.avg_pool(nn.input(6, 6, 2), 3, **window, count_pad=True)
    assert nn.graph.topo()[-1].op == AvgPool((3, 3), (2, 2), (1, 0, 0, 1), True, overhang=(0, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ceil_mode": 1}, "ceil_mode must be True or False, found 1"),
        ({"count_pad": "all"}, "count_pad must be True, False or 'overhang', found 'all'"),
    ],
)
def test_pools_that_there_are_not(arguments: dict[str, Any], message: str) -> None:
    nn = build()
    with pytest.raises(MbcError, match=message):
        nn.avg_pool(nn.input(6, 6, 2), 3, **arguments)


def test_a_dilated_window_has_to_read_something() -> None:
    nn = build()
    with pytest.raises(MbcError, match="reads padding alone"):
        nn.max_pool(nn.input(2, 2, 2), 2, stride=1, dilation=3, padding=2)


def test_axes_are_integers_in_any_order_also_from_the_end() -> None:
    nn = build(batch=2)
    x = nn.input(3, 4, 5)
    shapes = [
        nn.reduce_mean(x, (1, 2)).shape,
        nn.reduce_sum(x, -1).shape,
        nn.reduce_max(x, [-2, 1], keep=True).shape,
        nn.global_max_pool(x).shape,
    ]
    assert shapes == [(2, 5), (2, 3, 4), (2, 1, 1, 5), (2, 5)]
    ops = [node.op for node in nn.graph.topo()]
    most = ReduceMax((1, 2))
    assert ops == [ReduceMean((1, 2)), ReduceSum((3,)), replace(most, keep=True), most]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((), "at least one axis"),
        ((1, -3), "each once"),
        ((1, 4), "axis must be below 4, found 4"),
        (-5, "axis must be at least -4, found -5"),
        ((1.0,), "axis must be an integer, found 1.0"),
        (None, "axes must be a tuple of integers, found None"),
        ((0, 1, 2, 3), "a tensor needs an axis"),
    ],
)
def test_axes_that_there_are_not(axes: Any, message: str) -> None:
    nn = build()
    with pytest.raises(MbcError, match=message):
        nn.reduce_sum(nn.input(3, 4, 5), axes)


def test_a_global_pool_needs_an_image() -> None:
    nn = build()
    with pytest.raises(MbcError, match="a pool needs an NHWC tensor"):
        nn.global_max_pool(nn.input(3, 5))


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
def test_softmax_over_any_axis(axis: int) -> None:
    nn = build(batch=2)
    x = nn.input(3, 4, 5)
    y = nn.softmax(x, axis=axis)
    nn.graph.set_outputs([y.value])
    given = np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    (found,) = run(nn.graph, {"input": given}).values()
    powers = np.exp(given.astype(np.float64))
    np.testing.assert_allclose(found, powers / powers.sum(axis=axis, keepdims=True), rtol=1e-5)
    assert (len(nn.graph.topo()) == 1) == (axis == -1)


def test_softmax_over_no_axis() -> None:
    nn = build()
    with pytest.raises(MbcError, match="axis must be below 4, found 4"):
        nn.softmax(nn.input(3, 4, 5), axis=4)
