"""Transposed convolutions by phases: rows of the result that are `stride` apart have the same taps,
and so have columns. Each pair of a row and a column phase is a GEMM with few of the taps.

A task makes the `stride` rows of the result for which it reads the same rows of the input. These
are copied to a band in scratch, with zeros around the image, unless a window is one pixel, as with
a kernel as large as the stride: then each GEMM is a pointwise product that is stored apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_code import emit_gemm
from mbc.backends.llvm.gemm_pack import pack
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.gemm_share import Pointers, Share
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, constant_array
from mbc.backends.llvm.kernels.copies import copy_row, zero_bytes
from mbc.backends.llvm.kernels.linear import contiguous, group_bias, shape_name
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ops.linear import present
from mbc.ops.transposed import Phase, TransposedConv, phases
from mbc.records import dataclass


@dataclass(frozen=True)
class Transposed:
    """How a transposed convolution reads its input."""

    isa: Isa
    """The vector unit."""
    x: Buffer
    """Layout of the input."""
    op: TransposedConv
    """The convolution."""
    rows: tuple[Phase, ...]
    """Phases of the rows."""
    columns: tuple[Phase, ...]
    """Phases of the columns."""
    out: TensorType
    """Type of the result."""

    @property
    def first(self) -> int:
        """The least number of a row in its phase."""
        return min(phase.start for phase in self.rows)

    @property
    def turns(self) -> int:
        """Tasks of an image."""
        return max(phase.stop for phase in self.rows) - self.first

    @property
    def depth(self) -> int:
        """Rows of the input that a task reads."""
        return max(len(phase.taps) for phase in self.rows)

    @property
    def before(self) -> int:
        """Columns of zeros to the left of the image."""
        return max(0, *(len(phase.taps) - 1 - phase.start for phase in self.columns))

    @property
    def width(self) -> int:
        """Columns of the band."""
        last = max(phase.stop for phase in self.columns)
        return self.before + max(self.x.type.shape[2], last)

    @property
    def has_band(self) -> bool:
        """Whether rows are copied to the band."""
        height, width = self.x.type.shape[1:3]
        return self.depth > 1 or self.first + self.turns > height or self.width > width

    @property
    def scratch_bytes(self) -> int:
        """Scratch of one thread, in bytes."""
        return self.has_band * self.depth * self.width * self.x.pixel_bytes

    def runs(self, row: Phase, column: Phase) -> tuple[tuple[Run, ...], ...]:
        """Return the runs of each group in the band, the last taps first."""
        start, each = self.before + column.start, self.x.type.channels // self.op.groups
        pixels = [
            (self.depth - 1 - down) * self.width + start - across
            for down in reversed(range(len(row.taps)))
            for across in reversed(range(len(column.taps)))
        ]
        return tuple(
            contiguous(
                [pixel * self.x.pitch + group * each + c for pixel in pixels for c in range(each)],
                self.x.element_bytes,
            )
            for group in range(self.op.groups)
        )

    def gemm(self, row: Phase, column: Phase, out: Buffer) -> Gemm:
        """Schedule the columns of a phase in one row."""
        return Gemm(
            self.isa,
            column.stop - column.start,
            (self.x.pixel_bytes,),
            self.runs(row, column),
            self.out.channels // self.op.groups,
            self.op.stride[1] * out.pixel_bytes,
            out.room,
            self.op.act,
        )


def transposed_of(isa: Isa, node: Node, x: Buffer) -> Transposed:
    """Return how a node reads its input from a buffer."""
    op, out = node.op, node.result.type
    assert isinstance(op, TransposedConv)
    kernel = present(node.type_of("weight")).shape[:2]
    sides = zip(kernel, op.stride, (op.pad[0], op.pad[2]), out.shape[1:3], strict=True)
    rows, columns = (phases(*each) for each in sides)
    return Transposed(isa.of_product(out.channels // op.groups), x, op, rows, columns, out)


def build_transposed_conv(site: Site) -> Kernel:
    """Build a transposed convolution."""
    node, out = site.node, site.output
    plan = transposed_of(site.isa, node, site.input("x"))
    f = site.kernel_function()
    work = _Rows(f, plan, out, node)
    if plan.has_band:
        zero_bytes(f, "%scratch", plan.scratch_bytes)

    def turn(index: Count, _: list[str]) -> Sequence[str]:
        image, local = f.binary("udiv", index, plan.turns), f.binary("urem", index, plan.turns)
        work.emit_turn(image, f.binary("add", local, plan.first))
        return []

    f.loop("%begin", "%end", [], turn)
    gemm, (kh, kw) = work.gemms[0][0], present(node.type_of("weight")).shape[:2]
    kind = f"transposed{kh}x{kw}s{plan.op.stride[0]}"
    name = f"f32_{kind}_{shape_name(gemm)}_w{out.type.shape[2]}"
    tasks = out.type.shape[0] * plan.turns
    weights = np.concatenate([array for arrays in work.packed for array in arrays])
    return Kernel(site.library.define(name, f), tasks, plan.scratch_bytes, weights)


class _Rows:
    """The code of the rows of the result under construction, with the weights of each phase."""

    def __init__(self, f: Function, plan: Transposed, out: Buffer, node: Node) -> None:
        self.f, self.plan, self.out = f, plan, out
        self.gemms = [[plan.gemm(row, c, out) for c in plan.columns] for row in plan.rows]
        self.packed = [
            [pack_phase(gemm, node, row, c) for gemm, c in zip(gemms, plan.columns, strict=True)]
            for gemms, row in zip(self.gemms, plan.rows, strict=True)
        ]

    def emit_turn(self, image: Count, number: Count) -> None:
        """Emit the rows of all phases that have such a number."""
        plan, start = self.plan, 0
        source = self._band(image, number) if plan.has_band else self._row(image, number)
        for row, gemms, packed in zip(plan.rows, self.gemms, self.packed, strict=True):
            sizes = [array.nbytes for array in packed]
            starts = [*accumulate(sizes[:-1], initial=start)]
            body = partial(self._emit_row, row, gemms, starts, source, image, number)
            self._when_there(row, number, body)
            start += sum(sizes)

    def _when_there(self, row: Phase, number: Count, emit: Callable[[], None]) -> None:
        """Emit code that runs if a phase has a row of that number."""
        f, plan, word = self.f, self.plan, self.f.isa.word
        if (row.start, row.stop) == (plan.first, plan.first + plan.turns):
            emit()
            return
        offset = f.binary("sub", number, row.start)
        there = f.op(f"icmp ult {word} {offset}, {row.stop - row.start}")
        enter, leave = f.label("phase"), f.label("after")
        f.emit(f"br i1 {there}, label %{enter}, label %{leave}")
        f.start_block(enter)
        emit()
        f.emit(f"br label %{leave}")
        f.start_block(leave)

    def _emit_row(
        self,
        row: Phase,
        gemms: Sequence[Gemm],
        starts: Sequence[int],
        source: str,
        image: Count,
        number: Count,
    ) -> None:
        f, plan, out = self.f, self.plan, self.out
        y = f.binary("add", f.binary("mul", number, plan.op.stride[0]), row.first)
        line = f.binary("add", f.binary("mul", image, out.type.shape[1]), y)
        target = f.offset("%y0", f.binary("mul", line, out.row_bytes))
        for column, gemm, start in zip(plan.columns, gemms, starts, strict=True):
            first = column.start * plan.op.stride[1] + column.first
            to = f.offset(target, first * out.pixel_bytes)
            emit_gemm(f, gemm, Pointers((source,), f.offset("%w", start), to), Share())

    def _row(self, image: Count, number: Count) -> str:
        """Compute the address of a row of the input."""
        f, x = self.f, self.plan.x
        line = f.binary("add", f.binary("mul", image, x.type.shape[1]), number)
        return f.offset("%x0", f.binary("mul", line, x.row_bytes))

    def _band(self, image: Count, number: Count) -> str:
        """Copy the rows of the input that a turn reads to the band, zeros for those outside."""
        f, plan = self.f, self.plan
        line, pixel = plan.width * plan.x.pixel_bytes, plan.x.pixel_bytes
        height, width, channels = plan.x.type.shape[1:]
        length = (width - 1) * pixel + channels * plan.x.element_bytes
        top = f.binary("sub", number, plan.depth - 1)

        def row(index: Count, _: list[str]) -> Sequence[str]:
            y = f.binary("add", top, index)
            target = f.offset("%scratch", f.binary("mul", index, line))
            target = f.offset(target, plan.before * pixel)
            copy_row(f, y, height, target, self._row(image, y), length)
            return []

        f.loop(0, plan.depth, [], row)
        return "%scratch"


def pack_phase(gemm: Gemm, node: Node, row: Phase, column: Phase) -> np.ndarray:
    """Pack the taps of a phase, the last ones first, as the runs have them."""
    weight = constant_array(node["weight"], ())
    taps = weight[list(row.taps[::-1])][:, list(column.taps[::-1])]
    taps = taps.reshape(-1, len(gemm.groups), gemm.columns).transpose(1, 0, 2)
    return pack(gemm, taps, group_bias(gemm, node))
