"""Strided copies: slices, concatenations along any axis, pads, transposes, blocks of pixels.

Each copy (`mbc/ops/strided.py`) becomes a nest of loops in bytes. Loops through consecutive memory
merge; the innermost, if it is consecutive in both tensors, copies vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, moving_function
from mbc.backends.llvm.kernels.move import copy_run
from mbc.backends.llvm.vectors import literal, load_scalar, splat_literal, store, store_scalar
from mbc.ir.elements import Q8
from mbc.ops.linear import present
from mbc.ops.strided import Along, Copy, Index, copies_of
from mbc.records import dataclass

LEAST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class Step:
    """A loop of a nest, and how many bytes it goes through both tensors."""

    extent: int
    source: int
    """0 where no operand is read."""
    target: int

    def around(self, inner: Step) -> Step | None:
        """Return one loop in place of this and the one inside it; None if there is none."""
        source, target = inner.extent * inner.source, inner.extent * inner.target
        if (self.source, self.target) != (source, target):
            return None
        return Step(self.extent * inner.extent, inner.source, inner.target)


@dataclass(frozen=True)
class Nest:
    """A copy in bytes."""

    steps: tuple[Step, ...]
    """The first is shared between threads."""
    source: str | None
    """The address of the first element in the operand, with its offset below; None for none."""
    source_offset: int
    target_offset: int
    """Bytes of the first element in the result."""
    fill: float
    """The number that is stored if no operand is read."""

    @property
    def tasks(self) -> int:
        """The iterations of the first loop."""
        return self.steps[0].extent


def build_strided_copy(site: Site) -> Kernel:
    """Build the nests of a move, one after the other; a task per iteration of a first loop."""
    types = [present(type) for type in site.node.operand_types]
    nests = [_nest(site, copy) for copy in copies_of(site.node.op, types)]
    f = moving_function(site)
    firsts = accumulate((nest.tasks for nest in nests), initial=0)
    for nest, first in zip(nests, firsts, strict=False):
        _emit_nest(f, nest, *_share(f, nest, first, alone=len(nests) == 1))
    name = f"f32_{site.node.op.mnemonic}_c{site.output.type.channels}"
    return Kernel(site.library.define(name, f), sum(nest.tasks for nest in nests))


def _nest(site: Site, copy: Copy) -> Nest:
    out, size = site.output, site.output.element_bytes
    x = None if copy.operand is None else site.inputs[copy.operand][0]
    steps = [
        Step(loop.extent, _bytes(x, [loop.source]) if x else 0, _bytes(out, [loop.target]))
        for loop in copy.loops
    ]
    return Nest(
        _merged(steps, size, 0 if x is None else size),
        None if x is None else f"%x{copy.operand}",
        _bytes(x, _indexed(copy.source)) if x else 0,
        _bytes(out, _indexed(copy.target)),
        _fill(site, copy.fill),
    )


def _fill(site: Site, number: float) -> float:
    """Return what is stored for a number: of codes its code, which for minus infinity is 0."""
    element = site.output.type.element
    return element.code(max(number, LEAST)) if isinstance(element, Q8) else number


def _indexed(index: Index) -> Sequence[Along]:
    return list(enumerate(index))


def _bytes(buffer: Buffer, ways: Sequence[Along]) -> int:
    """Return the bytes that elements along some axes are apart."""
    shape, last = buffer.type.shape, buffer.type.rank - 1
    pixel, element = buffer.pixel_bytes, buffer.element_bytes
    return sum(
        count * (element if axis == last else prod(shape[axis + 1 : -1]) * pixel)
        for axis, count in ways
    )


def _merged(steps: Sequence[Step], size: int, source: int) -> tuple[Step, ...]:
    """Return the loops with more than one iteration, in the order of the result's memory. The first
    one stays by itself, for threads, and is never one over consecutive elements."""
    loops = sorted((step for step in steps if step.extent > 1), key=lambda s: -s.target)
    if not loops or (len(loops) == 1 and (loops[0].source, loops[0].target) == (source, size)):
        loops.insert(0, Step(1, 0, 0))
    first, *rest = loops
    kept: list[Step] = []
    for step in rest:
        if kept and (joined := kept[-1].around(step)):
            kept[-1] = joined
        else:
            kept.append(step)
    return first, *kept


def _share(f: Function, nest: Nest, first: int, *, alone: bool) -> tuple[Count, Count]:
    """Return the range of a nest's own tasks among those of the call."""
    if alone:
        return "%begin", "%end"
    start = f.clamp("max", "%begin", first)
    stop = f.clamp("min", f.clamp("max", "%end", first), first + nest.tasks)
    return f.binary("sub", start, first), f.binary("sub", stop, first)


def _emit_nest(f: Function, nest: Nest, start: Count, stop: Count) -> None:
    first, *rest = nest.steps
    source = None if nest.source is None else f.offset(nest.source, nest.source_offset)
    target = f.offset("%y0", nest.target_offset)

    def task(index: Count, _: list[str]) -> Sequence[str]:
        here = source and f.offset(source, f.binary("mul", index, first.source))
        there = f.offset(target, f.binary("mul", index, first.target))
        _emit_loops(f, rest, nest.fill, here, there)
        return []

    f.loop(start, stop, [], task)


def _emit_loops(
    f: Function, steps: Sequence[Step], fill: float, source: str | None, target: str
) -> None:
    size = f.isa.element.bytes
    if not steps:
        number = load_scalar(f, source) if source else literal(f, fill)
        store_scalar(f, number, target)
        return
    step, *inner = steps
    if not inner and step.target == size and step.source == (size if source else 0):
        _emit_run(f, source, target, step.extent, fill)
        return

    def body(_: Count, at: list[str]) -> Sequence[str]:
        there, *here = at
        _emit_loops(f, inner, fill, here[0] if here else None, there)
        moved = [f.offset(pointer, step.source) for pointer in here]
        return [f.offset(there, step.target), *moved]

    carried = [("ptr", target), *([("ptr", source)] if source else [])]
    f.loop(0, step.extent, carried, body)


def _emit_run(f: Function, source: str | None, target: str, length: int, fill: float) -> None:
    """Copy or fill consecutive elements, in whole vectors and a tail."""
    if source is not None:
        copy_run(f, source, target, length)
        return
    whole, tail = divmod(length, f.isa.lanes)
    vector = splat_literal(f, fill)

    def put(_: Count, at: list[str]) -> Sequence[str]:
        store(f, vector, at[0])
        return [f.offset(at[0], f.isa.vector_bytes)]

    (end,) = f.loop(0, whole, [("ptr", target)], put)
    if tail:
        store(f, vector, end, 0, tail)
