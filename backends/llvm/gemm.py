"""Schedules of the GEMM core: rows of A times packed panels of weights, with an epilogue.

Every convolution but the depthwise one is this core over another A-source. A row of A is a pixel;
its k elements lie in runs of consecutive ones at fixed offsets from the pixel's address, and the
pixels at a fixed pitch. Plain rows have one run, a channel view has the view's runs, a patch of a
KxK convolution one run a kernel row. A may lie in several sources, tensors of the same pixels.
Weights are packed per group and panel as [bias][k][panel columns], k in the order of the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from mbc.backends.llvm.isa import Isa
from mbc.ir.activations import Activation


class Run(NamedTuple):
    """Consecutive elements of A: byte offset from the pixel, number of elements, and which of A's
    sources they lie in."""

    offset: int
    length: int
    source: int = 0

    def shifted(self, bytes: int) -> Run:
        """The same run further on."""
        return self._replace(offset=self.offset + bytes)


def split_runs(runs: Sequence[Run], steps: int, element_bytes: int) -> tuple[list[Run], list[Run]]:
    """All elements but the last `steps`, and those."""
    before, after = list(runs), list[Run]()
    while steps and before:
        last = before.pop()
        taken = min(steps, last.length)
        kept = last.length - taken
        after.insert(0, Run(last.offset + element_bytes * kept, taken, last.source))
        if kept:
            before.append(last._replace(length=kept))
        steps -= taken
    return before, after


class Sink(NamedTuple):
    """One of the places that sums go to: bytes from output and residual; the sign they have there;
    whether they add to what is there, or else to the residual; whether that is the result, which
    gets the activation; and whether the first row of all goes to the dump."""

    offset: int = 0
    sign: int = 1
    adds: bool = False
    final: bool = True
    dumps: bool = False


class Addend(NamedTuple):
    """What is added to each element of A as it is read: another one so many bytes further on, with
    this sign."""

    offset: int
    sign: int


CHAINS = 8  # independent fma chains that hide the latency of two units of four cycles
MAX_WIDTH = 8
MAX_SEARCH = 1024  # vectors that are split at the least cost; of more, the rest
EQUAL_COST = 1.01  # what panels of one width may cost where there is much code
FEW_TASKS = 16
FAR_WEIGHTS = 16 * 1024  # bytes that need not lie in the first cache when a layer begins
PREFETCH_ROWS = 8
OWN_UNROLL = 2  # k-steps of a loop where each group has code of its own


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
        return RowBlocks.of(rows, -(-rows // height))

    @staticmethod
    def of(rows: int, count: int) -> RowBlocks:
        """So many blocks, as equal as possible."""
        tall = -(-rows // count)
        return RowBlocks(rows, tall, rows - count * (tall - 1), count)


@cache
def panel_widths(isa: Isa, vectors: int, rows: int) -> tuple[int, ...]:
    """Widths of the panels that `vectors` vectors are split into, at the least predicted cost."""
    if vectors > MAX_SEARCH:
        cheapest = min(range(1, MAX_WIDTH + 1), key=lambda w: tile_cost(isa, w, rows))
        equal = -(-(vectors - MAX_SEARCH) // cheapest)
        rest = panel_widths(isa, vectors - equal * cheapest, rows)
        return tuple(sorted((*[cheapest] * equal, *rest), reverse=True))
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for total in range(1, vectors + 1):
        best.append(
            min(
                (best[total - w][0] + w * tile_cost(isa, w, rows), (*best[total - w][1], w))
                for w in range(1, min(total, MAX_WIDTH) + 1)
            )
        )
    return tuple(sorted(best[vectors][1], reverse=True))


def equal_widths(isa: Isa, vectors: int, rows: int) -> tuple[int, ...]:
    """The same, but all of one width, for less code, where that costs hardly more."""
    widths = [w for w in range(1, MAX_WIDTH + 1) if vectors % w == 0]
    equal = min(widths, key=lambda w: tile_cost(isa, w, rows))
    best = panel_widths(isa, vectors, rows)
    least = sum(w * tile_cost(isa, w, rows) for w in best)
    cost = vectors * tile_cost(isa, equal, rows)
    return best if cost > EQUAL_COST * least else (equal,) * (vectors // equal)


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
    where the row has `room` (in elements): it may spill into columns that the next group of the
    same task overwrites, or into padding; else it is stored narrow. `panels` prescribes the panel
    widths where the weights were packed for a GEMM with other rows. The sums go to all `sinks`.
    """

    isa: Isa
    rows: int
    a_pitches: tuple[int, ...]
    groups: tuple[tuple[Run, ...], ...]
    columns: int
    out_pitch: int
    room: int
    act: Activation | None = None
    residual_pitch: int | None = None
    panels: tuple[int, ...] = ()
    sinks: tuple[Sink, ...] = (Sink(),)
    addend: Addend | None = None

    @property
    def is_part(self) -> bool:
        """Whether others add to the same output."""
        return self.sinks != (Sink(),)

    @property
    def element_bytes(self) -> int:
        """Size of an element of A, and of the output."""
        return self.isa.element.bytes

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
        split = equal_widths if self.is_part else panel_widths
        return self.panels or split(self.isa, self.isa.vectors(self.columns), self.rows)

    def blocks(self, width: int) -> RowBlocks:
        """Row blocks of a panel. If only they are dealt out, a part has an even number of them
        where there are few, so that two threads get equal shares."""
        found = self._fewest_blocks(width)
        uneven = self.is_part and found.count in range(3, FEW_TASKS, 2) and not self.by_panels
        return RowBlocks.of(self.rows, found.count + 1) if uneven else found

    def _fewest_blocks(self, width: int) -> RowBlocks:
        """Where stores spill or others add to the output, all panels share them, so that row ranges
        of tasks agree."""
        shared = self.spills or self.is_part
        height = self._least_height if shared else self.isa.tile_height(width)
        return RowBlocks.balanced(self.rows, height)

    @cached_property
    def _least_height(self) -> int:
        """Rows of the register tile that every panel has room for."""
        return min(map(self.isa.tile_height, set(self.widths)))

    @cached_property
    def by_panels(self) -> bool:
        """Whether tasks are pieces of panels: where there are few row blocks, and more panels."""
        panels = len(self.widths)
        rows = min(self._fewest_blocks(width).count for width in set(self.widths))
        return len(self.groups) == 1 and rows < min(FEW_TASKS, panels)

    @cached_property
    def row_tasks(self) -> int:
        """In how many pieces the rows can be dealt out."""
        return min(64, *(self.blocks(w).count for w in set(self.widths)))

    @property
    def tasks(self) -> int:
        """In how many pieces the work can be dealt out."""
        return self.row_tasks * (len(self.widths) if self.by_panels else 1)

    @property
    def prefetches(self) -> bool:
        """Whether tiles bring the next panel into the cache while they work on theirs, if they
        work long enough: few rows wait for weights that the CPU itself sees coming."""
        far = len(self.groups) * self.group_bytes > FAR_WEIGHTS
        return self.isa.prefetch and far and self.rows >= PREFETCH_ROWS

    @property
    def ahead_pitch(self) -> int:
        """Bytes of the next panel that go with each row; none where panels are not prefetched."""
        panel = (1 + self.depth) * max(self.widths) * self.isa.vector_bytes
        return -(-panel // self.rows) if self.prefetches else 0

    @property
    def group_bytes(self) -> int:
        """Packed bytes of a group's panels."""
        return (1 + self.depth) * sum(self.widths) * self.isa.vector_bytes

    @property
    def unroll(self) -> int:
        """k-steps of a loop. Groups and parts that have code of their own have less of it, unless
        more steps are loaded at a time."""
        own = self.is_part or (len(self.groups) > 1 and self.group_shift is None)
        return OWN_UNROLL if own and self.isa.broadcast == "memory" else self.isa.unroll

    @property
    def overlaps(self) -> bool:
        """Whether neighbouring rows of A share memory; LLVM would then merge their loads."""
        runs = self.groups[0]
        start = min(run.offset for run in runs)
        end = max(run.offset + self.element_bytes * run.length for run in runs)
        return len(self.a_pitches) == 1 and self.a_pitches[0] < end - start

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
    panels = np.concatenate([panel.ravel() for group in parts for panel in group])
    return panels.astype(gemm.isa.element.numpy)
