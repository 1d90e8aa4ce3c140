"""Strided copies: slices, concatenations along any axis, pads, transposes, blocks of pixels.

One kernel runs all copies of a move (`mbc/ops/strided.py`), one after the other in the numbers of
its threads. A thread moves one vector, or one element where the channels do not stay together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import gcd, prod

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.reader import LANES, Reader, reader_of
from mbc.backends.tvm.gpu.schedule import ceildiv, flat_threads
from mbc.backends.tvm.gpu.tir import Code, Expr, both, spread
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ops.strided import Copy, Index, Loop, copies_of
from mbc.records import dataclass
from mbc.targets.gpu import Gpu


@dataclass(frozen=True)
class Part:
    """A copy as the kernel runs it."""

    copy: Copy
    x: TensorType | None
    """The operand; None where there is none."""
    reader: Reader | None
    lanes: int
    """Channels that a thread moves."""

    @property
    def extents(self) -> tuple[int, ...]:
        """Iterations of the loops, the last in vectors."""
        *outer, last = (loop.extent for loop in self.copy.loops)
        return (*outer, last // self.lanes)

    @property
    def threads(self) -> int:
        """The number of threads."""
        return prod(self.extents)


def strided_kernel(node: Node, gpu: Gpu) -> NodeKernel:
    """Make the kernel of a strided copy."""
    draft, result = Draft(node.op.label), node.result
    types = [view.type for view in node.views]
    parts = [_part(draft, node, copy) for copy in copies_of(node.op, types)]
    firsts = list(accumulate((part.threads for part in parts), initial=0))
    out, threads = draft.write(result), flat_threads(firsts[-1], gpu)

    def body(code: Code) -> None:
        number = code.bind(code.block[0] * threads + code.thread[0])
        for part, first in zip(parts, firsts, strict=False):
            above = True if first == 0 else number >= first
            end = first + part.threads
            below = True if end == firsts[-1] and end % threads == 0 else number < end
            with code.when(both(above, below)):
                _move(code, part, number - first, result.type, out)

    return draft.finish((ceildiv(firsts[-1], threads), 1, 1), (threads, 1, 1), body)


def _part(draft: Draft, node: Node, copy: Copy) -> Part:
    unit = _unit(copy, node.result.type)
    if copy.operand is None:
        lanes = next(lanes for lanes in LANES if unit % lanes == 0)
        return Part(copy, None, None, lanes)
    view = node.views[copy.operand]
    reader = reader_of(draft, view, unit)
    return Part(copy, view.type, reader, reader.lanes)


def _unit(copy: Copy, result: TensorType) -> int:
    """Return how many channels stay together and begin at multiples of their number."""
    *outer, inner = copy.loops
    last = result.rank - 1
    if inner.target != (last, 1) or (copy.operand is not None and inner.source != (last, 1)):
        return 1
    steps = [
        count
        for loop in outer
        for axis, count in (loop.source, loop.target)
        if axis == last and loop.extent > 1
    ]
    return gcd(inner.extent, copy.source[-1], copy.target[-1], result.channels, *steps)


def _move(code: Code, part: Part, number: Expr, result: TensorType, out: int) -> None:
    """Move the vector of a number."""
    loops, numbers = part.copy.loops, _numbers(code, number, part)
    to = [_place(part.copy.target, axis, loops, numbers, 1) for axis in range(result.rank)]
    place = _pixel(to, result.shape) * result.channels + to[-1]
    if part.x is None or part.reader is None:
        value = spread(part.copy.fill, part.lanes)
    else:
        at = [_place(part.copy.source, axis, loops, numbers, 0) for axis in range(part.x.rank)]
        pixel = code.bind(_pixel(at, part.x.shape))
        value = part.reader.load(code, pixel, code.bind(at[-1]))
    code.parameters[out].store(place, value, part.lanes)


def _numbers(code: Code, number: Expr, part: Part) -> list[Expr]:
    """Return the iteration of each loop."""
    numbers: list[Expr] = []
    below = 1
    for extent in reversed(part.extents):
        numbers.append(code.bind(number // below % extent) if extent > 1 else 0)
        below *= extent
    numbers[0] = numbers[0] * part.lanes
    return numbers[::-1]


def _place(
    start: Index, axis: int, loops: Sequence[Loop], numbers: Sequence[Expr], side: int
) -> Expr:
    """Return the index along an axis: of the operand (side 0) or of the result (1)."""
    place: Expr = start[axis]
    for loop, number in zip(loops, numbers, strict=True):
        along, count = (loop.source, loop.target)[side]
        if along == axis and loop.extent > 1:
            place = place + number * count
    return place


def _pixel(place: Sequence[Expr], shape: Sequence[int]) -> Expr:
    """Return the number of the pixel at an index."""
    pixel: Expr = 0
    for extent, at in zip(shape[:-1], place, strict=False):
        pixel = pixel * extent + at
    return pixel
