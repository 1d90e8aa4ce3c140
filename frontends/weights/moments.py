"""Estimates of each channel's mean and variance for every value of a graph, without running it.

The inputs are standard normal; channels and positions are assumed independent, and normal before
an activation. Convolutions account for the share of each tap that falls into padding, so the
estimate also holds for small images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import TypeAlias

import numpy as np

from mbc.frontends.weights.normal import (
    FORMULAS,
    Array,
    Moments,
    activated,
    average,
    maximum,
    plus,
    sampled,
)
from mbc.interp.kernels import KERNELS
from mbc.interp.unary import unary
from mbc.ir.graph import Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Value
from mbc.ops.argmax import ArgMax
from mbc.ops.elementwise import NORM, Activate, Arithmetic, BatchNorm, Mul, Prelu, Softmax
from mbc.ops.fused import Fused
from mbc.ops.grid import GRID, Pad
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.matmul import MatMul
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.norm import LayerNorm
from mbc.ops.normalisation import scale_of
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.reduce import Reduce, ReduceMax, ReduceSum
from mbc.ops.resize import Resize, taps_of
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn
from mbc.ops.transposed import TransposedConv, phases
from mbc.ops.unary import Unary
from mbc.ops.window import window_extent

Inputs: TypeAlias = list[Moments | None]
Visit: TypeAlias = Callable[[Graph, Node, Inputs], None]


def standard_normal(type: TensorType) -> Moments:
    """Return mean 0 and variance 1 for each channel."""
    return Moments(np.zeros(type.channels), np.ones(type.channels))


def propagate(graph: Graph, inputs: Sequence[Moments], visit: Visit) -> list[Moments]:
    """Propagate moments from the inputs to the outputs.

    Before each node, `visit` is called with the graph, the node and the moments of its operands
    (None for constants); afterwards the node's constants must have data.
    """
    known: dict[Value, Moments] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.topo():
        operands: Inputs = [
            read(operand, known) if isinstance(operand, ChannelView) else None
            for operand in node.operands
        ]
        visit(graph, node, operands)
        known.update(zip(node.results, _after(node, operands, visit), strict=True))
    return [read(view, known) for view in graph.outputs]


def read(view: ChannelView, known: Mapping[Value, Moments]) -> Moments:
    """Return the moments of what a view reads."""
    if view.is_plain:
        return known[view.value]
    parts = [known[s.value].at(range(s.start, s.start + s.length)).channels for s in view.segments]
    return concatenate(parts).at(view.order.indices)


def concatenate(parts: Sequence[Moments]) -> Moments:
    """Concatenate the channels of the parts."""
    each = [part.channels for part in parts]
    return Moments(
        np.concatenate([part.mean for part in each]),
        np.concatenate([part.variance for part in each]),
    )


def _after(node: Node, operands: Inputs, visit: Visit) -> list[Moments]:
    named = node.op.by_role(operands)
    given = {role: moments for role, moments in named.items() if moments is not None}
    match node.op:
        case Fused(body=body):
            return propagate(body, [*given.values()], visit)
        case Reshape(shape=shape):
            return [given["x"].moved(node.view("x").type.shape, lambda part: part.reshape(shape))]
        case Transpose(perm=perm):
            return [given["x"].moved(node.view("x").type.shape, lambda part: part.transpose(perm))]
        case op if isinstance(op, GRID):
            return [_rearranged(node, [*given.values()])]
        case Concat():
            return [concatenate([*given.values()])]
        case Split(sizes=sizes):
            starts = [sum(sizes[:i]) for i in range(len(sizes))]
            return [given["x"].at(range(s, s + n)) for s, n in zip(starts, sizes, strict=True)]
        case ChannelShuffle(groups=groups):
            order = np.arange(given["x"].channels.mean.size).reshape(groups, -1).T.ravel()
            return [given["x"].at(order.tolist())]
    return [_computed(node, {role: moments.channels for role, moments in given.items()})]


def _rearranged(node: Node, given: Sequence[Moments]) -> Moments:
    """Move the mean and variance of each element as the oracle moves elements."""
    shapes = [view.type.shape for view in node.views]
    means, variances = (
        [np.broadcast_to(part, shape) for part, shape in zip(parts, shapes, strict=True)]
        for parts in ([each.mean for each in given], [each.variance for each in given])
    )
    still = replace(node.op, value=0.0) if isinstance(node.op, Pad) else node.op
    (mean,), (variance,) = (
        KERNELS[type(op)](op, *parts) for op, parts in ((node.op, means), (still, variances))
    )
    return Moments(mean, variance)


def _computed(node: Node, given: Mapping[str, Moments]) -> Moments:
    if isinstance(node.op, Arithmetic):
        channels = node.result.type.channels
        a, b = (_operand(node, role, given, channels) for role in ("a", "b"))
        return activated(FORMULAS[type(node.op)](a, b), node.op.act)
    if isinstance(node.op, MatMul):
        return _product(node, given["a"], given["b"])
    x = given["x"]
    match node.op:
        case Conv2d() as op:
            added = [moments for role, moments in given.items() if role != "x"]
            return activated(_sloped(node, plus(_conv(node, op, x), *added)), op.act)
        case TransposedConv() as op:
            return activated(_transposed(node, op, x), op.act)
        case Dense(act=act):
            return activated(_sloped(node, _dense(node, x)), act)
        case BatchNorm() as op:
            gamma, beta, mean, variance = (_data(node, role) for role in NORM)
            scale = scale_of(op, gamma, variance)
            return Moments((x.mean - mean) * scale + beta, x.variance * scale**2)
        case LayerNorm() as op:
            gamma, beta = (_data(node, role) for role in ("gamma", "beta"))
            mean = x.mean.mean()
            scale = gamma / np.sqrt(x.variance.mean() + x.mean.var() + op.epsilon)
            return Moments((x.mean - mean) * scale + beta, x.variance * scale**2)
        case Activate(act=act):
            return activated(x, act)
    return _of_several(node, x)


def _of_several(node: Node, x: Moments) -> Moments:
    """Return the moments of what is chosen among elements, or their mean."""
    match node.op:
        case InstanceNorm():
            return Moments(_data(node, "beta"), _data(node, "gamma") ** 2)
        case MaxPool(kernel=kernel):
            return maximum(x, prod(kernel))
        case AvgPool(kernel=kernel):
            return average(x, prod(kernel))
        case GlobalAvgPool():
            return average(x, prod(node.view("x").type.shape[1:3]))
        case Resize() as op:
            return Moments(x.mean, x.variance * _kept(op, node.view("x").type))
        case Reduce() | ArgMax() as op:
            return _reduced(node, op, x)
        case Unary() as function:
            return sampled(x, lambda values: unary(function, values)[0])
        case LogSoftmax():
            top = x.mean.mean() + x.variance.mean() / 2 + np.log(x.mean.size)
            return Moments(x.mean - top, x.variance)
        case L2Normalize():
            norm = np.sqrt(max((x.mean**2 + x.variance).sum(), 1e-12))
            return Moments(x.mean / norm, x.variance / norm**2)
        case Lrn() as op:
            size = np.sqrt(np.maximum(x.mean**2 + x.variance, 1e-12))
            scale = KERNELS[Lrn](op, size)[0] / size
            return Moments(x.mean * scale, x.variance * scale**2)
        case Softmax():
            share = np.full_like(x.mean, 1 / x.mean.size)
            return Moments(share, share**2)
    raise NotImplementedError(f"no moments for {node.op.mnemonic}")


def _product(node: Node, a: Moments, b: Moments) -> Moments:
    """Multiply elements of which those of all of a's channels are alike."""
    terms = node.view("a").type.channels
    whole = Moments(a.mean[None, :, None], a.variance[None, :, None]).channels
    left = (np.broadcast_to(part, b.mean.shape) for part in (whole.mean, whole.variance))
    each = FORMULAS[Mul](Moments(*left), b)
    return Moments(each.mean * terms, each.variance * terms)


def _operand(node: Node, role: str, given: Mapping[str, Moments], channels: int) -> Moments:
    """Return the moments of a value or constant for each channel of the result."""
    found = given.get(role)
    if found is None:
        data = _data(node, role)
        found = Moments(data, np.zeros_like(data)).channels
    return Moments(*(np.broadcast_to(part, channels) for part in (found.mean, found.variance)))


def _reduced(node: Node, op: Reduce | ArgMax, x: Moments) -> Moments:
    """Reduce elements of which those of all channels are alike where channels are reduced; every
    index is as likely as any other."""
    type, channels = node.view("x").type, node.result.type.channels
    if isinstance(op, ArgMax):
        extent, each = type.shape[op.axis], np.ones(channels)
        return Moments(each * (extent - 1) / 2, each * (extent**2 - 1) / 12)
    taps = op.terms(type)
    if type.rank - 1 in op.axes:
        whole = Moments(x.mean[None, :, None], x.variance[None, :, None]).channels
        x = Moments(*(np.broadcast_to(part, channels) for part in (whole.mean, whole.variance)))
    if isinstance(op, ReduceMax):
        return maximum(x, taps) if taps > 1 else x
    mean = average(x, taps)
    if isinstance(op, ReduceSum):
        return Moments(mean.mean * taps, mean.variance * taps**2)
    return mean


def _conv(node: Node, op: Conv2d, x: Moments) -> Moments:
    weight = _data(node, "weight")
    kh, kw, per_group, outputs = weight.shape
    taps = weight.reshape(kh * kw, per_group, op.groups, outputs // op.groups)
    mean = np.einsum("kigo,gi->kgo", taps, x.mean.reshape(op.groups, per_group))
    variance = np.einsum("kigo,gi->kgo", taps**2, x.variance.reshape(op.groups, per_group))
    inside = _coverage(op, node.view("x").type, (kh, kw))[:, None, None]
    spread = (inside * variance + inside * (1 - inside) * mean**2).sum(axis=0)
    return Moments((inside * mean).sum(axis=0).ravel() + _bias(node), spread.ravel())


def _transposed(node: Node, op: TransposedConv, x: Moments) -> Moments:
    """Take all pixels of all phases as one distribution, and none as near a border."""
    weight, out = _data(node, "weight"), node.result.type.shape
    kh, kw, depth, outputs = weight.shape
    sides = zip((kh, kw), op.stride, (op.pad[0], op.pad[2]), out[1:3], strict=True)
    rows, columns = (phases(*each) for each in sides)
    found = []
    for row, column in product(rows, columns):
        taps = weight[list(row.taps)][:, list(column.taps)]
        taps = taps.reshape(-1, depth, op.groups, outputs // op.groups)
        parts = ((taps, x.mean), (taps**2, x.variance))
        sums = (np.einsum("kigo,gi->go", w, m.reshape(op.groups, depth)) for w, m in parts)
        found.append([each.ravel() for each in sums])
    mean, variance = np.array(found).swapaxes(0, 1)
    return Moments(mean.mean(axis=0) + _bias(node), variance.mean(axis=0) + mean.var(axis=0))


def _coverage(op: Conv2d, x: TensorType, kernel: tuple[int, int]) -> Array:
    """Compute for each tap the share of output positions at which it lies within the input."""
    sides = (op.pad[:2], op.pad[2:])
    rows, columns = (
        _axis_coverage(x.shape[1 + axis], kernel[axis], op.stride[axis], side, op.dilation[axis])
        for axis, side in enumerate(sides)
    )
    return np.outer(rows, columns).ravel()


def _axis_coverage(size: int, kernel: int, stride: int, pad: Sequence[int], dilation: int) -> Array:
    outputs = np.arange(window_extent(size, kernel, stride, sum(pad), dilation))
    reads = outputs * stride - pad[0] + np.arange(kernel)[:, None] * dilation
    return np.asarray(((reads >= 0) & (reads < size)).mean(axis=1))


def _kept(op: Resize, x: TensorType) -> float:
    """Return the share of the variance that is left between pixels, which are neither independent
    nor equal, as those under the window of an average pool."""
    if op.mode == "nearest":
        return 1.0
    axes = (taps_of(op, *sides) for sides in zip(x.shape[1:3], op.size, strict=True))
    squares = (np.where(a.low == a.high, 1, a.weight**2 + (1 - a.weight) ** 2) for a in axes)
    return float(np.sqrt(prod(each.mean() for each in squares)))


def _dense(node: Node, x: Moments) -> Moments:
    weight = _data(node, "weight")
    mean = np.einsum("io,i->o", weight, x.mean) + _bias(node)
    return Moments(mean, np.einsum("io,i->o", weight**2, x.variance))


def _sloped(node: Node, x: Moments) -> Moments:
    if node["slope"] is None:
        return x
    slope = _data(node, "slope")
    return FORMULAS[Prelu](x, Moments(slope, np.zeros_like(slope)))


def _bias(node: Node) -> Array | float:
    return 0.0 if node["bias"] is None else _data(node, "bias")


def _data(node: Node, role: str) -> Array:
    constant = node.constant(role)
    if constant is None:
        raise TypeError(f"operand '{role}' of {node.op.mnemonic} is not a constant")
    return constant.array.astype(np.float64)
