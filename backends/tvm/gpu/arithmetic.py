"""Arithmetic on two operands: each read at its own place for a vector of the result.

An operand that is broadcast along pixels or images is read at the one that it has; one that is
broadcast along channels is one number for all lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TypeAlias

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.epilogue import activated, maximum, minimum
from mbc.backends.tvm.gpu.maps import Compute
from mbc.backends.tvm.gpu.reader import LANES, Reader, reader_of
from mbc.backends.tvm.gpu.tir import Code, Expr, language, spread
from mbc.ir.graph import Constant, Operand
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import Add, Arithmetic, Div, Max, Min, Mul, Prelu, Sub
from mbc.records import dataclass

Shape: TypeAlias = tuple[int, ...]


def _sloped(code: Code, x: Expr, slope: Expr, lanes: int) -> Expr:
    given = code.bind(x)
    return language().Select(given > spread(0.0, lanes), given, given * slope)


FORMULAS: Mapping[type[Arithmetic], Callable[[Code, Expr, Expr, int], Expr]] = {
    Add: lambda code, a, b, lanes: a + b,
    Sub: lambda code, a, b, lanes: a - b,
    Mul: lambda code, a, b, lanes: a * b,
    Div: lambda code, a, b, lanes: a / b,
    Min: lambda code, a, b, lanes: minimum(code, a, b),
    Max: lambda code, a, b, lanes: maximum(code, a, b),
    Prelu: _sloped,
}


def arithmetic(
    draft: Draft, op: Arithmetic, operands: Sequence[Operand | None], result: TensorType
) -> tuple[int, Compute]:
    """Return the channels of a vector, and what computes it."""
    found = [operand for operand in operands if operand is not None]
    lanes = min(_widest(operand, result) for operand in found)
    a, b = (_source(draft, operand, result, lanes) for operand in found)

    def compute(code: Code, pixel: Expr, channel: Expr) -> Expr:
        first, second = (source.load(code, pixel, channel, lanes) for source in (a, b))
        return activated(code, FORMULAS[type(op)](code, first, second, lanes), op.act, lanes)

    return lanes, compute


def _widest(operand: Operand, result: TensorType) -> int:
    """Return the most channels of the result for which the operand is loaded at once."""
    channels = result.channels
    if isinstance(operand, ChannelView) and operand.type.channels == channels:
        return reader_of(Draft(""), operand).lanes
    return next(lanes for lanes in LANES if channels % lanes == 0)


def _source(draft: Draft, operand: Operand, result: TensorType, lanes: int) -> Source:
    shape = aligned(operand.type.shape, result.rank)
    assert shape is not None
    unit = lanes if shape[-1] == result.channels else 1
    if isinstance(operand, Constant):
        return Source(shape, result.shape, unit, draft.weights(operand.array))
    return Source(shape, result.shape, unit, reader_of(draft, operand, unit))


@dataclass(frozen=True)
class Source:
    """Where an operand is read."""

    shape: Shape
    """Its shape, with as many axes as the result."""
    result: Shape
    """The shape of the result."""
    lanes: int
    """Channels of a load."""
    memory: Reader | int
    """What loads a value; the parameter number of a constant."""

    def load(self, code: Code, pixel: Expr, channel: Expr, lanes: int) -> Expr:
        """Load a vector of the operand for channels `channel`, … of a pixel of the result."""
        own = self._pixel(pixel)
        first = channel if self.shape[-1] == self.result[-1] else 0
        if isinstance(self.memory, Reader):
            found = self.memory.load(code, own, first)
        else:
            place = own * self.shape[-1] + first
            found = code.parameters[self.memory].load(place, self.lanes)
        return found if self.lanes == lanes else spread(code.bind(found), lanes)

    def _pixel(self, pixel: Expr) -> Expr:
        """Return the number of the operand's pixel for one of the result."""
        if self.shape[:-1] == self.result[:-1]:
            return pixel
        place: Expr = 0
        for axis, extent in enumerate(self.shape[:-1]):
            if extent > 1:
                number = pixel // prod(self.result[axis + 1 : -1]) % self.result[axis]
                place = place * extent + number
        return place
