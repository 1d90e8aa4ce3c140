"""Functions of each element, whatever the layout."""

from __future__ import annotations

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import shortest
from mbc.frontends.lowering.tracked import Tracked
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt, Unary


def _applied(b: Builder, op: Unary) -> Tracked:
    x = b.settled(b.input(0))
    return x.with_stored(b.emit(op, [x.stored]))


def absolute(b: Builder, node: Node) -> Tracked:
    """Magnitudes."""
    return _applied(b, Abs())


def negated(b: Builder, node: Node) -> Tracked:
    """-x."""
    return _applied(b, Neg())


def exponential(b: Builder, node: Node) -> Tracked:
    """exp(x)."""
    return _applied(b, Exp())


def logarithm(b: Builder, node: Node) -> Tracked:
    """Natural logarithms."""
    return _applied(b, Log())


def root(b: Builder, node: Node) -> Tracked:
    """Square roots."""
    return _applied(b, Sqrt())


def reciprocal(b: Builder, node: Node) -> Tracked:
    """1 / x."""
    return _applied(b, Reciprocal())


def power(b: Builder, node: Node) -> Tracked:
    """x to the power of one constant number, from -64 to 64."""
    exponent = b.required_input(1, "exponent")
    if exponent.size != 1 or exponent.ndim > b.input(0).rank:
        raise Unsupported("its exponent is no single number")
    return _applied(b, Pow(shortest(exponent.ravel()[0])))
