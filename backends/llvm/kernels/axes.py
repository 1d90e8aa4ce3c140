"""Reductions over any axes: means, maxima and sums.

Neighbouring axes that are all reduced, or all kept, lie in memory like one. One task combines the
elements in row-major order, so that the bits do not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from math import prod

from mbc.backends.llvm.emitter import Count, Function, float_literal
from mbc.backends.llvm.integer.codes import Finish, element_of, load_codes, store_finished
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site
from mbc.backends.llvm.vectors import (
    LOWEST,
    arithmetic,
    largest_lane,
    load,
    maximum,
    reduce_lanes,
    splat,
    splat_literal,
    store,
    store_scalar,
)
from mbc.backends.llvm.window import InCodes
from mbc.ir.elements import F32, Q8
from mbc.ir.graph import Node
from mbc.ops.quantized import ratio
from mbc.ops.reduce import Reduce, ReduceMax, ReduceMean
from mbc.records import dataclass
from mbc.targets.elements import on_codes

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
    codes: InCodes | None = None
    """How codes are read and stored; None for floats."""

    @staticmethod
    def of(op: Reduce, terms: int) -> Rule:
        """Return the rule of an op whose results have so many terms."""
        return Rule(isinstance(op, ReduceMax), 1.0 / terms if isinstance(op, ReduceMean) else 1.0)

    @property
    def sizes(self) -> tuple[int, int]:
        """Size of an element of the operand, and of the result."""
        return (F32.bytes, F32.bytes) if self.codes is None else (1, 1)

    def load(
        self, f: Function, at: str, bytes: int = 0, lanes: int | None = None, fill: float = 0.0
    ) -> str:
        """Load elements; other lanes are `fill`, or codes that change no result."""
        if self.codes is None:
            return load(f, at, bytes, lanes, fill)
        return load_codes(f, at, bytes, lanes, self.codes.zero, fill=self.codes.zero)

    def store(self, f: Function, value: str, at: str, bytes: int, lanes: int | None) -> None:
        """Store finished numbers."""
        if self.codes is None:
            store(f, value, at, bytes, lanes)
        else:
            store_finished(f, self.codes.finish, value, at, bytes, lanes)

    def store_number(self, f: Function, number: str, at: str) -> None:
        """Store one."""
        if self.codes is None:
            store_scalar(f, number, at)
        else:
            self.store(f, splat(f, number), at, 0, 1)

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
    f, rule = site.kernel_function(), rule_of(site.node, op, op.terms(x.type))
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
    element = "f32" if rule.codes is None else "q8"
    name = site.library.define(f"{element}_{op.mnemonic}{axes}_{shape}", f)
    return Kernel(name, out.pixels)


def rule_of(node: Node, op: Reduce, terms: int) -> Rule:
    """Return what a node computes, on floats or on codes."""
    rule = Rule.of(op, terms)
    if not on_codes(node):
        return rule
    x, to = element_of(node, "x"), node.result.type.element
    if rule.largest or not isinstance(to, Q8):
        return replace(rule, codes=InCodes(x, Finish.same()))
    factor = float(ratio(x, to, terms if isinstance(op, ReduceMean) else 1))
    return replace(rule, factor=factor, codes=InCodes(x, Finish.of(node)))


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
    steps = [f.isa.lanes * size for size in rule.sizes]

    def chunk(_: Count, at: list[str]) -> Sequence[str]:
        _emit_chunk(f, rule, runs, at, CHUNK, None)
        return [f.offset(p, CHUNK * step) for p, step in zip(at, steps, strict=True)]

    at = f.loop(0, whole // CHUNK, [("ptr", source), ("ptr", target)], chunk)
    if rest := whole % CHUNK:
        _emit_chunk(f, rule, runs, at, rest, None)
    if tail:
        ends = [f.offset(p, rest * step) for p, step in zip(at, steps, strict=True)]
        _emit_chunk(f, rule, runs, ends, 1, tail)


def _emit_chunk(
    f: Function, rule: Rule, runs: Sequence[Run], at: list[str], vectors: int, lanes: int | None
) -> None:
    step, out = (f.isa.lanes * size for size in rule.sizes)

    def pixel(here: str, totals: list[str]) -> list[str]:
        return [
            rule.combined(f, total, rule.load(f, here, j * step, lanes))
            for j, total in enumerate(totals)
        ]

    start = [splat_literal(f, rule.neutral)] * vectors
    for j, total in enumerate(_over(f, runs, at[0], start, pixel)):
        rule.store(f, rule.finished(f, total), at[1], j * out, lanes)


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
        rule.store_number(f, rule.lanes(f, total), at[0])
        return [f.offset(at[0], out.element_bytes)]

    f.loop(0, out.type.channels, [("ptr", target)], number)


def _row(f: Function, rule: Rule, x: Buffer, at: str, totals: list[str]) -> list[str]:
    """Combine the channels of a pixel."""
    whole, tail = divmod(x.type.channels, f.isa.lanes)

    def vector(_: Count, values: list[str]) -> Sequence[str]:
        here, total = values
        step = f.isa.lanes * rule.sizes[0]
        return [f.offset(here, step), rule.combined(f, total, rule.load(f, here))]

    end, total = f.loop(0, whole, [("ptr", at), (f.isa.vector, totals[0])], vector)
    if tail:
        total = rule.combined(f, total, rule.load(f, end, 0, tail, rule.neutral))
    return [total]
