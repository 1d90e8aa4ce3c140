"""What values of a network in Python are called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mbc.frontends.dsl import Net, Tensor
from mbc.frontends.dsl.define import network
from mbc.ir.graph import Graph
from mbc.ir.verify import verify
from tests.example_networks import LEADING, Example


def names(layers: Callable[[Net, Tensor], Tensor | tuple[Tensor, ...]]) -> list[str]:
    """The names of all results of a network on [1,8,8,4]."""

    def net(nn: Net) -> Tensor | tuple[Tensor, ...]:
        return layers(nn, nn.input(8, 8, 4))

    graph = network(net).trace()
    verify(graph)
    return [result.name for node in graph.topo() for result in node.results]


def test_norms_and_activations_are_called_after_their_layer() -> None:
    def layers(nn: Net, x: Tensor) -> Tensor:
        with nn.scope("blocks.3"):
            x = nn.relu6(nn.batch_norm(nn.pointwise(x, 8, name="expand")))
            x = nn.relu(nn.depthwise(x))
            return nn.relu(nn.batch_norm(x))

    assert names(layers) == [
        *("blocks.3.expand", "blocks.3.expand.bn", "blocks.3.expand.relu6"),
        *("blocks.3.dw", "blocks.3.dw.relu", "blocks.3.bn", "blocks.3.bn.relu"),
    ]


def test_other_ops_are_called_after_their_scope() -> None:
    def layers(nn: Net, x: Tensor) -> Tensor:
        with nn.scope("a"):
            left, right = nn.split(x, parts=2)
            y = nn.relu(nn.concat(right, left) + x)
        return nn.relu(nn.channel_shuffle(y, 2))

    assert names(layers) == [
        *("a.split.0", "a.split.1", "a.concat", "a.add", "a.relu", "channel_shuffle", "relu"),
    ]


def test_names_are_unique() -> None:
    def layers(nn: Net, x: Tensor) -> tuple[Tensor, ...]:
        a = nn.conv(nn.relu(x), 4, 1, name="relu2")
        b = nn.relu6(nn.relu6(nn.relu(nn.relu(a))))
        parts = nn.split(b, parts=2) + nn.split(b, parts=2)
        return (*parts, nn.conv(x, 4, 1, name="input"), nn.conv(x, 4, 1), nn.conv(x, 4, 1))

    assert names(layers) == [
        *("relu", "relu2", "relu2.relu", "relu3", "relu6", "relu6_2"),
        *("split.0", "split.1", "split2.0", "split2.1", "input2", "conv", "conv2"),
    ]


def test_an_input_has_its_name_whatever_else_has_it() -> None:
    def net(nn: Net) -> Tensor:
        y = nn.conv(nn.input(8, 8, 4), 4, 1, name="mask")
        return y + nn.input(8, 8, 4, name="mask")

    graph = network(net).trace()
    assert [value.name for value in graph.inputs] == ["input", "mask"]
    assert [node.result.name for node in graph.topo()] == ["mask2", "add"]
    assert [*graph.constants()] == ["mask.weight"]


@pytest.mark.parametrize("example", LEADING, ids=str)
def test_names_of_the_examples_do_not_depend_on_their_size(example: Example) -> None:
    def walk(graph: Graph) -> list[str]:
        return [result.name for node in graph.topo() for result in node.results]

    found = walk(example.graph())
    assert found == walk(example.graph(resolution="64"))
    assert len({*found}) == len(found)
    assert not any(name[0].isdigit() for name in found)
