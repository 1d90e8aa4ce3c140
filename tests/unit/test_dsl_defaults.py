"""What layers take where a call does not say, and padding as PyTorch has it."""

from typing import get_args

import pytest

from mbc.frontends.dsl import Net
from mbc.frontends.dsl.layers.defaults import ACTIVATIONS
from mbc.ir.activations import RELU6, Activation, HardSwish
from mbc.ir.graph import Graph
from mbc.ops.elementwise import Activate, BatchNorm
from mbc.ops.linear import Conv2d
from mbc.ops.pool import MaxPool


def build() -> Net:
    return Net(Graph("net"))


def test_half_padding_is_that_of_pytorchs_networks() -> None:
    nn = build()
    x = nn.input(9, 8, 2)
    nn.conv(x, 2, (5, 2), stride=2, dilation=(2, 1), padding="half")
    nn.max_pool(x, 3, stride=2, padding="half")
    conv, pool = (node.op for node in nn.graph.topo())
    assert isinstance(conv, Conv2d)
    assert conv.pad == (4, 4, 0, 0)
    assert pool == MaxPool((3, 3), (2, 2), (1, 1, 1, 1))


def test_defaults_hold_for_what_follows_and_says_nothing_else() -> None:
    nn = build()
    x = nn.input(8, 8, 4)
    nn.conv(x, 4, 3)
    nn.defaults(padding="same", epsilon=1e-3, act="relu6")
    nn.conv(x, 4, 3, stride=2)
    nn.depthwise(x, 5, padding=0)
    nn.max_pool(x, 3)
    nn.batch_norm(x)
    nn.activate(x)
    nn.defaults(act="hard_swish")
    nn.activate(nn.batch_norm(x, epsilon=1e-5))
    first, *pads, pool, norm, relu6, other_norm, swish = (node.op for node in nn.graph.topo())
    assert isinstance(first, Conv2d)
    assert first.pad == (0, 0, 0, 0)
    assert [op.pad for op in pads if isinstance(op, Conv2d)] == [(0, 1, 0, 1), (0, 0, 0, 0)]
    assert pool == MaxPool((3, 3), (3, 3), (0, 0, 0, 0))
    assert (norm, other_norm) == (BatchNorm(1e-3), BatchNorm(1e-5))
    assert (relu6, swish) == (Activate(RELU6), Activate(HardSwish()))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_default_activation_is_the_layer_of_its_name(name: str) -> None:
    nn = build()
    x = nn.input(4)
    nn.defaults(act=name)
    nn.activate(x)
    getattr(nn, name)(x)
    by_default, by_name = (node.op for node in nn.graph.topo())
    assert by_default == by_name


def test_every_activation_but_clip_can_be_the_default() -> None:
    names = {kind.name for kind in get_args(Activation)}
    assert set(ACTIVATIONS) == names - {"clip"} | {"relu", "relu6"}
