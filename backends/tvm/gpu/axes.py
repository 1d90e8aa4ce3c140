"""Reductions over any axes: a thread computes one vector of the result, in row-major order.

Of argmax it is one index, found by comparing integers that are ordered as floats are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod

from mbc.backends.tvm.gpu.epilogue import maximum
from mbc.backends.tvm.gpu.maps import Compute
from mbc.backends.tvm.gpu.reader import Reader
from mbc.backends.tvm.gpu.reductions import neutral
from mbc.backends.tvm.gpu.tir import Code, Expr, language, spread
from mbc.ops.argmax import ArgMax
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean


def reduced(reader: Reader, shape: Sequence[int], op: Reduce) -> Compute:
    """Reduce a tensor of a shape, channels last, over the axes of an op. The reader loads one
    element at a time where the channels are reduced, and no channel of the result is one of x."""
    kept = [axis for axis in range(len(shape)) if axis not in op.axes]
    lanes, largest = reader.lanes, isinstance(op, ReduceMax)
    terms = prod(shape[axis] for axis in op.axes)

    def compute(code: Code, pixel: Expr, channel: Expr) -> Expr:
        width = 1 if op.keep and len(shape) - 1 in op.axes else shape[kept[-1]]
        index = _places(shape, kept, pixel * width + channel)
        total = code.registers(1, lanes)
        total.store(0, neutral(largest, lanes))
        with _over(code, shape, op.axes) as places:
            where = {**index, **places}
            source: Expr = 0
            for axis in range(len(shape) - 1):
                source = source * shape[axis] + where[axis]
            value = reader.load(code, code.bind(source), where[len(shape) - 1])
            before = total.load(0)
            total.store(0, maximum(code, before, value) if largest else before + value)
        result = total.load(0)
        return result * spread(1.0 / terms, lanes) if isinstance(op, ReduceMean) else result

    return compute


SIZE_BITS, INFINITY_BITS, LEAST_BITS = 0x7FFFFFFF, 0x7F800000, 0x00800000


def first_largest(reader: Reader, shape: Sequence[int], op: ArgMax) -> Compute:
    """Find the index of the largest element along an axis of a tensor of a shape, channels last.
    The reader loads one element at a time."""
    kept = [axis for axis in range(len(shape)) if axis != op.axis]

    def compute(code: Code, pixel: Expr, channel: Expr) -> Expr:
        last = op.axis == len(shape) - 1
        width = 1 if op.keep and last else shape[kept[-1]]
        index = _places(shape, kept, pixel * width + channel)
        most, found = (code.registers(1, dtype="int32") for _ in range(2))
        most.store(0, language().int32(-SIZE_BITS - 1))
        found.store(0, language().int32(0))
        with code.loop(shape[op.axis]) as place:
            where = {**index, op.axis: place}
            source: Expr = 0
            for axis in range(len(shape) - 1):
                source = source * shape[axis] + where[axis]
            value = reader.load(code, code.bind(source), where[len(shape) - 1])
            key = _ordered(code, value)
            with code.when(key > most.load(0)):
                most.store(0, key)
                found.store(0, place)
        return found.load(0)

    return compute


def _ordered(code: Code, value: Expr) -> Expr:
    """Return an integer for a float, in their order: zeros are equal, and so are NaN, above all."""
    T = language()
    bits = code.bind(T.reinterpret("int32", code.bind(value)))
    size = code.bind(bits & SIZE_BITS)
    counted = T.Select(size < LEAST_BITS, T.int32(0), size)
    signed = code.bind(T.Select(bits < 0, 0 - counted, counted))
    return code.bind(T.Select(size > INFINITY_BITS, T.int32(SIZE_BITS), signed))


def _places(shape: Sequence[int], axes: Sequence[int], flat: Expr) -> dict[int, Expr]:
    """Return the index along each axis of a flat index along all."""
    places: dict[int, Expr] = {}
    for axis in reversed(axes):
        places[axis] = flat % shape[axis]
        flat = flat // shape[axis]
    return places


@contextmanager
def _over(code: Code, shape: Sequence[int], axes: Sequence[int]) -> Iterator[dict[int, Expr]]:
    """Yield the indices along some axes, in loops over them."""
    with ExitStack() as loops:
        yield {axis: loops.enter_context(code.loop(shape[axis])) for axis in axes}
