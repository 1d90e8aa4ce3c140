"""Which part of a GEMM a call does, and where it finds its operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_panels import RowBlocks
from mbc.records import dataclass


class Scaling(NamedTuple):
    """What multiplies A. It is the weights that are multiplied, a panel at a time:
    (s x) w = x (s w)."""

    factors: str
    """Address of the factor of each element of a row of A."""
    panel: str
    """Address of scratch for a panel (`Gemm.panel_bytes`)."""


@dataclass(frozen=True)
class Pointers:
    """Where a piece of the work finds A's sources, the weights, its output and the residual; the
    weights that it brings into the cache for later, if it does; what takes the place of output and
    residual where sinks dump their first row; and what multiplies A, if something does."""

    a: tuple[str, ...]
    weights: str
    out: str
    residual: str | None = None
    ahead: str | None = None
    dump: str | None = None
    scaling: Scaling | None = None

    def moved(self, f: Function, weights: Count, out: Count, residual: Count) -> Pointers:
        """Weights, output and residual advanced by bytes."""
        return replace(
            self,
            weights=f.offset(self.weights, weights),
            out=f.offset(self.out, out),
            residual=None if self.residual is None else f.offset(self.residual, residual),
            dump=None if self.dump is None else f.offset(self.dump, out),
        )

    def down(self, f: Function, gemm: Gemm, rows: Count) -> Pointers:
        """Advance A, output and residual by rows, and the next panel by their share of it."""
        held = None
        if self.residual is not None:
            held = f.offset(self.residual, f.binary("mul", rows, gemm.residual_pitch or 0))
        ahead = None
        if self.ahead is not None:
            ahead = f.offset(self.ahead, f.binary("mul", rows, gemm.ahead_pitch))
        return replace(
            self,
            a=tuple(
                f.offset(a, f.binary("mul", rows, pitch))
                for a, pitch in zip(self.a, gemm.a_pitches, strict=True)
            ),
            out=f.offset(self.out, f.binary("mul", rows, gemm.out_pitch)),
            residual=held,
            ahead=ahead,
        )

    def with_a(self, a: Sequence[str]) -> Pointers:
        """With other sources."""
        return replace(self, a=tuple(a))

    @property
    def values(self) -> list[str]:
        """As loop-carried values."""
        rest = (self.residual, self.ahead, self.dump)
        return [*self.a, self.weights, self.out, *(p for p in rest if p is not None)]

    @property
    def carried(self) -> list[tuple[str, str]]:
        """As initial loop-carried values."""
        return [("ptr", p) for p in self.values]

    def of(self, values: Sequence[str]) -> Pointers:
        """Back from loop-carried values."""
        n = len(self.a)
        weights, out, *rest = values[n:]
        residual = None if self.residual is None else rest.pop(0)
        ahead = None if self.ahead is None else rest.pop(0)
        dump = None if self.dump is None else rest.pop(0)
        places = (tuple(values[:n]), weights, out, residual, ahead, dump)
        return Pointers(*places, self.scaling)


@dataclass(frozen=True)
class Share:
    """The share of the work that a call does: tasks begin … end-1, where `tasks` are all rows. With
    `by_panels` they are those of the first panel, and are followed by those of the next. Else each
    consists of `parts`, which are panels of groups: a thread's rows are neighbours, so that it
    finds them in its own cache when the next kernel reads them."""

    begin: Count = 0
    end: Count = 1
    tasks: int = 1
    by_panels: bool = False
    parts: int = 1
    first_part: Count = 0
    """The part of the first panel of a group."""

    @staticmethod
    def of(gemm: Gemm, begin: Count = "%begin", end: Count = "%end") -> Share:
        """Tasks of a GEMM."""
        return Share(begin, end, gemm.row_tasks, gemm.by_panels, gemm.parts)

    def of_group(self, f: Function, gemm: Gemm, group: Count) -> Share:
        """Return the share of a group."""
        if self.parts == 1:
            return self
        return replace(self, first_part=f.binary("mul", group, len(gemm.widths)))

    def blocks(self, f: Function, count: int, panel: Count) -> tuple[Count, Count]:
        """First and last+1 of the row blocks of a panel, which has so many."""
        begin, end = self.begin, self.end
        if self.by_panels and self.tasks == 1:
            return 0, count
        if self.by_panels:
            before = f.binary("mul", panel, self.tasks)
            after = f.binary("add", before, self.tasks)
            begin = f.binary("sub", f.clamp("max", begin, before), before)
            end = f.binary("sub", f.clamp("min", end, after), before)
        first = f.binary("udiv", f.binary("mul", begin, count), self.tasks)
        last = f.binary("udiv", f.binary("mul", end, count), self.tasks)
        return first, last

    def row_blocks(self, f: Function, blocks: RowBlocks, panel: Count) -> tuple[Count, Count]:
        """First and last+1 of the row blocks of a panel of a GEMM."""
        if self.parts == 1:
            return self.blocks(f, blocks.count, panel)
        part = f.binary("add", self.first_part, panel)
        first, last = (self._row_tasks(f, bound, part) for bound in (self.begin, self.end))
        return self._nearest(f, first, blocks), self._nearest(f, last, blocks)

    def _row_tasks(self, f: Function, bound: Count, part: Count) -> Count:
        """Count the row tasks whose given part is a task below `bound`."""
        more = f.binary("sub", f.binary("add", bound, self.parts - 1), part)
        return f.binary("udiv", more, self.parts)

    def _nearest(self, f: Function, bound: Count, blocks: RowBlocks) -> Count:
        """Return the block that begins nearest to where a row task does: panels have blocks of
        their own heights."""
        tall, upper = blocks.tall, blocks.tall * blocks.tall_count
        row = f.binary("udiv", f.binary("mul", bound, blocks.rows), self.tasks)
        above = f.binary("udiv", f.binary("add", row, tall // 2), tall)
        if blocks.tall_count == blocks.count:
            return above
        below = f.binary("sub", f.clamp("max", row, upper), upper)
        short = f.binary("add", below, (tall - 1) // 2)
        lower = f.binary("udiv", short, tall - 1)
        return f.binary("add", f.clamp("min", above, blocks.tall_count), lower)

    def panels(self, f: Function, start: int, count: int) -> tuple[Count, Count]:
        """Which of the panels start … start+count-1, counted from `start`."""
        if not self.by_panels:
            return 0, count
        begin = f.binary("udiv", self.begin, self.tasks)
        end = f.binary("udiv", f.binary("add", self.end, self.tasks - 1), self.tasks)
        first = f.clamp("max", begin, start)
        last = f.clamp("min", f.clamp("max", end, start), start + count)
        return f.binary("sub", first, start), f.binary("sub", last, start)
