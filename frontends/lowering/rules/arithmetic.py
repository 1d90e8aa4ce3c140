"""Arithmetic on two operands or more, which ONNX broadcasts along axes of its own order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from math import inf
from typing import TypeAlias

import numpy as np

from mbc.frontends.lowering.builder import Builder, stored_order
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.activations import activated
from mbc.frontends.lowering.rules.attributes import broadcast, shortest
from mbc.frontends.lowering.tracked import CHANNEL, Tracked
from mbc.ir.activations import Clip, LeakyRelu
from mbc.ir.graph import Constant
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import Add, Arithmetic, Div, Max, Min, Mul, Prelu, Sub

Given: TypeAlias = Tracked | str
"""An operand: a computed value, or the name of a constant."""


def add(b: Builder, node: Node) -> Tracked:
    """Sum, with broadcasting; one operand has the shape of the result."""
    return _all(b, Add(), _operands(b, node))


def added(b: Builder, x: Tracked, name: str, array: np.ndarray) -> Tracked:
    """Add a constant that is broadcast to a value."""
    x = b.settled(x)
    wide = np.broadcast_to(array, x.shape)
    return x.with_stored(b.emit(Add(), [x.stored, b.constant(name, _as_stored(x, wide))]))


def added_tensor(b: Builder, x: Tracked, y: Tracked) -> Tracked:
    """Add two computed values."""
    return _of_tensors(b, Add(), x, y)


def mean(b: Builder, node: Node) -> Tracked:
    """Mean of its operands, with broadcasting."""
    total = _all(b, Add(), _operands(b, node))
    return total if len(node.inputs) == 1 else b.scaled(total, 1 / len(node.inputs))


def subtract(b: Builder, node: Node) -> Tracked:
    """Difference, with broadcasting."""
    return _all(b, Sub(), _operands(b, node))


def multiply(b: Builder, node: Node) -> Tracked:
    """Product, with broadcasting."""
    return _all(b, Mul(), _operands(b, node))


def divide(b: Builder, node: Node) -> Tracked:
    """Quotient, with broadcasting."""
    return _all(b, Div(), _operands(b, node))


def minimum(b: Builder, node: Node) -> Tracked:
    """Minimum, with broadcasting; with numbers a clip."""
    return _bounded(b, node, Min(), lambda bound: Clip(-inf, bound))


def maximum(b: Builder, node: Node) -> Tracked:
    """Maximum, with broadcasting; with numbers a clip."""
    return _bounded(b, node, Max(), lambda bound: Clip(bound, inf))


def prelu(b: Builder, node: Node) -> Tracked:
    """x above 0, else slope * x; with one slope a leaky_relu."""
    slopes = b.constant_input(1)
    if slopes is not None and slopes.size == 1:
        return activated(b, b.input(0), LeakyRelu(shortest(slopes.ravel()[0])))
    return _all(b, Prelu(), _operands(b, node))


def _operands(b: Builder, node: Node) -> list[Given]:
    return [
        b.input(index) if b.constant_input(index) is None else name
        for index, name in enumerate(node.inputs)
    ]


def _all(b: Builder, op: Arithmetic, given: Sequence[Given]) -> Tracked:
    if len(given) > 2:  # of sums, minima and maxima, whose order does not matter
        given = sorted(given, key=lambda operand: isinstance(operand, str))
    result = reduce(lambda x, y: _combined(b, op, x, y), given)
    if isinstance(result, str):
        raise Unsupported("it computes with constants alone")
    return result


def _bounded(b: Builder, node: Node, op: Arithmetic, clip: Callable[[float], Clip]) -> Tracked:
    """Combine tensors, and clip by numbers among the operands, where they are no NaN."""
    operands, numbers = list[Given](), list[float]()
    for operand in _operands(b, node):
        array = b.model.constants[operand] if isinstance(operand, str) else None
        if array is not None and array.size == 1 and not np.isnan(array).any():
            numbers.append(shortest(array.ravel()[0]))
        else:
            operands.append(operand)
    if not operands:
        raise Unsupported("it computes with constants alone")
    return reduce(lambda x, number: activated(b, x, clip(number)), numbers, _all(b, op, operands))


def _combined(b: Builder, op: Arithmetic, x: Given, y: Given) -> Tracked:
    match x, y:
        case Tracked(), Tracked():
            return _of_tensors(b, op, x, y)
        case Tracked(), str():
            value, constant, order = _beside(b, x, y)
            result = b.emit(op, [value.stored, constant])
        case str(), Tracked():
            value, constant, order = _beside(b, y, x)
            result = b.emit(op, [constant, value.stored])
        case _:
            raise Unsupported("it computes with constants alone")
    return value.with_stored(result) if order is None else Tracked.of(result, order)


def _of_tensors(b: Builder, op: Arithmetic, x: Tracked, y: Tracked) -> Tracked:
    shape = broadcast(x.shape, y.shape)
    x, y = (b.settled(_ranked(each, len(shape))) for each in (x, y))
    if shape not in (x.shape, y.shape):
        raise Unsupported(f"neither operand has the shape of the result, {list(shape)}")
    whole, other = (x, y) if x.shape == shape else (y, x)
    if not _fits(whole, other):
        x, y = b.in_order(x), b.in_order(y)
        whole = x if x.shape == shape else y
    return whole.with_stored(b.emit(op, [x.stored, y.stored]))


def _ranked(x: Tracked, rank: int) -> Tracked:
    """Add axes of extent 1 at the front, as broadcasting does."""
    return replace(x, axes=((),) * (rank - x.rank) + x.axes)


def _fits(whole: Tracked, other: Tracked) -> bool:
    """Whether what is stored of one is broadcast to the other as their ONNX axes are."""
    shape = aligned(other.type.shape, whole.type.rank)
    if shape is None or any(e not in (1, w) for e, w in zip(shape, whole.type.shape, strict=True)):
        return False
    same = all(own in ((), axis) for own, axis in zip(other.axes, whole.axes, strict=True))
    return same and (other.type.channels == 1 or other.channels.shape == whole.channels.shape)


def _beside(b: Builder, x: Tracked, name: str) -> tuple[Tracked, Constant, tuple[int, ...] | None]:
    """Return a value, a constant as it is stored beside it, and the order of the result's axes if
    that is not the value's: where the constant alone has the shape of the result."""
    array = b.model.constants[name]
    if array.size == 1 and array.ndim <= x.rank and np.isfinite(array).all():
        return b.settled(x), b.number(float(array.ravel()[0])), None
    shape = broadcast(x.shape, array.shape)
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    x = b.settled(_ranked(x, len(shape)))
    if x.shape == shape:
        return x, b.constant(name, _as_stored(x, array)), None
    order, x = stored_order(len(shape)), b.in_order(x)
    return x, b.constant(name, array.transpose(order)), order


def _as_stored(x: Tracked, array: np.ndarray) -> np.ndarray:
    """Return a constant that is broadcast to a settled value in the order of what is stored."""
    extents, sizes = iter(extent for _, extent in x.factors), list[int]()
    for own, factors in zip(array.shape, x.axes, strict=True):
        sizes += [next(extents) if own > 1 else (next(extents), 1)[1] for _ in factors]
    places = {factor: place for place, (factor, _) in enumerate(x.factors) if factor != CHANNEL}
    digits = [place for place, (factor, _) in enumerate(x.factors) if factor == CHANNEL]
    cut = array.reshape(sizes).transpose([*(places[f] for f in sorted(places)), *digits])
    spread = any(sizes[place] > 1 for place in digits)
    if spread:
        cut = np.broadcast_to(cut, (*cut.shape[: len(places)], *x.channels.shape))
    leading = [sizes[places[f]] if f in places else 1 for f in range(x.type.rank - 1)]
    stored = cut.reshape(*leading, x.type.channels if spread else 1)
    return stored.ravel() if set(leading) <= {1} else stored
