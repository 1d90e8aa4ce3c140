"""The GEMM core: rows of A times packed panels of weights, with an epilogue.

Every convolution but the depthwise one is this core over another A-source. A row of A is a pixel;
its k elements lie in runs of consecutive floats at fixed offsets from the pixel's address, and the
pixels at a fixed pitch. Plain rows have one run, a channel view has the view's runs, a patch of a
KxK convolution one run a kernel row. A may lie in several sources, tensors of the same pixels.
Weights are packed per group and panel as [bias][k][panel columns], k in the order of the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.vectors import (
    activate,
    arithmetic,
    fma,
    load,
    load_vectors,
    splat,
    splat_lane,
    store,
)
from mbc.ir.types import Act


class Run(NamedTuple):
    """Consecutive elements of A: byte offset from the pixel, number of floats, and which of A's
    sources they lie in."""

    offset: int
    length: int
    source: int = 0

    def shifted(self, bytes: int) -> Run:
        """The same run further on."""
        return self._replace(offset=self.offset + bytes)


MAX_STRAIGHT = 16
CHAINS = 8  # independent fma chains that hide the latency of two units of four cycles
MAX_WIDTH = 8
FEW_TASKS = 16


@dataclass(frozen=True)
class RowBlocks:
    """`rows` rows in `count` blocks: `tall_count` of `tall` rows, the others one row less."""

    rows: int
    tall: int
    tall_count: int
    count: int

    @staticmethod
    def balanced(rows: int, height: int) -> RowBlocks:
        """As few blocks of at most `height` rows as possible, as equal as possible."""
        count = -(-rows // height)
        tall = -(-rows // count)
        return RowBlocks(rows, tall, rows - count * (tall - 1), count)


@cache
def panel_widths(isa: Isa, vectors: int, rows: int) -> tuple[int, ...]:
    """Widths of the panels that `vectors` vectors are split into, at the least predicted cost."""
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for total in range(1, vectors + 1):
        best.append(
            min(
                (best[total - w][0] + w * tile_cost(isa, w, rows), (*best[total - w][1], w))
                for w in range(1, min(total, MAX_WIDTH) + 1)
            )
        )
    return tuple(sorted(best[vectors][1], reverse=True))


def tile_cost(isa: Isa, width: int, rows: int) -> float:
    """Predicted cycles per fma of a register tile, 1.0 at peak: bound by fma units, loads, or the
    latency of too few accumulators. By-lane cores are small ones, where each instruction counts."""
    height = RowBlocks.balanced(rows, isa.tile_height(width)).tall
    fmas = height * width
    if isa.broadcast == "memory":
        loads = (width + height) / fmas
        return max(1.0, loads, CHAINS / fmas) + 0.05 * loads
    loads = (-(-width // isa.multi_load) + height / isa.lanes) / fmas
    return max(1.0, CHAINS / fmas) + loads


@dataclass(frozen=True)
class Gemm:
    """The schedule of one GEMM, and everything that its code depends on.

    `groups` has the runs of A of each group; each group makes `columns` columns, stored one group
    after the other. Pitches are in bytes from row to row. A group's last vector is stored whole
    where the row has `room` (in floats): it may spill into columns that the next group of the same
    task overwrites, or into padding; else it is stored narrow.
    """

    isa: Isa
    rows: int
    a_pitches: tuple[int, ...]
    groups: tuple[tuple[Run, ...], ...]
    columns: int
    out_pitch: int
    room: int
    act: Act = Act.NONE
    residual_pitch: int | None = None

    @property
    def depth(self) -> int:
        """k: multiply-adds an output element takes."""
        return sum(run.length for run in self.groups[0])

    @property
    def spills(self) -> bool:
        """Whether a group's full-width stores reach into the next group's columns."""
        return len(self.groups) > 1 and self.columns % self.isa.lanes != 0

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Panel widths of a group, in vectors."""
        return panel_widths(self.isa, self.isa.vectors(self.columns), self.rows)

    def blocks(self, width: int) -> RowBlocks:
        """Row blocks of a panel. Where stores spill, all panels share them, so that row ranges of
        tasks agree."""
        widths = self.widths if self.spills else (width,)
        return RowBlocks.balanced(self.rows, min(self.isa.tile_height(w) for w in widths))

    @property
    def row_tasks(self) -> int:
        """In how many pieces the rows can be dealt out."""
        return min(64, *(self.blocks(w).count for w in self.widths))

    @property
    def by_panels(self) -> bool:
        """Whether tasks are panels: where there are few row blocks to deal out, and more panels."""
        panels = len(self.widths)
        return len(self.groups) == 1 and self.row_tasks < FEW_TASKS and panels > self.row_tasks

    @property
    def tasks(self) -> int:
        """In how many pieces the work can be dealt out."""
        return len(self.widths) if self.by_panels else self.row_tasks

    @property
    def group_bytes(self) -> int:
        """Packed bytes of a group's panels."""
        return (1 + self.depth) * sum(self.widths) * self.isa.vector_bytes

    @property
    def overlaps(self) -> bool:
        """Whether neighbouring rows of A share memory; LLVM would then merge their loads."""
        runs = self.groups[0]
        extent = max(run.offset + 4 * run.length for run in runs) - min(run.offset for run in runs)
        return len(self.a_pitches) == 1 and self.a_pitches[0] < extent

    @property
    def whole_groups(self) -> int:
        """How many groups, from the first, store whole vectors only."""
        stored = sum(self.widths) * self.isa.lanes
        fitting = (self.room - stored) // self.columns + 1 if self.room >= stored else 0
        return (
            len(self.groups)
            if self.columns % self.isa.lanes == 0
            else min(fitting, len(self.groups))
        )

    @cached_property
    def group_shift(self) -> int | None:
        """Bytes from a group's runs to the next one's, if all groups are alike but for a shift."""
        first = self.groups[0]
        if len(self.groups) == 1 or len(self.a_pitches) > 1:
            return None
        shift = self.groups[1][0].offset - first[0].offset
        alike = all(
            runs == tuple(run.shifted(i * shift) for run in first)
            for i, runs in enumerate(self.groups)
        )
        return shift if alike else None


def pack(gemm: Gemm, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Panels of all groups. `weight` is [groups, k, columns], k in run order; `bias` [groups,
    columns]."""
    lanes = gemm.isa.lanes
    padding = sum(gemm.widths) * lanes - gemm.columns
    rows = np.concatenate([bias[:, None, :], weight], axis=1)
    rows = np.pad(rows, ((0, 0), (0, 0), (0, padding)))
    edges = np.cumsum([w * lanes for w in gemm.widths])[:-1]
    parts = [np.split(group, edges, axis=1) for group in rows]
    return np.concatenate([panel.ravel() for group in parts for panel in group]).astype(np.float32)


@dataclass(frozen=True)
class Pointers:
    """Where a piece of the work finds A's sources, the weights, its output and the residual."""

    a: tuple[str, ...]
    weights: str
    out: str
    residual: str | None = None

    def moved(self, f: Function, weights: Count, out: Count, residual: Count) -> Pointers:
        """Weights, output and residual advanced by bytes."""
        return Pointers(
            self.a,
            f.offset(self.weights, weights),
            f.offset(self.out, out),
            None if self.residual is None else f.offset(self.residual, residual),
        )

    def down(self, f: Function, gemm: Gemm, rows: Count) -> Pointers:
        """A, output and residual advanced by rows."""
        held = None
        if self.residual is not None:
            held = f.offset(self.residual, f.binary("mul", rows, gemm.residual_pitch or 0))
        return Pointers(
            tuple(
                f.offset(a, f.binary("mul", rows, pitch))
                for a, pitch in zip(self.a, gemm.a_pitches, strict=True)
            ),
            self.weights,
            f.offset(self.out, f.binary("mul", rows, gemm.out_pitch)),
            held,
        )

    def with_a(self, a: Sequence[str]) -> Pointers:
        """With other sources."""
        return replace(self, a=tuple(a))

    @property
    def values(self) -> list[str]:
        """As loop-carried values."""
        held = () if self.residual is None else (self.residual,)
        return [*self.a, self.weights, self.out, *held]

    @property
    def carried(self) -> list[tuple[str, str]]:
        """As initial loop-carried values."""
        return [("ptr", p) for p in self.values]

    def of(self, values: Sequence[str]) -> Pointers:
        """Back from loop-carried values."""
        n = len(self.a)
        return Pointers(tuple(values[:n]), *values[n:])


@dataclass(frozen=True)
class Share:
    """The share of the rows that a call does: tasks begin … end-1 of `tasks`; or, with
    `by_panels`, all rows of panels begin … end-1."""

    begin: Count = 0
    end: Count = 1
    tasks: int = 1
    by_panels: bool = False

    def of(self, f: Function, blocks: int) -> tuple[Count, Count]:
        """First and last+1 of so many blocks."""
        if self.by_panels:
            return 0, blocks
        first = f.binary("udiv", f.binary("mul", self.begin, blocks), self.tasks)
        last = f.binary("udiv", f.binary("mul", self.end, blocks), self.tasks)
        return first, last

    def panels(self, f: Function, start: int, count: int) -> tuple[Count, Count]:
        """Which of the panels start … start+count-1, counted from `start`."""
        if not self.by_panels:
            return 0, count
        first = f.clamp("max", self.begin, start)
        last = f.clamp("min", f.clamp("max", self.end, start), start + count)
        return f.binary("sub", first, start), f.binary("sub", last, start)


def emit_gemm(f: Function, gemm: Gemm, at: Pointers, share: Share) -> None:
    """Code for all groups, panels and the share's rows."""
    column_bytes, start = 4 * gemm.columns, 0
    if gemm.group_shift is not None:
        shift, start = gemm.group_shift, gemm.whole_groups

        def group(_: Count, values: list[str]) -> Sequence[str]:
            here = at.of(values)
            _emit_group(f, gemm, gemm.groups[0], here, share, narrow=False)
            after = here.moved(f, gemm.group_bytes, column_bytes, column_bytes)
            return after.with_a([f.offset(a, shift) for a in here.a]).values

        f.loop(0, start, at.carried, group)
    for index in range(start, len(gemm.groups)):
        here = at.moved(f, index * gemm.group_bytes, index * column_bytes, index * column_bytes)
        narrow = index >= gemm.whole_groups
        _emit_group(f, gemm, gemm.groups[index], here, share, narrow=narrow)


def _emit_group(
    f: Function, gemm: Gemm, runs: tuple[Run, ...], at: Pointers, share: Share, *, narrow: bool
) -> None:
    lanes = gemm.isa.lanes
    wide = len(gemm.widths) - narrow
    tiles = [Tile(gemm, runs, width, None) for width in gemm.widths[:wide]]
    if narrow:
        tiles.append(Tile(gemm, runs, gemm.widths[-1], gemm.columns % lanes))
    start = 0
    for tile, same in groupby(tiles):
        count = len(list(same))
        _emit_panels(f, tile, share.panels(f, start, count), at, share)
        panel = count * tile.width * f.isa.vector_bytes
        at = at.moved(f, (1 + gemm.depth) * panel, panel, panel)
        start += count


@dataclass(frozen=True)
class Tile:
    """A panel's register tiles; `tail` is the number of lanes of a narrow last vector."""

    gemm: Gemm
    runs: tuple[Run, ...]
    width: int
    tail: int | None

    def lanes(self, vector: int) -> int | None:
        """Valid lanes of a vector of the tile, None for all."""
        return self.tail if vector == self.width - 1 else None


def _emit_panels(
    f: Function, tile: Tile, panels: tuple[Count, Count], at: Pointers, share: Share
) -> None:
    """Panels first … last-1 of one width; `at` is where number 0 lies."""
    panel = tile.width * f.isa.vector_bytes
    first, last = panels
    across = f.binary("mul", first, panel)
    at = at.moved(f, f.binary("mul", first, (1 + tile.gemm.depth) * panel), across, across)

    def body(_: Count, values: list[str]) -> Sequence[str]:
        here = at.of(values)
        _emit_panel(f, tile, here, share)
        return here.moved(f, (1 + tile.gemm.depth) * panel, panel, panel).values

    f.loop(first, last, at.carried, body)


def _emit_panel(f: Function, tile: Tile, at: Pointers, share: Share) -> None:
    blocks = tile.gemm.blocks(tile.width)
    first, last = share.of(f, blocks.count)
    tall_end = f.clamp("min", last, blocks.tall_count)
    _emit_blocks(f, tile, at, blocks.tall, first, tall_end, 0)
    if blocks.tall_count < blocks.count:
        short_start = f.clamp("max", first, blocks.tall_count)
        _emit_blocks(f, tile, at, blocks.tall - 1, short_start, last, blocks.tall_count)


def _emit_blocks(
    f: Function, tile: Tile, at: Pointers, height: int, start: Count, stop: Count, shift: int
) -> None:
    """Blocks of one height; the block's first row is block*height + shift."""
    row = f.binary("add", f.binary("mul", start, height), shift)
    here = at.down(f, tile.gemm, row)

    def block(_: Count, values: list[str]) -> Sequence[str]:
        now = here.of(values)
        _emit_tile(f, tile, now, height)
        return now.down(f, tile.gemm, height).values

    f.loop(start, stop, here.carried, block)


Accumulators = list[list[str]]


def _emit_tile(f: Function, tile: Tile, at: Pointers, height: int) -> None:
    step = f.isa.vector_bytes
    bias = [load(f, at.weights, j * step) for j in range(tile.width)]
    acc = [list(bias) for _ in range(height)]
    weights = f.offset(at.weights, tile.width * step)
    for run in tile.runs:
        a = f.offset(at.a[run.source], run.offset)
        acc, weights = _emit_run(f, tile, run, a, weights, acc)
    _emit_epilogue(f, tile, at, acc)


def _emit_run(
    f: Function, tile: Tile, run: Run, a: str, weights: str, acc: Accumulators
) -> tuple[Accumulators, str]:
    length, unroll = run.length, f.isa.unroll
    if length <= MAX_STRAIGHT:
        return _emit_steps(f, tile, run, a, weights, acc, length)
    whole, height = length // unroll * unroll, len(acc)

    def rows(flat: Sequence[str]) -> Accumulators:
        return [list(flat[r * tile.width : (r + 1) * tile.width]) for r in range(height)]

    def body(_: Count, values: list[str]) -> Sequence[str]:
        a, weights, *flat = values
        inner, weights = _emit_steps(f, tile, run, a, weights, rows(flat), unroll)
        return [f.offset(a, 4 * unroll), weights, *(v for row in inner for v in row)]

    carried = [("ptr", a), ("ptr", weights), *((f.isa.vector, v) for row in acc for v in row)]
    a, weights, *flat = f.loop(0, whole, carried, body, step=unroll)
    return _emit_steps(f, tile, run, a, weights, rows(flat), length - whole)


def _emit_steps(
    f: Function, tile: Tile, run: Run, a: str, weights: str, acc: Accumulators, count: int
) -> tuple[Accumulators, str]:
    """`count` k-steps of straight-line code; the accumulators and the weights after them."""
    acc, pitch = [list(row) for row in acc], tile.gemm.a_pitches[run.source]
    quad = f.isa.lanes if f.isa.broadcast == "lane" else 1
    k = 0
    while k < count:
        group = quad if count - k >= quad else 1
        if tile.gemm.overlaps or count > f.isa.unroll:
            f.barrier()
        row_pointers = [f.offset(a, row * pitch + 4 * k) for row in range(len(acc))]
        weights = _emit_step_group(f, tile.width, row_pointers, weights, acc, group)
        k += group
    return acc, weights


def _emit_step_group(
    f: Function, width: int, rows: Sequence[str], weights: str, acc: Accumulators, steps: int
) -> str:
    """A few k-steps: with by-lane multiplication A is loaded as vectors along k. Returns the
    weights after them."""
    quads = [load(f, row) for row in rows] if steps > 1 else []
    for k in range(steps):
        columns = load_vectors(f, weights, 0, width)
        for row, (pointer, sums) in enumerate(zip(rows, acc, strict=True)):
            if quads:
                element = splat_lane(f, quads[row], k)
            else:
                address = f.offset(pointer, 4 * k)
                element = splat(f, f.op(f"load float, ptr {address}, align 4"))
            for j, column in enumerate(columns):
                sums[j] = fma(f, element, column, sums[j])
        flat = [value for sums in acc for value in sums]
        weights, flat = f.advance(weights, width * f.isa.vector_bytes, flat)
        acc[:] = [flat[row * width : (row + 1) * width] for row in range(len(acc))]
    return weights


def _emit_epilogue(f: Function, tile: Tile, at: Pointers, acc: Accumulators) -> None:
    gemm, step = tile.gemm, f.isa.vector_bytes
    for row, sums in enumerate(acc):
        for j, value in enumerate(sums):
            lanes = tile.lanes(j)
            if at.residual is not None and gemm.residual_pitch is not None:
                held = load(f, at.residual, row * gemm.residual_pitch + j * step, lanes)
                value = arithmetic(f, "fadd", value, held)
            store(f, activate(f, value, gemm.act), at.out, row * gemm.out_pitch + j * step, lanes)
