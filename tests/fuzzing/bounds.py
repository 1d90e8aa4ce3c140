"""What a network computes in exact arithmetic, and how far from that float32 may be.

A sum of K terms is off by at most `rounding(K)` times the sum of their magnitudes: errors of single
additions are at most EPSILON/2 of a partial sum, and as good as independent, so they add up like a
random walk; the factor is seven standard deviations. Errors of operands are carried along.
A sum rounds nothing, and must be right bit for bit, if all of its terms are multiples of one power
of two, its `unit`, and add up to less than 2**20 units, which leaves room for sums of operands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np

from mbc.interp.kernels import KERNELS, tap_counts
from mbc.interp.run import gather
from mbc.ir.activations import (
    Clip,
    Elu,
    HardSigmoid,
    LeakyRelu,
    Selu,
    Sigmoid,
)
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Op
from mbc.ir.views import ChannelView, Value
from mbc.ops.argmax import ArgMax
from mbc.ops.elementwise import (
    Activate,
    Add,
    Arithmetic,
    BatchNorm,
    Div,
    Max,
    Min,
    Mul,
    Prelu,
    Softmax,
    Sub,
)
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.matmul import MatMul
from mbc.ops.norm import LayerNorm
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean
from mbc.ops.resize import Resize
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn
from mbc.ops.transposed import TransposedConv
from mbc.ops.unary import Unary
from tests.fuzzing.bounds_rows import further
from tests.fuzzing.indices import found_index
from tests.fuzzing.known import (
    EXPONENTIAL,
    UNDERFLOW,
    Array,
    Known,
    call,
    rounding,
    summed,
)


def expected(
    graph: Graph, inputs: Mapping[str, Array], *, mixing: bool = False
) -> dict[str, Known]:
    """The outputs of a network as written, by name. `mixing`: pointwise convolutions may be
    multiplied by Strassen's method, whose errors are relative to all pixels of an image."""
    known: dict[Value, Known] = {v: Known.given(inputs[v.name]) for v in graph.inputs}
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for node in graph.topo():
            operands = [_read(operand, known) for operand in node.operands]
            known.update(zip(node.results, _apply(node, operands, mixing), strict=True))
    outputs = (_gathered(view, known) for view in graph.outputs)
    return dict(zip(graph.output_names, outputs, strict=True))


def _read(operand: object, known: Mapping[Value, Known]) -> Known | None:
    match operand:
        case ChannelView():
            return _gathered(operand, known)
        case Constant():
            return Known.given(operand.array)
        case _:
            return None


def _gathered(view: ChannelView, known: Mapping[Value, Known]) -> Known:
    parts = [known[value] for value in view.values]
    exact, error, terms = (
        gather(view, {value: getattr(known[value], field) for value in view.values})
        for field in ("exact", "error", "terms")
    )
    return Known(exact, error, terms, max(p.count for p in parts), min(p.unit for p in parts))


def _apply(node: Node, operands: Sequence[Known | None], mixing: bool) -> tuple[Known, ...]:
    op, given = node.op, [operand for operand in operands if operand is not None]
    match op:
        case Conv2d() | TransposedConv() | Dense():
            return (_linear(op, operands, mixing),)
        case BatchNorm():
            return (_batch_norm(op, given),)
        case Arithmetic():
            return (_arithmetic(op, *given),)
        case AvgPool() | GlobalAvgPool():
            return (_mean(op, given[0]),)
        case Reduce() | ArgMax():
            return (_reduced(op, given[0]),)
        case Softmax():
            return (_softmax(op, given[0]),)
        case LayerNorm():
            return (_layer_norm(op, *given),)
        case Resize(mode="bilinear"):
            return (_between(op, given[0]),)
        case Unary() | LogSoftmax() | L2Normalize() | InstanceNorm() | Lrn() | MatMul():
            return (further(op, given),)
        case Activate():
            return (_activated(op, given[0]),)
        case MaxPool():
            return (_selected(op, given[0]),)
        case _:
            return _moved(op, given)


def _activated(op: Activate, x: Known) -> Known:
    match op.act:
        case LeakyRelu(alpha=alpha):
            return _scaled(op, x, alpha)
        case Sigmoid():
            return _sigmoid(op, x)
        case HardSigmoid(alpha=alpha) | Elu(alpha=alpha):
            return _smooth(op, x, max(abs(alpha), 1.0))
        case Selu(alpha=alpha, gamma=gamma):
            return _smooth(op, x, abs(gamma) * max(abs(alpha), 1.0))
        case Clip():
            return _selected(op, x)
        case _:
            return _smooth(op, x, 1.5)


def _without_act(op: Conv2d | TransposedConv | Dense | AvgPool) -> Op:
    return replace(op, act=None)


def _linear(
    op: Conv2d | TransposedConv | Dense, operands: Sequence[Known | None], mixing: bool
) -> Known:
    x, weight, *more = operands
    assert x is not None
    assert weight is not None
    plain, others = _without_act(op), [o for o in more if o is not None]
    size = np.abs(weight.exact)
    terms = call(plain, x.most, size, *(None if o is None else o.most for o in more))
    carried = call(plain, x.error, size, *(None if o is None else o.error for o in more))
    if mixing and isinstance(op, Conv2d) and size.shape[:2] == (1, 1):
        terms = terms + 2 * _of_image(x.most) * size.max()
    exact = call(op, *(None if o is None else o.exact for o in operands))
    unit = min([x.unit * weight.unit, *(o.unit for o in others)])
    count = prod(size.shape[:-1]) + max((o.count for o in others), default=1)
    return summed(op, exact, carried, terms, count, unit)


def _of_image(x: Array) -> Array:
    """The largest pixel of each image: the sum of its channels."""
    largest: Array = x.sum(axis=-1, keepdims=True).max(axis=(1, 2), keepdims=True)
    return largest


def _batch_norm(op: BatchNorm, operands: Sequence[Known]) -> Known:
    x, gamma, beta, mean, variance = operands
    scale = np.abs(gamma.exact / np.sqrt(variance.exact + op.epsilon))
    terms = x.terms * scale + np.abs(mean.exact) * scale + np.abs(beta.exact)
    exact = call(op, *(operand.exact for operand in operands))
    flips = bool(np.all(scale == 1))
    unit = min(x.unit, beta.unit, mean.unit) if flips else 0.0
    return summed(op, exact, x.error * scale, terms, x.count + 4, unit)


def _arithmetic(op: Arithmetic, a: Known, b: Known) -> Known:
    """Sums and products; of a quotient the divisor has no error, so it is a product."""
    exact, plus, times = call(op, a.exact, b.exact), partial(call, Add()), partial(call, Mul())
    match op:
        case Add() | Sub():
            count, unit = max(a.count, b.count) + 1, min(a.unit, b.unit)
            return summed(op, exact, plus(a.error, b.error), plus(a.most, b.most), count, unit)
        case Min() | Max():
            error, terms = call(Max(), a.error, b.error), plus(a.terms, b.terms)
            return Known(exact, error, terms, max(a.count, b.count), min(a.unit, b.unit))
        case Prelu():
            steepest = np.maximum(b.most, 1)
            carried = plus(times(a.error, steepest), times(a.most, b.error))
            return summed(op, exact, carried, times(a.most, steepest), 2, 0.0)
        case Div():
            inverse = 1 / np.abs(b.exact)
            return summed(op, exact, times(a.error, inverse), times(a.most, inverse), 2, 0.0)
        case _:
            carried = plus(times(a.error, b.most), times(a.most, b.error))
            return summed(op, exact, carried, times(a.most, b.most), 2, a.unit * b.unit)


def _mean(op: AvgPool | GlobalAvgPool, x: Known) -> Known:
    plain = _without_act(op) if isinstance(op, AvgPool) else op
    taps = op.kernel if isinstance(op, AvgPool) else x.exact.shape[1:3]
    counts = np.array([float(prod(taps))])
    if isinstance(op, AvgPool):
        counts = tap_counts(op, x.exact)
    halves = bool(np.all(np.exp2(np.rint(np.log2(counts))) == counts))
    unit = x.unit / float(counts.max()) if halves else 0.0
    carried, terms = call(plain, x.error), call(plain, x.most)
    return summed(op, call(op, x.exact), carried, terms, prod(taps), unit)


def _layer_norm(op: LayerNorm, x: Known, gamma: Known, beta: Known) -> Known:
    """Differences from the mean are off by the largest error of the pixel and that of its sum; the
    deviation by as much, and all of its share of what is divided by it."""
    exact, channels = call(op, x.exact, gamma.exact, beta.exact), x.exact.shape[-1]
    largest = x.most.max(axis=-1, keepdims=True)
    apart = 2 * x.error.max(axis=-1, keepdims=True) + 2 * rounding(channels) * largest
    least = np.sqrt(x.exact.var(axis=-1, keepdims=True) + op.epsilon)
    least = np.maximum(least - apart, np.sqrt(op.epsilon))
    scaled = np.abs(exact - beta.exact)
    error = np.abs(gamma.exact) * apart / least + scaled * (apart / least + rounding(channels))
    terms = scaled + np.abs(beta.exact)
    return Known(exact, error + rounding(4) * terms, terms)


def _between(op: Resize, x: Known) -> Known:
    """Sums of four terms, whose weights are rounded."""
    carried, terms = call(op, x.error), call(op, x.most)
    return summed(op, call(op, x.exact), carried, terms, 12, 0.0)


def _reduced(op: Reduce | ArgMax, x: Known) -> Known:
    """A sum of so many terms, their mean, or one of them; or the index of that."""
    if isinstance(op, ArgMax):
        return Known(*found_index(op, x.exact, x.error), 1, 1.0)
    exact, error, terms = (call(op, part) for part in (x.exact, x.error, x.most))
    if isinstance(op, ReduceMax):
        return Known(exact, error, np.abs(exact), 1, x.unit)
    count = prod(x.exact.shape[axis] for axis in op.axes)
    halves = not isinstance(op, ReduceMean) or count & (count - 1) == 0
    unit = x.unit / (count if isinstance(op, ReduceMean) else 1) if halves else 0.0
    return summed(op, exact, error, terms, count, unit)


def _softmax(op: Softmax, x: Known) -> Known:
    """Relative errors: of exponents, of exp and of the sum."""
    exact = call(op, x.exact)
    below = x.exact.max(axis=-1, keepdims=True) - x.exact
    off = 2 * x.error.max(axis=-1, keepdims=True)
    relative = np.expm1(np.minimum(off, 50.0)) + EXPONENTIAL * (1 + below)
    relative = relative + rounding(x.exact.shape[-1])
    return Known(exact, np.minimum(exact * relative, 1.0) + UNDERFLOW, exact)


def _sigmoid(op: Activate, x: Known) -> Known:
    """Its slope is a quarter at most; exp is off by so much, relative."""
    exact = call(op, x.exact)
    relative = EXPONENTIAL * (1 + np.abs(x.exact)) + rounding(3)
    return Known(exact, x.error / 4 + relative * exact + UNDERFLOW, exact)


def _smooth(op: Activate, x: Known, slope: float) -> Known:
    """Of so large a slope at most, and off by so much, absolute or relative, times that."""
    exact = call(op, x.exact)
    rounded = slope * (EXPONENTIAL + rounding(4)) * (1 + np.abs(exact))
    return Known(exact, x.error * slope + rounded, np.abs(exact))


def _scaled(op: Activate, x: Known, alpha: float) -> Known:
    """A product by one factor, rounded once."""
    exact = call(op, x.exact)
    return Known(exact, x.error * max(1.0, abs(alpha)) + rounding(2) * np.abs(exact), np.abs(exact))


def _selected(op: Activate | MaxPool, x: Known) -> Known:
    """What picks elements is off by no more than the worst of them."""
    error = call(op, x.error) if isinstance(op, MaxPool) else x.error
    exact = call(op, x.exact)
    return Known(exact, error, np.abs(exact), 1, x.unit)


def _moved(op: Op, operands: Sequence[Known]) -> tuple[Known, ...]:
    parts = [
        KERNELS[type(op)](op, *(getattr(operand, field) for operand in operands))
        for field in ("exact", "error", "terms")
    ]
    count, unit = max(o.count for o in operands), min(o.unit for o in operands)
    made = zip(*parts, strict=True)
    return tuple(Known(exact, error, terms, count, unit) for exact, error, terms in made)
