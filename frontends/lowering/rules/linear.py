"""Convolutions and dense layers."""

from __future__ import annotations

from math import prod

import numpy as np

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import real, whole
from mbc.frontends.lowering.rules.rows import product
from mbc.frontends.lowering.rules.windows import window_of
from mbc.frontends.lowering.tracked import CHANNEL, Factors, Tracked
from mbc.ir.graph import Constant
from mbc.ir.views import ChannelView
from mbc.ops.linear import Conv2d, Dense

OIHW_TO_HWIO = (2, 3, 1, 0)


def conv(b: Builder, node: Node) -> Tracked:
    """Convolution in two dimensions, with any groups, strides, dilations and padding."""
    x, weight = b.input(0), b.required_input(1, "weight")
    if weight.ndim != 4 or x.rank != 4:
        raise Unsupported(f"it has {weight.ndim - 2} dimensions, mbc's have 2")
    bias = vector(b, node.input(2), b.optional_input(2, "bias"), weight.shape[0])
    groups = whole(node, "group", 1)
    size = x.shape[2], x.shape[3]
    window = window_of(node, size, (weight.shape[2], weight.shape[3]))
    if window.kernel != weight.shape[2:]:
        raise Unsupported("its kernel_shape is not that of the weight")
    if _is_pixel(x) and weight.shape[2:] == (1, 1) and groups == 1 and not any(window.pad):
        return _pixel_conv(b, x, weight, bias)
    filters = b.constant(node.input(1), weight.transpose(OIHW_TO_HWIO))
    op = Conv2d(window.stride, window.pad, window.dilation, groups)
    return Tracked.of(b.emit(op, [b.image(x), filters, bias]), (0, 2, 3, 1))


def _is_pixel(x: Tracked) -> bool:
    """Whether [n,c,1,1] is stored as [n,c]."""
    return x.type.rank == 2 and _matches(x.axes[0], 0) and not (x.axes[2] or x.axes[3])


def _matches(factors: Factors, stored: int) -> bool:
    return factors in ((), (stored,))


def _pixel_conv(b: Builder, x: Tracked, weight: np.ndarray, bias: Constant | None) -> Tracked:
    """Import a 1x1 convolution of a pooled map as a dense layer."""
    matrix = b.constant(b.node.input(1), weight[:, :, 0, 0].T)
    made = Tracked.of(b.emit(Dense(), [b.settled(x).stored, matrix, bias]), (0, 1))
    return Tracked(made.stored, (*made.axes, (), ()), made.channels)


def vector(b: Builder, name: str, bias: np.ndarray | None, channels: int) -> Constant | None:
    """Return an optional bias as one number a channel."""
    if bias is None:
        return None
    if bias.size not in (1, channels) or bias.size != max(bias.shape, default=1):
        raise Unsupported("its bias differs from image to image")
    return b.constant(name, np.broadcast_to(bias.ravel(), (channels,)))


def gemm(b: Builder, node: Node) -> Tracked:
    """Dense layer; transA is not supported."""
    if whole(node, "transA", 0):
        raise Unsupported("it transposes its input (transA)")
    weight, bias = b.required_input(1, "weight"), b.optional_input(2, "bias")
    if whole(node, "transB", 0):
        weight = weight.T
    alpha, beta = real(node, "alpha", 1.0), real(node, "beta", 1.0)
    weight = weight * np.float32(alpha) if alpha != 1 else weight
    if bias is not None and beta != 1:
        bias = bias * np.float32(beta)
    return _dense(b, b.input(0), weight, bias)


def matmul(b: Builder, node: Node) -> Tracked:
    """Product of a matrix with constant weights, or of two computed tensors."""
    if b.constant_input(0) is None and b.constant_input(1) is None:
        return product(b, node)
    if b.constant_input(0) is not None:
        raise Unsupported("its first factor is constant")
    return _dense(b, b.input(0), b.required_input(1, "second factor"), None)


def _dense(b: Builder, x: Tracked, weight: np.ndarray, bias: np.ndarray | None) -> Tracked:
    if x.rank != 2 or weight.ndim != 2:
        raise Unsupported(f"it multiplies tensors of {x.rank} and {weight.ndim} axes, not of 2")
    if x.shape[1] != weight.shape[0]:
        raise Unsupported(f"{x.shape[1]} inputs do not fit a weight of {weight.shape[0]}")
    rows, order = _rows(b, x)
    matrix = b.constant(b.node.input(1), weight[order] if order is not None else weight)
    offsets = vector(b, b.node.input(2), bias, weight.shape[1])
    return Tracked.of(b.emit(Dense(), [rows, matrix, offsets]), (0, 1))


def _rows(b: Builder, x: Tracked) -> tuple[ChannelView, np.ndarray | None]:
    """Return x as the rows of a matrix, in the order in which it is stored; and that order, as
    indices of its columns, where it is not x's own. So a flattened image stays where it is."""
    x = b.settled(x)
    columns = x.axes[1]
    stored = tuple(range(1, x.type.rank - 1))
    spatial = tuple(sorted(f for f in columns if f != CHANNEL))
    if not _matches(x.axes[0], 0) or any(x.type.shape[a] > 1 for a in {*stored} - {*spatial}):
        return b.arranged(x, (0, 1)), None
    order = _stored_order(x)
    shape = x.type.shape[0], prod(x.type.shape[1:])
    return b.reshaped(x.stored, shape), order


def _stored_order(x: Tracked) -> np.ndarray | None:
    """Return, for each stored column, which column of x it is; None if it is the same."""
    factors = [(f, e) for f, e in x.factors if f == CHANNEL or f > 0]
    numbers = np.arange(x.shape[1]).reshape([extent for _, extent in factors])
    last = x.type.rank - 1
    places = [last if f == CHANNEL else f for f, _ in factors]
    order = numbers.transpose(sorted(range(len(places)), key=places.__getitem__)).ravel()
    return None if np.array_equal(order, np.arange(order.size)) else order
