"""What a network computes in exact arithmetic, and how far from that float32 may be.

A sum of K terms is off by at most `rounding(K)` times the sum of their magnitudes: errors of single
additions are at most EPSILON/2 of a partial sum, and as good as independent, so they add up like a
random walk; the factor is seven standard deviations. Errors of operands are carried along.
A sum rounds nothing, and must be right bit for bit, if all of its terms are multiples of one power
of two, its `unit`, and add up to less than 2**20 units, which leaves room for sums of operands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod, sqrt

import numpy as np

from mbc.interp.kernels import KERNELS, tap_counts
from mbc.interp.run import gather
from mbc.ir.activations import (
    Clip,
    Elu,
    HardSigmoid,
    LeakyRelu,
    Sigmoid,
)
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Op
from mbc.ir.views import ChannelView, Value
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
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax
from mbc.ops.transposed import TransposedConv
from mbc.ops.unary import Abs, Exp, Neg, Unary

Array = np.ndarray
EPSILON = 2.0**-23
UNITS_THAT_FIT = 2.0**20
EXPONENTIAL = 32 * EPSILON  # of exp, relative, for an argument of 1
UNDERFLOW = 1e-36  # below which exp may vanish


@dataclass(frozen=True)
class Known:
    """A tensor: its exact elements, bounds on their errors, and the magnitudes of the terms that
    made them, of which there were `count`; `unit` is 0 if there is none."""

    exact: Array
    error: Array
    terms: Array
    count: int = 1
    unit: float = 0.0

    @staticmethod
    def given(array: Array) -> Known:
        """An input or a constant."""
        exact = array.astype(np.float64)
        return Known(exact, np.zeros_like(exact), np.abs(exact), 1, unit_of(exact))

    @property
    def most(self) -> Array:
        """The largest magnitudes that there may be."""
        largest: Array = np.abs(self.exact) + self.error
        return largest

    def per_element(self, change: Callable[[Array], Array]) -> Known:
        """Moved about."""
        return replace(
            self, exact=change(self.exact), error=change(self.error), terms=change(self.terms)
        )

    def misses(self, actual: Array) -> Array:
        """Where an answer is further off than it may be. What is no number or infinite must be the
        same; of numbers that infinite ones have a part in we know no bound."""
        with np.errstate(invalid="ignore"):
            near = np.abs(actual.astype(np.float64) - self.exact) <= self.error
        unbounded = ~np.isfinite(self.error) & np.isfinite(actual) & np.isfinite(self.exact)
        same = (actual == self.exact) | (np.isnan(actual) & np.isnan(self.exact))
        wrong: Array = ~np.where(np.isfinite(self.exact), near | unbounded, same)
        return wrong


def rounding(count: int) -> float:
    """The error of a sum, relative to the sum of magnitudes."""
    return EPSILON * (4 + 2 * sqrt(count))


def unit_of(array: Array) -> float:
    """The largest power of two from 1 to 2**-8 of which all elements are multiples; 0 if none."""
    units = (2.0**-k for k in range(9))
    return next((unit for unit in units if np.all(np.rint(array / unit) * unit == array)), 0.0)


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
        case Reduce():
            return (_reduced(op, given[0]),)
        case Softmax():
            return (_softmax(op, given[0]),)
        case LayerNorm():
            return (_layer_norm(op, *given),)
        case Resize(mode="bilinear"):
            return (_between(op, given[0]),)
        case Unary() | LogSoftmax() | L2Normalize() | InstanceNorm() | MatMul():
            return (_further(op, given),)
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
        case Clip():
            return _selected(op, x)
        case _:
            return _smooth(op, x, 1.5)


def _call(op: Op, *arrays: Array | None) -> Array:
    result: Array = KERNELS[type(op)](op, *arrays)[0]
    return result


def _sum(op: Op, exact: Array, carried: Array, terms: Array, count: int, unit: float) -> Known:
    """A sum of terms, of which `unit` divides all, and its activation."""
    fits = bool(unit) and float(terms.max(initial=0.0)) <= UNITS_THAT_FIT * unit
    error = carried + (0.0 if fits else rounding(count) * terms)
    return Known(exact, error, terms, count, unit if fits else 0.0)


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
    terms = _call(plain, x.most, size, *(None if o is None else o.most for o in more))
    carried = _call(plain, x.error, size, *(None if o is None else o.error for o in more))
    if mixing and isinstance(op, Conv2d) and size.shape[:2] == (1, 1):
        terms = terms + 2 * _of_image(x.most) * size.max()
    exact = _call(op, *(None if o is None else o.exact for o in operands))
    unit = min([x.unit * weight.unit, *(o.unit for o in others)])
    count = prod(size.shape[:-1]) + max((o.count for o in others), default=1)
    return _sum(op, exact, carried, terms, count, unit)


def _of_image(x: Array) -> Array:
    """The largest pixel of each image: the sum of its channels."""
    largest: Array = x.sum(axis=-1, keepdims=True).max(axis=(1, 2), keepdims=True)
    return largest


def _batch_norm(op: BatchNorm, operands: Sequence[Known]) -> Known:
    x, gamma, beta, mean, variance = operands
    scale = np.abs(gamma.exact / np.sqrt(variance.exact + op.epsilon))
    terms = x.terms * scale + np.abs(mean.exact) * scale + np.abs(beta.exact)
    exact = _call(op, *(operand.exact for operand in operands))
    flips = bool(np.all(scale == 1))
    unit = min(x.unit, beta.unit, mean.unit) if flips else 0.0
    return _sum(op, exact, x.error * scale, terms, x.count + 4, unit)


def _arithmetic(op: Arithmetic, a: Known, b: Known) -> Known:
    """Sums and products; of a quotient the divisor has no error, so it is a product."""
    exact, plus, times = _call(op, a.exact, b.exact), partial(_call, Add()), partial(_call, Mul())
    match op:
        case Add() | Sub():
            count, unit = max(a.count, b.count) + 1, min(a.unit, b.unit)
            return _sum(op, exact, plus(a.error, b.error), plus(a.most, b.most), count, unit)
        case Min() | Max():
            error, terms = _call(Max(), a.error, b.error), plus(a.terms, b.terms)
            return Known(exact, error, terms, max(a.count, b.count), min(a.unit, b.unit))
        case Prelu():
            steepest = np.maximum(b.most, 1)
            carried = plus(times(a.error, steepest), times(a.most, b.error))
            return _sum(op, exact, carried, times(a.most, steepest), 2, 0.0)
        case Div():
            inverse = 1 / np.abs(b.exact)
            return _sum(op, exact, times(a.error, inverse), times(a.most, inverse), 2, 0.0)
        case _:
            carried = plus(times(a.error, b.most), times(a.most, b.error))
            return _sum(op, exact, carried, times(a.most, b.most), 2, a.unit * b.unit)


def _mean(op: AvgPool | GlobalAvgPool, x: Known) -> Known:
    plain = _without_act(op) if isinstance(op, AvgPool) else op
    taps = op.kernel if isinstance(op, AvgPool) else x.exact.shape[1:3]
    counts = np.array([float(prod(taps))])
    if isinstance(op, AvgPool):
        counts = tap_counts(op, x.exact)
    halves = bool(np.all(np.exp2(np.rint(np.log2(counts))) == counts))
    unit = x.unit / float(counts.max()) if halves else 0.0
    carried, terms = _call(plain, x.error), _call(plain, x.most)
    return _sum(op, _call(op, x.exact), carried, terms, prod(taps), unit)


def _layer_norm(op: LayerNorm, x: Known, gamma: Known, beta: Known) -> Known:
    """Differences from the mean are off by the largest error of the pixel and that of its sum; the
    deviation by as much, and all of its share of what is divided by it."""
    exact, channels = _call(op, x.exact, gamma.exact, beta.exact), x.exact.shape[-1]
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
    carried, terms = _call(op, x.error), _call(op, x.most)
    return _sum(op, _call(op, x.exact), carried, terms, 12, 0.0)


def _reduced(op: Reduce, x: Known) -> Known:
    """A sum of so many terms, their mean, or one of them."""
    exact, error, terms = (_call(op, part) for part in (x.exact, x.error, x.most))
    if isinstance(op, ReduceMax):
        return Known(exact, error, np.abs(exact), 1, x.unit)
    count = prod(x.exact.shape[axis] for axis in op.axes)
    halves = not isinstance(op, ReduceMean) or count & (count - 1) == 0
    unit = x.unit / (count if isinstance(op, ReduceMean) else 1) if halves else 0.0
    return _sum(op, exact, error, terms, count, unit)


def _softmax(op: Softmax, x: Known) -> Known:
    """Relative errors: of exponents, of exp and of the sum."""
    exact = _call(op, x.exact)
    below = x.exact.max(axis=-1, keepdims=True) - x.exact
    off = 2 * x.error.max(axis=-1, keepdims=True)
    relative = np.expm1(np.minimum(off, 50.0)) + EXPONENTIAL * (1 + below)
    relative = relative + rounding(x.exact.shape[-1])
    return Known(exact, np.minimum(exact * relative, 1.0) + UNDERFLOW, exact)


def _sigmoid(op: Activate, x: Known) -> Known:
    """Its slope is a quarter at most; exp is off by so much, relative."""
    exact = _call(op, x.exact)
    relative = EXPONENTIAL * (1 + np.abs(x.exact)) + rounding(3)
    return Known(exact, x.error / 4 + relative * exact + UNDERFLOW, exact)


def _unary(op: Unary, x: Known) -> Known:
    """By what the function makes of the least that x may be: all but exp are steepest there, as far
    as numbers that are drawn go."""
    exact = _call(op, x.exact)
    match op:
        case Abs() | Neg():
            return Known(exact, x.error, x.terms, x.count, x.unit)
        case Exp():
            relative = np.expm1(np.minimum(x.error, 50.0)) + EXPONENTIAL * (1 + np.abs(x.exact))
            return Known(exact, relative * exact + UNDERFLOW, exact)
    least = x.exact - x.error
    carried = np.abs(_call(op, np.maximum(least, 0)) - exact)
    rounded = EXPONENTIAL * (1 + np.abs(exact))
    return Known(exact, np.where(least > 0, 2 * carried + rounded, np.inf), np.abs(exact))


def _further(op: Op, given: Sequence[Known]) -> Known:
    match op:
        case Unary():
            return _unary(op, given[0])
        case MatMul():
            a, b = given
            exact, carried = a.exact @ b.exact, a.error @ b.most + a.most @ b.error
            count = a.exact.shape[-1] + max(a.count, b.count)
            return _sum(op, exact, carried, a.most @ b.most, count, a.unit * b.unit)
        case InstanceNorm():
            return _instance_norm(op, *given)
    x = given[0]
    exact, terms = _call(op, x.exact), x.exact.shape[-1]
    if isinstance(op, LogSoftmax):
        below = x.exact.max(axis=-1, keepdims=True) - x.exact
        off = x.error + x.error.max(axis=-1, keepdims=True)
        rounded = EXPONENTIAL * (1 + below) + rounding(terms) + rounding(4) * np.abs(x.exact)
        return Known(exact, off + rounded, np.abs(exact))
    norm, off = (np.sqrt((p * p).sum(axis=-1, keepdims=True)) for p in (x.exact, x.error))
    with np.errstate(divide="ignore"):
        relative = 3 * (x.error + off) / norm + rounding(terms)
    return Known(exact, np.where(norm > 4 * off, relative, np.inf), np.abs(exact))


def _instance_norm(op: InstanceNorm, x: Known, gamma: Known, beta: Known) -> Known:
    exact = _call(op, x.exact, gamma.exact, beta.exact)
    deviation = np.sqrt(x.exact.var(axis=(1, 2), keepdims=True) + op.epsilon)
    off = 2 * x.error.max(axis=(1, 2), keepdims=True)
    off = off + rounding(prod(x.exact.shape[1:3])) * x.most.max(axis=(1, 2), keepdims=True)
    unit = np.abs(x.exact - x.exact.mean(axis=(1, 2), keepdims=True)) / deviation
    error = np.abs(gamma.exact) * off / deviation * (3 + 3 * unit)
    error = error + rounding(4) * (np.abs(exact) + np.abs(beta.exact))
    return Known(exact, np.where(deviation > 4 * off, error, np.inf), np.abs(exact))


def _smooth(op: Activate, x: Known, slope: float) -> Known:
    """Of so large a slope at most, and off by so much, absolute or relative, times that."""
    exact = _call(op, x.exact)
    rounded = slope * (EXPONENTIAL + rounding(4)) * (1 + np.abs(exact))
    return Known(exact, x.error * slope + rounded, np.abs(exact))


def _scaled(op: Activate, x: Known, alpha: float) -> Known:
    """A product by one factor, rounded once."""
    exact = _call(op, x.exact)
    return Known(exact, x.error * max(1.0, abs(alpha)) + rounding(2) * np.abs(exact), np.abs(exact))


def _selected(op: Activate | MaxPool, x: Known) -> Known:
    """What picks elements is off by no more than the worst of them."""
    error = _call(op, x.error) if isinstance(op, MaxPool) else x.error
    exact = _call(op, x.exact)
    return Known(exact, error, np.abs(exact), 1, x.unit)


def _moved(op: Op, operands: Sequence[Known]) -> tuple[Known, ...]:
    parts = [
        KERNELS[type(op)](op, *(getattr(operand, field) for operand in operands))
        for field in ("exact", "error", "terms")
    ]
    count, unit = max(o.count for o in operands), min(o.unit for o in operands)
    made = zip(*parts, strict=True)
    return tuple(Known(exact, error, terms, count, unit) for exact, error, terms in made)
