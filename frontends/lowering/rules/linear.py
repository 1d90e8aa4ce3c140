"""Convolutions and dense layers."""

from __future__ import annotations

from math import prod

import numpy as np

from mbc.frontends.lowering.builder import ROW, Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.arithmetic import added, added_tensor
from mbc.frontends.lowering.rules.attributes import real, whole
from mbc.frontends.lowering.rules.deep import deep_conv
from mbc.frontends.lowering.rules.moves import reshaped
from mbc.frontends.lowering.rules.rows import product
from mbc.frontends.lowering.rules.windows import window_of
from mbc.frontends.lowering.tracked import CHANNEL, Factors, Tracked
from mbc.ir.graph import Constant
from mbc.ir.views import ChannelView
from mbc.ops.linear import Conv2d, Dense

OIHW_TO_HWIO = (2, 3, 1, 0)


def conv(b: Builder, node: Node) -> Tracked:
    """Convolution in 1 to 3 dimensions, with any groups, strides, dilations and padding."""
    x, weight = b.input(0), b.required_input(1, "weight")
    if weight.ndim not in (3, 4, 5) or x.rank != weight.ndim:
        raise Unsupported(f"it has {weight.ndim - 2} dimensions, mbc's have 1 to 3")
    bias = vector(b, node.input(2), b.optional_input(2, "bias"), weight.shape[0])
    if weight.ndim == 5:
        return deep_conv(b, node, x, weight, bias)
    groups, window = whole(node, "group", 1), window_of(node, x.shape[2:], weight.shape[2:])
    if window.kernel[4 - weight.ndim :] != weight.shape[2:]:
        raise Unsupported("its kernel_shape is not that of the weight")
    weight = as_filters(weight)
    if _is_pixel(x) and weight.shape[2:] == (1, 1) and groups == 1 and not any(window.pad):
        return _pixel_conv(b, x, weight, bias)
    filters = b.constant(node.input(1), weight.transpose(OIHW_TO_HWIO))
    op = Conv2d(window.stride, window.pad, window.dilation, groups)
    return b.from_image(b.emit(op, [b.image(x), filters, bias]), x.rank)


def as_filters(weight: np.ndarray) -> np.ndarray:
    """Return the weight of a convolution along a row with height 1; others as they are."""
    return weight[:, :, None] if weight.ndim == ROW else weight


def _is_pixel(x: Tracked) -> bool:
    """Whether [n,c,1,1] is stored as [n,c]."""
    return (
        x.rank == 4 and x.type.rank == 2 and _matches(x.axes[0], 0) and not (x.axes[2] or x.axes[3])
    )


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
    """Dense layer."""
    x, weight, beta = b.input(0), b.constant_input(1), real(node, "beta", 1.0)
    bias = b.constant_input(2)
    bias = bias * np.float32(beta) if bias is not None and beta != 1 else bias
    x = x.transposed((1, 0)) if whole(node, "transA", 0) and x.rank == 2 else x
    if weight is None:
        made = _scaled_product(b, node, x)
    else:
        matrix = _scaled(node, weight)
        if node.input(2) in b.known or (bias is not None and _is_full(bias)):
            made = _dense(b, x, node.input(1), matrix)
        else:
            return _dense(b, x, node.input(1), matrix, bias)
    if bias is not None:
        return added(b, made, node.input(2), bias)
    return added_tensor(b, made, b.scaled(b.input(2), beta)) if node.input(2) else made


def _is_full(bias: np.ndarray) -> bool:
    """Whether a bias differs from row to row."""
    return bias.size > max(bias.shape, default=1) or (bias.ndim == 2 and bias.shape[0] > 1)


def _scaled(node: Node, weight: np.ndarray) -> np.ndarray:
    """Return the weight of a Gemm as [i,o], times alpha."""
    if weight.ndim != 2:
        raise Unsupported(f"its weight has {weight.ndim} axes, not 2")
    alpha, weight = real(node, "alpha", 1.0), weight.T if whole(node, "transB", 0) else weight
    return weight * np.float32(alpha) if alpha != 1 else weight


def _scaled_product(b: Builder, node: Node, x: Tracked) -> Tracked:
    """Return the product of two computed matrices, times alpha."""
    y, alpha = b.input(1), real(node, "alpha", 1.0)
    made = product(b, x, y.transposed((1, 0)) if whole(node, "transB", 0) else y)
    return made if alpha == 1 else b.scaled(made, alpha)


def matmul(b: Builder, node: Node) -> Tracked:
    """Product of a tensor with a constant matrix, or of two computed tensors."""
    if b.constant_input(0) is None and b.constant_input(1) is None:
        return product(b, b.input(0), b.input(1))
    left = b.constant_input(0)
    if left is not None:  # (a x)ᵀ = xᵀ aᵀ
        if left.ndim < 2:
            raise Unsupported("it multiplies a constant vector")
        turned = np.swapaxes(left, -1, -2)
        return _swapped(rows_times(b, _swapped(b.input(1)), node.input(0), turned))
    return rows_times(b, b.input(0), node.input(1), b.required_input(1, "second factor"))


def _swapped(x: Tracked) -> Tracked:
    if x.rank < 2:
        raise Unsupported("it multiplies a constant with a vector")
    return x.transposed((*range(x.rank - 2), x.rank - 1, x.rank - 2))


def rows_times(b: Builder, x: Tracked, name: str, weight: np.ndarray) -> Tracked:
    """Multiply the last axis of a tensor with a constant matrix of that name."""
    more = max(0, weight.ndim - max(x.rank, 2))
    if weight.ndim > 2 and weight.size == prod(weight.shape[-2:]):
        weight = weight.reshape(weight.shape[-2:])
    if weight.ndim != 2 or not x.rank:
        raise Unsupported(f"it multiplies tensors of {x.rank} and {weight.ndim} axes, not of 2")
    if x.rank == 2 and not more:
        return _dense(b, x, name, weight)
    leading = (*[1] * more, *x.shape[:-1])
    rows = reshaped(b, x, (prod(leading), x.shape[-1]))
    return reshaped(b, _dense(b, rows, name, weight), (*leading, weight.shape[1]))


def _dense(
    b: Builder, x: Tracked, name: str, weight: np.ndarray, bias: np.ndarray | None = None
) -> Tracked:
    """Multiply rows with a weight of that name, and add a bias."""
    if x.rank != 2:
        raise Unsupported(f"it multiplies tensors of {x.rank} and {weight.ndim} axes, not of 2")
    if x.shape[1] != weight.shape[0]:
        raise Unsupported(f"{x.shape[1]} inputs do not fit a weight of {weight.shape[0]}")
    rows, order = _rows(b, x)
    matrix = b.constant(name, weight[order] if order is not None else weight)
    offsets = vector(b, b.node.input(2), bias, weight.shape[1])
    return Tracked.of(b.emit(Dense(), [rows, matrix, offsets]), (0, 1))


def _rows(b: Builder, x: Tracked) -> tuple[ChannelView, np.ndarray | None]:
    """Return x as the rows of a matrix, in the order in which it is stored; and that order, as
    indices of its columns, where it is not x's own. So a flattened image stays where it is."""
    x = b.settled(x)
    columns = x.axes[1]
    stored = tuple(range(1, x.type.rank - 1))
    spatial = tuple(sorted(f for f in columns if f != CHANNEL))
    if (
        not _matches(x.axes[0], 0)
        or 0 in columns
        or any(x.type.shape[a] > 1 for a in {*stored} - {*spatial})
    ):
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
