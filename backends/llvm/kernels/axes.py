"""Reductions over any axes: means, maxima and sums.

Neighbouring axes that are all reduced, or all kept, lie in memory like one. One task combines the
elements in row-major order, so that the bits do not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from math import prod

from mbc.backends.llvm.emitter import Count, Function, float_literal
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site
from mbc.backends.llvm.vectors import (
    LOWEST,
    arithmetic,
    largest_lane,
    load,
    maximum,
    reduce_lanes,
    splat_literal,
    store,
    store_scalar,
)
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean
from mbc.records import dataclass

CHUNK = 8  # channel vectors that are reduced side by side


@dataclass(frozen=True)
class Run:
    """Neighbouring axes before the channels that are all reduced, or all kept."""

    extent: int
    """Product of their extents."""
    bytes: int
    """Bytes from one index to the next."""
    reduced: bool


def runs_of(x: Buffer, axes: Sequence[int]) -> list[Run]:
    """Return the axes before the channels as runs, outermost first."""
    shape, runs = x.type.shape[:-1], []
    for reduced, same in groupby(range(len(shape)), lambda axis: axis in axes):
        axis = [*same]
        step = x.pixel_bytes * prod(shape[axis[-1] + 1 :])
        runs.append(Run(prod(shape[a] for a in axis), step, reduced))
    return runs


@dataclass(frozen=True)
class Rule:
    """What a reduction computes: a sum or the maximum, times a factor."""

    largest: bool
    """Whether it is the maximum, which is NaN where an element is."""
    factor: float
    """By which the sum is multiplied."""

    @staticmethod
    def of(op: Reduce, terms: int) -> Rule:
        """Return the rule of an op whose results have so many terms."""
        return Rule(isinstance(op, ReduceMax), 1.0 / terms if isinstance(op, ReduceMean) else 1.0)

    @property
    def neutral(self) -> float:
        """What combines with any number to that number."""
        return LOWEST if self.largest else 0.0

    def combined(self, f: Function, total: str, more: str) -> str:
        """Combine vectors."""
        return maximum(f, [total, more]) if self.largest else arithmetic(f, "fadd", total, more)

    def lanes(self, f: Function, total: str) -> str:
        """Combine the lanes of a vector, in their order, to a finished number."""
        if self.largest:
            return largest_lane(f, total)
        number = reduce_lanes(f, total, "add")
        if self.factor == 1:
            return number
        return f.op(f"fmul {f.isa.scalar} {number}, {float_literal(self.factor)}")

    def finished(self, f: Function, total: str) -> str:
        """Finish a vector of sums."""
        if self.factor == 1:
            return total
        return arithmetic(f, "fmul", total, splat_literal(f, self.factor))


def build_reduction(site: Site) -> Kernel:
    """Build a reduction; a task a pixel of the result."""
    op, x, out = site.node.op, site.input("x"), site.output
    assert isinstance(op, Reduce)
    f, rule = site.kernel_function(), Rule.of(op, op.terms(x.type))
    runs = runs_of(x, op.axes)
    channels = x.type.rank - 1 in op.axes

    def pixel(index: Count, _: list[str]) -> Sequence[str]:
        target = f.offset("%y0", f.binary("mul", index, out.pixel_bytes))
        if channels:
            _emit_numbers(f, rule, runs, x, out, index, target)
        else:
            _emit_pixel(f, rule, runs, x, out, _origin(f, runs, index), target)
        return []

    f.loop("%begin", "%end", [], pixel)
    shape = "x".join(map(str, x.type.shape))
    axes = "_".join(map(str, op.axes))
    name = site.library.define(f"f32_{op.mnemonic}{axes}_{shape}", f)
    return Kernel(name, out.pixels)


def _origin(f: Function, runs: Sequence[Run], index: Count) -> str:
    """Compute the address of the first element of x for an index along the axes that are kept."""
    address, kept = "%x0", [run for run in runs if not run.reduced and run.extent > 1]
    for number, run in enumerate(kept[::-1], 1):
        here = f.binary("urem", index, run.extent) if number < len(kept) else index
        address = f.offset(address, f.binary("mul", here, run.bytes))
        index = f.binary("udiv", index, run.extent)
    return address


Body = Callable[[str, list[str]], list[str]]
"""From the address of a pixel and the vectors so far to the next ones."""


def _over(f: Function, runs: Sequence[Run], at: str, totals: list[str], body: Body) -> list[str]:
    """Go through the pixels along the reduced axes, in row-major order."""
    reduced = [run for run in runs if run.reduced]
    if not reduced:
        return body(at, totals)
    first, *rest = reduced

    def step(_: Count, values: list[str]) -> Sequence[str]:
        here, *vectors = values
        return [f.offset(here, first.bytes), *_over(f, rest, here, vectors, body)]

    carried = [("ptr", at), *((f.isa.vector, total) for total in totals)]
    return f.loop(0, first.extent, carried, step)[1:]


def _emit_pixel(
    f: Function, rule: Rule, runs: Sequence[Run], x: Buffer, out: Buffer, source: str, target: str
) -> None:
    """Reduce each channel by itself, some vectors of channels side by side."""
    padded = x.is_padded(f.isa) and out.is_padded(f.isa)
    channels = x.type.channels
    whole = f.isa.vectors(channels) if padded else channels // f.isa.lanes
    tail = 0 if padded else channels % f.isa.lanes
    bytes = CHUNK * f.isa.vector_bytes

    def chunk(_: Count, at: list[str]) -> Sequence[str]:
        _emit_chunk(f, rule, runs, at, CHUNK, None)
        return [f.offset(pointer, bytes) for pointer in at]

    at = f.loop(0, whole // CHUNK, [("ptr", source), ("ptr", target)], chunk)
    if rest := whole % CHUNK:
        _emit_chunk(f, rule, runs, at, rest, None)
    if tail:
        ends = [f.offset(pointer, rest * f.isa.vector_bytes) for pointer in at]
        _emit_chunk(f, rule, runs, ends, 1, tail)


def _emit_chunk(
    f: Function, rule: Rule, runs: Sequence[Run], at: list[str], vectors: int, lanes: int | None
) -> None:
    step = f.isa.vector_bytes

    def pixel(here: str, totals: list[str]) -> list[str]:
        return [
            rule.combined(f, total, load(f, here, j * step, lanes))
            for j, total in enumerate(totals)
        ]

    start = [splat_literal(f, rule.neutral)] * vectors
    for j, total in enumerate(_over(f, runs, at[0], start, pixel)):
        store(f, rule.finished(f, total), at[1], j * step, lanes)


def _emit_numbers(
    f: Function, rule: Rule, runs: Sequence[Run], x: Buffer, out: Buffer, row: Count, target: str
) -> None:
    """Reduce the channels too: a pixel of the result has those of an axis before them."""
    first = f.binary("mul", row, out.type.channels)

    def pixel(here: str, totals: list[str]) -> list[str]:
        return _row(f, rule, x, here, totals)

    def number(column: Count, at: list[str]) -> Sequence[str]:
        source = _origin(f, runs, f.binary("add", first, column))
        start = [splat_literal(f, rule.neutral)]
        (total,) = _over(f, runs, source, start, pixel)
        store_scalar(f, rule.lanes(f, total), at[0])
        return [f.offset(at[0], out.element_bytes)]

    f.loop(0, out.type.channels, [("ptr", target)], number)


def _row(f: Function, rule: Rule, x: Buffer, at: str, totals: list[str]) -> list[str]:
    """Combine the channels of a pixel."""
    whole, tail = divmod(x.type.channels, f.isa.lanes)

    def vector(_: Count, values: list[str]) -> Sequence[str]:
        here, total = values
        return [f.offset(here, f.isa.vector_bytes), rule.combined(f, total, load(f, here))]

    end, total = f.loop(0, whole, [("ptr", at), (f.isa.vector, totals[0])], vector)
    if tail:
        total = rule.combined(f, total, load(f, end, 0, tail, rule.neutral))
    return [total]
