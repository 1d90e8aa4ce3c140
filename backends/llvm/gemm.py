"""Schedules of the GEMM core: rows of A times packed panels of weights, with an epilogue.

All convolutions but depthwise ones are this core with different sources of A. A row of A is a
pixel; its k elements form runs of consecutive elements at fixed offsets from the pixel's address,
and pixels have a fixed pitch. Plain rows have one run, a channel view has the view's runs, a patch
of a KxK convolution has one run per kernel row. A may lie in several sources: tensors with the same
pixels. Weights are packed per group and panel as [bias][k][panel columns], k in run order.
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
    """Consecutive elements of A."""

    offset: int
    """Byte offset from the pixel."""
    length: int
    """Number of elements."""
    source: int = 0
    """Index of the source of A that holds them."""

    def shifted(self, bytes: int) -> Run:
        """Return the run moved by a number of bytes."""
        return self._replace(offset=self.offset + bytes)


def split_runs(runs: Sequence[Run], steps: int, element_bytes: int) -> tuple[list[Run], list[Run]]:
    """Split runs into all elements but the last `steps`, and these."""
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


class Repeated(NamedTuple):
    """Runs of one length at equal distances."""

    first: Run
    """The first of them."""
    times: int = 1
    """How many there are."""
    distance: int = 0
    """Bytes from one to the next."""

    def follows(self, run: Run) -> bool:
        """Whether `run` is the next of them; any of that length and source, after a first one."""
        distance = self.distance if self.times > 1 else run.offset - self.first.offset
        return run == self.first.shifted(self.times * distance)

    def with_next(self, run: Run) -> Repeated:
        """Return them with `run`, which follows."""
        return Repeated(self.first, self.times + 1, (run.offset - self.first.offset) // self.times)


def repeated_runs(runs: Sequence[Run]) -> list[Repeated]:
    """Split runs into those at equal distances."""
    found = [Repeated(run) for run in runs[:1]]
    for run in runs[1:]:
        if found[-1].follows(run):
            found[-1] = found[-1].with_next(run)
        else:
            found.append(Repeated(run))
    return found


class Sink(NamedTuple):
    """A destination of the sums."""

    offset: int = 0
    """Bytes from the output's address, and from the residual's."""
    sign: int = 1
    """Sign of the sums, 1 or -1."""
    adds: bool = False
    """Whether sums are added to the output in memory; else to the residual, if there is one."""
    final: bool = True
    """Whether this store completes the result, so that the activation is applied."""
    dumps: bool = False
    """Whether the first row of all is stored to the dump instead (see `strassen`)."""


class Addend(NamedTuple):
    """An element that is added to each element of A when it is read."""

    offset: int
    """Bytes from the element of A to it."""
    sign: int
    """1 to add, -1 to subtract."""


CHAINS = 8  # independent fma chains that hide the latency of two units of four cycles
MAX_WIDTH = 8
MAX_SEARCH = 1024  # most vectors that are split by dynamic programming
EQUAL_COST = 1.01  # relative cost that panels of one width may have, to save code
FEW_TASKS = 16  # fewer tasks than this need care to give threads equal shares
FAR_WEIGHTS = 16 * 1024  # bytes of weights from which on panels are prefetched
PREFETCH_ROWS = 8  # least rows for which panels are prefetched
OWN_UNROLL = 2  # k-steps per iteration where each group has its own code


@dataclass(frozen=True)
class RowBlocks:
    """A split of rows into blocks whose heights differ by one row at most."""

    rows: int
    """Rows of all blocks."""
    tall: int
    """Rows of a tall block; other blocks have one row less."""
    tall_count: int
    """Number of tall blocks, which come first."""
    count: int
    """Number of blocks."""

    @staticmethod
    def balanced(rows: int, height: int) -> RowBlocks:
        """Split into as few blocks of at most `height` rows as possible, as equal as possible."""
        return RowBlocks.of(rows, -(-rows // height))

    @staticmethod
    def of(rows: int, count: int) -> RowBlocks:
        """Split into `count` blocks, as equal as possible."""
        tall = -(-rows // count)
        return RowBlocks(rows, tall, rows - count * (tall - 1), count)


@cache
def panel_widths(isa: Isa, vectors: int, rows: int) -> tuple[int, ...]:
    """Split `vectors` vectors into panels at the least predicted cost; returns their widths."""
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
    """Split `vectors` vectors into panels of one width if the cost is within `EQUAL_COST`, which
    saves code; else as `panel_widths`."""
    widths = [w for w in range(1, MAX_WIDTH + 1) if vectors % w == 0]
    equal = min(widths, key=lambda w: tile_cost(isa, w, rows))
    best = panel_widths(isa, vectors, rows)
    least = sum(w * tile_cost(isa, w, rows) for w in best)
    cost = vectors * tile_cost(isa, equal, rows)
    return best if cost > EQUAL_COST * least else (equal,) * (vectors // equal)


def tile_cost(isa: Isa, width: int, rows: int) -> float:
    """Predict the cycles per fma of a register tile, 1.0 at peak: bound by fma units, loads, or the
    latency of too few accumulators. By-lane cores are small: their loads add to the fmas."""
    height = RowBlocks.balanced(rows, isa.tile_height(width)).tall
    fmas = height * width
    if isa.broadcast == "memory":
        loads = (width + height) / fmas
        return max(1.0, loads, CHAINS / fmas) + 0.05 * loads
    loads = (-(-width // isa.multi_load) + height / isa.lanes) / fmas
    return max(1.0, CHAINS / fmas) + loads


@dataclass(frozen=True)
class Gemm:
    """The schedule of one GEMM, and everything that its code depends on. Pitches are in bytes from
    row to row."""

    isa: Isa
    """The vector unit."""
    rows: int
    """Rows of A and of the output: pixels."""
    a_pitches: tuple[int, ...]
    """Pitch of each source of A."""
    groups: tuple[tuple[Run, ...], ...]
    """Runs of A that each group reads."""
    columns: int
    """Output columns of a group; groups are stored one after the other."""
    out_pitch: int
    """Pitch of the output."""
    room: int
    """Elements of an output row that may be overwritten. A group's last vector is stored whole if
    it fits, spilling into padding or into columns of the next group, which the same task overwrites
    later; else it is stored narrow."""
    act: Activation | None = None
    """Activation of the result."""
    residual_pitch: int | None = None
    """Pitch of the residual; None without one."""
    panels: tuple[int, ...] = ()
    """Panel widths in vectors, if weights are packed for a GEMM with other rows; () to choose."""
    sinks: tuple[Sink, ...] = (Sink(),)
    """The destinations of the sums, all of them stored to."""
    addend: Addend | None = None
    """What is added to elements of A."""
    slopes: bool = False
    """Whether results are multiplied by a slope unless they are above 0, before the activation."""

    @property
    def is_part(self) -> bool:
        """Whether this product is one of several that are added to the same output."""
        return self.sinks != (Sink(),)

    @property
    def element_bytes(self) -> int:
        """Size of an element of A, and of the output."""
        return self.isa.element.bytes

    @property
    def depth(self) -> int:
        """k: multiply-adds per output element."""
        return sum(run.length for run in self.groups[0])

    @property
    def panel_rows(self) -> int:
        """Rows of a packed panel: bias, weights, and slopes if there are any."""
        return 1 + self.depth + self.slopes

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
        """Return the row blocks of a panel. If tasks are row blocks, and few, a part has an even
        number of them, so that two threads get equal shares."""
        found = self._fewest_blocks(width)
        uneven = self.is_part and found.count in range(3, FEW_TASKS, 2) and not self.by_panels
        return RowBlocks.of(self.rows, found.count + 1) if uneven else found

    def _fewest_blocks(self, width: int) -> RowBlocks:
        """Split rows into the fewest blocks. Where stores spill, or in a part, all panels have the
        same blocks, so that a task has the same rows of each panel."""
        shared = self.spills or self.is_part
        height = self._least_height if shared else self.isa.tile_height(width)
        return RowBlocks.balanced(self.rows, height)

    @cached_property
    def _least_height(self) -> int:
        """Rows of a register tile that fit for every panel."""
        return min(map(self.isa.tile_height, set(self.widths)))

    @cached_property
    def by_panels(self) -> bool:
        """Whether tasks are parts of panels: where row blocks are few, and fewer than panels."""
        panels = len(self.widths)
        rows = min(self._fewest_blocks(width).count for width in set(self.widths))
        return len(self.groups) == 1 and rows < min(FEW_TASKS, panels)

    @cached_property
    def row_tasks(self) -> int:
        """Number of tasks that the rows are split into."""
        return min(64, *(self.blocks(w).count for w in set(self.widths)))

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return self.row_tasks * (len(self.widths) if self.by_panels else 1)

    @property
    def prefetches(self) -> bool:
        """Whether tiles prefetch the next panel. With few rows a tile takes too little time, and
        the CPU's own prefetcher follows the weights."""
        far = len(self.groups) * self.group_bytes > FAR_WEIGHTS
        return self.isa.prefetch and far and self.rows >= PREFETCH_ROWS

    @property
    def ahead_pitch(self) -> int:
        """Bytes of the next panel that are prefetched per row; 0 without prefetching."""
        panel = self.panel_rows * max(self.widths) * self.isa.vector_bytes
        return -(-panel // self.rows) if self.prefetches else 0

    @property
    def group_bytes(self) -> int:
        """Packed bytes of a group's panels."""
        return self.panel_rows * sum(self.widths) * self.isa.vector_bytes

    @property
    def panel_bytes(self) -> int:
        """Packed bytes of the widest panel."""
        return self.panel_rows * max(self.widths) * self.isa.vector_bytes

    @property
    def unroll(self) -> int:
        """k-steps per loop iteration: fewer where groups or parts have their own code, to keep it
        small, unless several steps are loaded at a time."""
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
        """Number of groups, from the first on, that store whole vectors only."""
        stored = sum(self.widths) * self.isa.lanes
        fitting = (self.room - stored) // self.columns + 1 if self.room >= stored else 0
        return (
            len(self.groups)
            if self.columns % self.isa.lanes == 0
            else min(fitting, len(self.groups))
        )

    @cached_property
    def group_shift(self) -> int | None:
        """Bytes from a group's runs to those of the next, if that is the same for all groups."""
        first = self.groups[0]
        if len(self.groups) == 1 or len(self.a_pitches) > 1:
            return None
        shift = self.groups[1][0].offset - first[0].offset
        alike = all(
            runs == tuple(run.shifted(i * shift) for run in first)
            for i, runs in enumerate(self.groups)
        )
        return shift if alike else None


def pack(
    gemm: Gemm, weight: np.ndarray, bias: np.ndarray, slope: np.ndarray | None = None
) -> np.ndarray:
    """Pack the panels of all groups as [group][panel][bias, k, slope][panel columns], padded with
    zeros. `weight` is [groups, k, columns], k in run order; `bias` and `slope` are [groups,
    columns]."""
    lanes = gemm.isa.lanes
    padding = sum(gemm.widths) * lanes - gemm.columns
    slopes = [] if slope is None else [slope[:, None, :]]
    rows = np.concatenate([bias[:, None, :], weight, *slopes], axis=1)
    rows = np.pad(rows, ((0, 0), (0, 0), (0, padding)))
    edges = np.cumsum([w * lanes for w in gemm.widths])[:-1]
    parts = [np.split(group, edges, axis=1) for group in rows]
    panels = np.concatenate([panel.ravel() for group in parts for panel in group])
    return panels.astype(gemm.isa.element.numpy)
