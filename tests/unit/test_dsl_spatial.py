"""Layers that resize, enlarge and normalise images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mbc.diag import MbcError
from mbc.frontends.dsl import Net, Tensor
from mbc.ir.graph import Graph
from mbc.ir.op import Op
from mbc.ops import LayerNorm, Resize, TransposedConv


def image() -> Tensor:
    net = Net(Graph("net"), 1)
    return net.input(5, 6, 8)


def op_of(x: Tensor) -> Op:
    node = x.builder.graph.producer(x.value)
    assert node is not None
    return node.op


@pytest.mark.parametrize(
    ("how", "op"),
    [
        ({}, Resize((10, 12), "bilinear", "half_pixel")),
        ({"coordinates": "align_corners"}, Resize((10, 12), "bilinear", "align_corners")),
        ({"mode": "nearest"}, Resize((10, 12), "nearest", "asymmetric", "floor")),
        (
            {"mode": "nearest", "coordinates": "half_pixel"},
            Resize((10, 12), "nearest", "half_pixel", "round_prefer_ceil"),
        ),
        (
            {"mode": "nearest", "rounding": "ceil"},
            Resize((10, 12), "nearest", "asymmetric", "ceil"),
        ),
    ],
    ids=str,
)
def test_a_resize_takes_the_coordinates_that_its_mode_has_elsewhere(
    how: dict[str, str], op: Resize
) -> None:
    x = image()
    made = x.builder.resize(x, (10, 12), **how)  # type: ignore[attr-defined]
    assert op_of(made) == op
    assert made.shape == (1, 10, 12, 8)


def test_transposed_convolutions() -> None:
    x = image()
    nn: Any = x.builder
    half = nn.transposed_conv(x, 4, 3, stride=2, padding=1, output_padding=1, bias=True)
    same = nn.transposed_conv(x, 4, (4, 2), stride=(2, 1), padding="same", name="grown")
    grouped = nn.transposed_conv(x, 8, 2, stride=2, output_padding=(0, 1), groups=8)
    assert op_of(half) == TransposedConv((2, 2), (1, 1, 1, 1), (1, 1))
    assert op_of(same) == TransposedConv((2, 1), (1, 1, 0, 1))
    assert op_of(grouped) == TransposedConv((2, 2), more=(0, 1), groups=8)
    assert half.shape == (1, 10, 12, 4)
    assert same.shape == (1, 10, 6, 4)
    assert grouped.shape == (1, 10, 13, 8)
    shapes = {name: c.type.shape for name, c in nn.graph.constants().items()}
    assert shapes == {
        "up.weight": (3, 3, 8, 4),
        "up.bias": (4,),
        "grown.weight": (4, 2, 8, 4),
        "up2.weight": (2, 2, 1, 8),
    }


def test_layer_norms() -> None:
    x = image()
    nn: Any = x.builder
    made = nn.relu(nn.layer_norm(nn.layer_norm(x), epsilon=1e-6, name="last"))
    assert made.value.name == "last.relu"
    assert [node.op for node in nn.graph.topo()][:2] == [LayerNorm(1e-5), LayerNorm(1e-6)]
    names = ("ln.gamma", "ln.beta", "last.gamma", "last.beta")
    assert tuple(nn.graph.constants()) == names


Call = Callable[[Any, Tensor], object]


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (
            lambda nn, x: nn.resize(x, (8, 8), mode="cubic"),
            "E0218",
            "mode must be one of 'nearest'",
        ),
        (lambda nn, x: nn.resize(x, (8, 8), mode=2), "E0218", "found 2"),
        (lambda nn, x: nn.resize(x, 8, coordinates="corners"), "E0218", "coordinates must be one"),
        (lambda nn, x: nn.resize(x, 8, rounding="ceil"), "E0201", "only mode nearest rounds"),
        (lambda nn, x: nn.resize(x, (8, 8, 8)), "E0218", "size must be one integer or"),
        (
            lambda nn, x: nn.resize(nn.global_avg_pool(x), 8),
            "E0201",
            "a resize needs an NHWC tensor",
        ),
        (
            lambda nn, x: nn.transposed_conv(nn.global_avg_pool(x), 8, 2, padding="same"),
            "E0201",
            "a transposed_conv needs an NHWC tensor",
        ),
        (lambda nn, x: nn.transposed_conv(x, 4, 2, stride=3), "E0201", "smaller than its stride"),
        (
            lambda nn, x: nn.transposed_conv(x, 4, 2, output_padding=-1),
            "E0218",
            "output_padding must be at least 0, found -1",
        ),
        (lambda nn, x: nn.layer_norm(x, epsilon=-1), "E0201", "epsilon must not be negative"),
    ],
    ids=range(10),
)
def test_mistakes(call: Call, code: str, message: str) -> None:
    x = image()
    with pytest.raises(MbcError) as caught:
        call(x.builder, x)
    assert caught.value.diagnostics[0].code == code
    assert message in caught.value.diagnostics[0].message
