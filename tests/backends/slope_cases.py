"""Layers with a slope for each channel, by themselves and in fused bodies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mbc.ir.activations import RELU6, Activation, Silu
from mbc.ir.graph import Graph, Operand
from mbc.ir.views import Value
from mbc.ops import Add, AvgPool, Conv2d, Dense, Fused
from tests.backends.cases import ONE, Case, both
from tests.backends.kernel_check import Net


def slope_cases() -> Iterator[Case]:
    """Each family of kernels over ragged shapes, batch 2 among them."""
    layers: dict[str, tuple[Conv2d | Dense, tuple[int, ...], tuple[int, ...]]] = {
        "pw": (Conv2d(), (1, 1, 8, 20), (2, 5, 7, 8)),
        "pw-one": (Conv2d(), (1, 1, 37, 9), (1, 1, 1, 37)),
        "pw-groups": (Conv2d(groups=2), (1, 1, 12, 10), (1, 5, 3, 24)),
        "conv": (Conv2d((2, 2), ONE), (3, 3, 3, 24), (2, 13, 22, 3)),
        "conv-groups": (Conv2d(pad=ONE, groups=2), (3, 3, 4, 14), (1, 6, 5, 8)),
        "dw": (Conv2d(pad=ONE, groups=13), (3, 3, 1, 13), (2, 9, 7, 13)),
        "dw-blocks": (Conv2d((2, 2), ONE, groups=256), (3, 3, 1, 256), (1, 7, 15, 256)),
        "dw-filters": (Conv2d(pad=ONE, groups=12), (3, 3, 1, 24), (1, 5, 6, 12)),
        "fc": (Dense(), (30, 19), (3, 30)),
    }
    for name, (op, weight, shape) in layers.items():
        yield from both(f"slopes-{name}", shape, partial(_layer, op, weight, False))
    pointwise = ((1, 1, 8, 20), (2, 5, 7, 8))
    for act in (RELU6, Silu()):
        layer = partial(_layer, Conv2d(act=act), pointwise[0], True)
        yield from both(f"slopes-pw-{act}", pointwise[1], layer)
    layer = partial(_layer, Conv2d(pad=ONE, groups=8, act=Silu()), (3, 3, 1, 8), False)
    yield from both("slopes-dw-silu", (1, 4, 5, 8), layer)
    yield from both("slopes-chain", (1, 9, 7, 20), partial(_chain, None))
    yield from both("slopes-chain-relu6", (2, 9, 7, 20), partial(_chain, RELU6))
    yield from both("slopes-means", (2, 7, 5, 24), _means)


def _layer(
    op: Conv2d | Dense, weight: tuple[int, ...], residual: bool, net: Net, x: Value
) -> Value:
    channels = weight[-1]
    held: Value | None = net.input(*x.type.shape[:-1], channels, name="r") if residual else None
    more = [held] if isinstance(op, Conv2d) else []
    constants = net.constant(*weight), net.constant(channels)
    operands: list[Operand | Value | None] = [x, *constants, *more, None, net.constant(channels)]
    return net.graph.add(op, operands).result


def _chain(act: Activation | None, net: Net, x: Value) -> Value:
    """A depthwise convolution between pointwise ones."""
    body = Graph("chain")
    last = body.add_input("x", x.type)
    for kernel, n in ((1, 36), (3, 36), (1, 20)):
        depth = last.type.channels if kernel == 1 else 1
        op = Conv2d(pad=ONE if kernel == 3 else (0, 0, 0, 0), groups=36 if depth == 1 else 1)
        constants = net.constant(kernel, kernel, depth, n), net.constant(n)
        operands = [last, *constants, None, None, net.constant(n)]
        last = body.add(op.with_act(act), operands).result
    body.set_outputs([last])
    return net.graph.add(Fused("chain", body), [x]).result


def _means(net: Net, x: Value) -> Value:
    """A depthwise convolution that returns the means of its rows too."""
    body, c = Graph("body"), x.type.channels
    constants = net.constant(3, 3, 1, c), net.constant(c)
    operands = [body.add_input("x", x.type), *constants, None, None, net.constant(c)]
    conv = body.add(Conv2d(pad=ONE, groups=c), operands).result
    row = (1, conv.type.shape[2])
    body.set_outputs([conv, body.add(AvgPool(row, stride=row), [conv]).result])
    map, means = net.graph.add(Fused("dw_means", body), [x]).results
    return net.graph.add(Add(), [map, means]).result
