"""Small graphs that exercise every kernel family over ragged shapes.

Each case comes twice: between the caller's dense tensors, and between padded buffers in the arena.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from mbc.ir.activations import RELU, identifier
from mbc.ir.graph import Constant, Graph
from mbc.ir.views import ChannelMap, ChannelView, Value
from mbc.ops import (
    Add,
    AvgPool,
    BatchNorm,
    ChannelShuffle,
    Concat,
    Conv2d,
    GlobalAvgPool,
    LayerNorm,
    MaxPool,
    Reshape,
    Softmax,
    Split,
    Transpose,
)
from mbc.ops.elementwise import Activate
from tests.activations import ACTS, ALL_ACTS, ROUNDED
from tests.backends.argmax_cases import argmax_cases
from tests.backends.arithmetic_cases import broadcasting_cases
from tests.backends.cases import ONE, Case, Layer, both
from tests.backends.chain_cases import chain_cases, filter_cases, padding_cases
from tests.backends.gate_cases import gate_cases
from tests.backends.grid_cases import grid_cases
from tests.backends.kernel_check import Net
from tests.backends.linear_cases import (
    convolution,
    dense,
    depthwise,
    fused,
    gathered,
    gathered_windows,
    grouped_cases,
    pointwise,
    split_cases,
    strassen_cases,
)
from tests.backends.reduce_cases import reduce_cases
from tests.backends.rows_cases import rows_cases
from tests.backends.slope_cases import slope_cases
from tests.backends.spatial_cases import copied_cases, spatial_cases
from tests.backends.unary_cases import unary_cases
from tests.backends.window_cases import window_cases


def spaced(c: int) -> Iterator[Case]:
    """All kinds of kernels on pixels that are a line of the cache apart."""

    def layer(net: Net, x: Value) -> Value:
        product = net.graph.add(Conv2d(), [x, net.constant(1, 1, c, c)]).result
        grouped = net.graph.add(Conv2d(groups=2), [product, net.constant(1, 1, c // 2, c)]).result
        total = net.graph.add(Add(act=RELU), [product, grouped]).result
        pool = net.graph.add(MaxPool((2, 2), (1, 1), (0, 0, 0, 0)), [total]).result
        order = ChannelMap.shuffle(4, c)
        shuffled = net.graph.add(ChannelShuffle(4), [pool]).result
        back = ChannelView.of(shuffled).through(order)
        return net.graph.add(GlobalAvgPool(), [net.graph.add(Concat(), [back]).result]).result

    yield from both(f"spaced-{c}", (1, 3, 4, c), layer)


def single(name: str, shape: tuple[int, ...], layer: Layer) -> Iterator[Case]:
    """Ops without weights."""
    yield from both(name, shape, layer)


def activation_cases() -> Iterator[Case]:
    """Each activation by itself and after an addition."""
    for act in (act for act in ACTS if act):
        name = identifier(act)
        yield from single(name, (2, 3, 5, 7), partial(_activated, Activate(act)))
        yield from single(f"add_{name}", (2, 3, 5, 7), partial(_added, Add(act)))


def _activated(op: Activate, net: Net, x: Value) -> Value:
    return net.graph.add(op, [x]).result


def _added(op: Add, net: Net, x: Value) -> Value:
    return net.graph.add(op, [x, x]).result


def epilogue_cases() -> Iterator[Case]:
    """Each activation after products and in windows; by themselves, those that round."""
    for act in ROUNDED:
        yield from single(identifier(act), (2, 3, 5, 7), partial(_activated, Activate(act)))
    for act in (act for act in ALL_ACTS if act):
        for name, op, filters in (
            ("pw", Conv2d(act=act), (1, 1, 12, 20)),
            ("dw", Conv2d(pad=ONE, groups=12, act=act), (3, 3, 1, 12)),
            ("conv", Conv2d((2, 2), ONE, act=act), (3, 3, 12, 9)),
        ):
            layer = partial(_weighted, op, filters)
            yield from single(f"{name}_{identifier(act)}", (1, 5, 6, 12), layer)


def _weighted(op: Conv2d, filters: tuple[int, ...], net: Net, x: Value) -> Value:
    return net.graph.add(op, [x, net.constant(*filters), net.constant(filters[-1])]).result


def pool(op: MaxPool | AvgPool | GlobalAvgPool, h: int, w: int, c: int) -> Iterator[Case]:
    """Pools, batch 2."""
    name = f"{op.mnemonic}-{h}x{w}-c{c}-{getattr(op, 'count_pad', '')}"
    yield from single(name, (2, h, w, c), lambda net, x: net.graph.add(op, [x]).result)


def _batch_norm(net: Net, x: Value) -> Value:
    c = x.type.channels
    constants = [net.constant(c), net.constant(c), net.constant(c), net.positive(c)]
    return net.graph.add(BatchNorm(), [x, *constants]).result


def _moves() -> Graph:
    net = Net()
    x, y = net.input(2, 3, 5, 12), net.input(2, 3, 5, 7, name="y")
    inside = net.graph.add(Activate(RELU), [x]).result
    joined = net.graph.add(Concat(), [inside, y]).result
    first, second = net.graph.add(Split((10, 9)), [joined]).results
    shuffled = net.graph.add(ChannelShuffle(3), [second]).result
    apart = net.graph.add(Reshape((2, 3, 5, 2, 5)), [first]).result
    swapped = net.graph.add(Transpose((0, 1, 2, 4, 3)), [apart]).result
    back = net.graph.add(Reshape((2, 3, 5, 10)), [swapped]).result
    flat = net.graph.add(Reshape((6, 50)), [back]).result
    turned = net.graph.add(Transpose((2, 0, 3, 1)), [x]).result
    part = ChannelView.of(joined).slice(3, 5)
    return net.outputs(shuffled, back, inside, x, part, flat, turned)


def convolutions() -> Iterator[Case]:
    """Convolutions over windows of all channels."""
    yield from convolution(16, 16, 3, 32, 3, 2, ONE, 1, 1)
    yield from convolution(15, 13, 3, 24, 3, 2, (0, 1, 0, 1), 1, 1)
    yield from convolution(8, 8, 5, 7, 1, 2, (0, 0, 0, 0), 1, 1)
    yield from convolution(9, 9, 6, 12, 3, 1, ONE, 2, 1)
    yield from convolution(9, 9, 6, 12, 3, 1, (2, 1, 0, 1), 1, 2)
    yield from convolution(7, 7, 4, 8, 3, 1, (0, 0, 0, 0), 1, 1)
    yield from convolution(6, 5, 4, 8, 3, 1, ONE, 4, 1)
    yield from convolution(14, 23, 3, 16, 3, 1, ONE, 1, 1)  # strips at both borders
    yield from convolution(9, 40, 3, 24, 5, 2, (2, 2, 2, 2), 1, 1)
    yield from convolution(6, 29, 2, 8, 3, 1, (4, 4, 4, 4), 1, 1)  # windows without any pixel
    yield from convolution(3, 33, 3, 8, 5, 1, (2, 2, 2, 2), 1, 1)  # no row of windows is inside
    yield from convolution(3, 26, 4, 8, 3, 1, (1, 1, 0, 3), 1, 2)
    yield from convolution(12, 21, 8, 36, 3, 1, (1, 0, 1, 0), 4, 1)
    yield from convolution(11, 20, 2, 24, 7, 2, (3, 3, 3, 3), 1, 1)  # loops over window rows
    yield from convolution(10, 22, 3, 24, 8, 3, (3, 3, 3, 3), 1, 1)  # and over columns


def arithmetic_cases() -> Iterator[Case]:
    """Compared within a tolerance."""
    for rows in (1, 2, 5, 7, 13, 49):
        for k, n in ((3, 5), (16, 16), (27, 24), (40, 40), (17, 33), (1, 1)):
            yield from pointwise(rows, k, n)
    yield from strassen_cases()
    yield from spaced(512)
    yield from grouped_cases()
    yield from split_cases()
    yield from gathered(56, 40, 1)
    yield from gathered_windows(7, 37)
    yield from gathered_windows(8, 16)
    yield from gathered(24, 36, 4)
    for shape in (
        (7, 7, 8, 3, 1, 1),
        (14, 14, 13, 3, 2, 1),
        (5, 6, 4, 3, 1, 0),
        (1, 1, 17, 3, 1, 1),
        (3, 4, 512, 3, 1, 1),  # pixels a line of the cache apart
    ):
        yield from depthwise(*shape)
    yield from depthwise(9, 11, 20, 5, 2, 2)
    yield from depthwise(13, 4, 3, 3, 1, 1)
    yield from depthwise(28, 28, 24, 3, 1, 1)
    yield from depthwise(2, 2, 9, 5, 1, 2)
    yield from depthwise(5, 14, 192, 3, 1, 1)  # in blocks of channels, as the next
    yield from depthwise(7, 15, 256, 5, 2, 2)
    yield from depthwise(3, 14, 200, 3, 1, 1)  # which has no blocks of whole vectors
    yield from convolutions()
    yield from fused(8, 16, 24, 1)
    yield from fused(14, 32, 64, 2)
    yield from fused(7, 60, 240, 1, 3, 3, True)
    yield from fused(7, 13, 9, 1)
    yield from fused(12, 96, 384, 1, 8, 8, True)
    yield from chain_cases()
    yield from padding_cases()
    yield from gate_cases()
    yield from epilogue_cases()
    yield from window_cases()
    mean = AvgPool((3, 3), (2, 2), ONE)
    for op in (mean, replace(mean, count_pad=True, act=RELU)):
        yield from pool(op, 11, 12, 9)
    yield from pool(mean, 6, 20, 160)
    for sizes in ((7, 7, 72), (3, 5, 77)):
        yield from pool(GlobalAvgPool(), *sizes)
    for b, k, n in ((1, 64, 100), (3, 17, 11), (1, 5, 1), (1, 16, 1001), (2, 9, 516)):
        yield from dense(b, k, n)
    yield from element_cases()
    yield from spatial_cases()
    yield from filter_cases()


def _softmax(net: Net, x: Value) -> Value:
    return net.graph.add(Softmax(), [x]).result


def _layer_norm(net: Net, x: Value) -> Value:
    """Of numbers that are not around zero."""
    offset, vectors = Constant.of("offset", np.full(1, 2.0, np.float32)), net.constant
    shifted = net.graph.add(Add(), [x, offset]).result
    c = x.type.channels
    return net.graph.add(LayerNorm(1e-2), [shifted, vectors(c), vectors(c)]).result


def element_cases() -> Iterator[Case]:
    """Softmax, batch and layer norm, and arithmetic that broadcasts."""
    for c in (1, 8, 13, 101):
        yield from single(f"softmax-{c}", (3, c), _softmax)
        yield from single(f"batch_norm-{c}", (2, 3, 5, c), _batch_norm)
    for c in (1, 3, 8, 13, 45, 101, 192):
        yield from single(f"layer_norm-{c}", (2, 3, 5, c), _layer_norm)
    yield from broadcasting_cases()
    yield from reduce_cases()
    yield from unary_cases()
    yield from rows_cases()
    yield from slope_cases()


def exact_cases() -> Iterator[Case]:
    """Compared bit for bit."""
    yield "moves", _moves
    yield from grid_cases()
    yield from pool(MaxPool((3, 3), (2, 2), ONE), 11, 12, 9)
    yield from activation_cases()
    yield from argmax_cases()
    yield from copied_cases()
