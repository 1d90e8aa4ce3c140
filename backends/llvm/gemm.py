"""Schedules of the GEMM core: rows of A times packed panels of weights, with an epilogue.

All convolutions but depthwise ones are this core with different sources of A. A row of A is a
pixel; its k elements form runs of consecutive elements at fixed offsets from the pixel's address,
and pixels have a fixed pitch. Plain rows have one run, a channel view has the view's runs, a patch
of a KxK convolution has one run per kernel row. A may lie in several sources: tensors with the same
pixels. Weights are packed per group and panel (see `gemm_pack`).
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from mbc.backends.llvm.gemm_panels import (
    RowBlocks,
    best_tail,
    best_widths,
    equal_widths,
    panels_of,
    tile_rows,
)
from mbc.backends.llvm.gemm_runs import Run, run_lengths, split_runs
from mbc.backends.llvm.gemm_units import (
    Panel,
    Unit,
    chunk_steps,
    is_split,
    panel_vectors,
)
from mbc.backends.llvm.isa import Isa
from mbc.ir.activations import Activation
from mbc.records import dataclass


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


FEW_TASKS = 16  # fewer tasks than this need care to give threads equal shares
MANY_TASKS = 64  # more tasks than this give threads no fairer shares
FAR_WEIGHTS = 16 * 1024  # bytes of weights from which on panels are prefetched
PREFETCH_ROWS = 8  # least rows for which panels are prefetched
OWN_UNROLL = 2  # k-steps per iteration where each group has its own code


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
    tail: Panel | None = None
    """Units of the last columns, likewise; None to choose."""
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

    @cached_property
    def last_units(self) -> Panel:
        """Units of the columns that fill no vector, or that take several k-steps at a time."""
        if self.tail is not None:
            return self.tail
        return best_tail(self.isa, self.columns, run_lengths(self.groups[0]))

    @property
    def is_split(self) -> bool:
        """Whether some units take several k-steps at a time. They are stored narrow."""
        return is_split(self.last_units)

    @property
    def stores_exactly(self) -> bool:
        """Whether no store reaches beyond a group's columns."""
        return self.is_split or not self.last_units or self.isa.masked

    @property
    def spills(self) -> bool:
        """Whether a group's full-width stores reach into the next group's columns."""
        return len(self.groups) > 1 and not self.stores_exactly

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Panel widths of a group, in vectors."""
        if self.panels:
            return self.panels
        if self.is_part:
            return equal_widths(self.isa, self.isa.vectors(self.columns), self.rows)
        lengths = run_lengths(self.groups[0])
        return best_widths(self.isa, self.columns, self.last_units, lengths, self.rows)

    @cached_property
    def units(self) -> tuple[Panel, ...]:
        """The panels of a group."""
        return panels_of(self.isa, self.columns, self.last_units, self.widths)

    def stored_whole(self, panel: Panel) -> Panel:
        """Return a panel with a narrow last vector made whole."""
        return panel if self.stores_exactly else (Unit(self.isa.lanes),) * len(panel)

    def row_steps(self, panel: Panel, runs: tuple[Run, ...]) -> int:
        """Return how many of the last k-steps run row by row: so many that whole chunks are left,
        about as many as in other panels."""
        steps, size = self.isa.row_steps, chunk_steps(panel)
        if not steps or size == 1:
            return steps
        found = runs[-1].length % size or size
        while found < steps and found + size <= 2 * steps:
            found += size
        return found

    def panel_runs(self, panel: Panel, runs: tuple[Run, ...]) -> tuple[list[Run], list[Run]]:
        """Split runs into those of all rows of a tile together, and those row by row."""
        return split_runs(runs, self.row_steps(panel, runs), self.element_bytes)

    def ordered_runs(self, panel: Panel, runs: tuple[Run, ...]) -> list[Run]:
        """Return runs in the order and the pieces in which their weights are packed."""
        if not is_split(panel):
            return [*runs]
        together, by_row = self.panel_runs(panel, runs)
        return together + by_row

    def vectors(self, panel: Panel) -> int:
        """Return the packed vectors of a panel: biases, weights, and slopes if there are any."""
        more = 1 + self.slopes
        if not is_split(panel):
            return len(panel) * (self.depth + more)
        orders = [self.ordered_runs(panel, runs) for runs in self.groups]
        return max(panel_vectors(panel, run_lengths(runs), more) for runs in orders)

    def packed_bytes(self, panel: Panel) -> int:
        """Return the packed bytes of a panel, equal in all groups."""
        return self.vectors(panel) * self.isa.vector_bytes

    def blocks(self, panel: Panel) -> RowBlocks:
        """Return the row blocks of a panel. If tasks are row blocks, and few, a part has an even
        number of them, so that two threads get equal shares."""
        found = self._fewest_blocks(panel)
        uneven = self.is_part and found.count in range(3, FEW_TASKS, 2) and not self.by_panels
        return RowBlocks.of(self.rows, found.count + 1) if uneven else found

    def _fewest_blocks(self, panel: Panel) -> RowBlocks:
        """Split rows into the fewest blocks. Where stores spill, or in a part, all panels have the
        same blocks, so that a task has the same rows of each panel."""
        shared = self.spills or self.is_part
        height = self._least_height if shared else tile_rows(self.isa, panel)
        return RowBlocks.balanced(self.rows, height)

    @cached_property
    def _least_height(self) -> int:
        """Rows of a register tile that fit for every panel."""
        return min(tile_rows(self.isa, panel) for panel in set(self.units))

    @cached_property
    def by_panels(self) -> bool:
        """Whether tasks are parts of panels: where row blocks are few, and fewer than panels."""
        panels = len(self.widths)
        rows = min(self._fewest_blocks(panel).count for panel in set(self.units))
        return len(self.groups) == 1 and rows < min(FEW_TASKS, panels)

    @cached_property
    def row_tasks(self) -> int:
        """Number of tasks that the rows are split into."""
        return min(MANY_TASKS, *(self.blocks(panel).count for panel in set(self.units)))

    @property
    def parts(self) -> int:
        """Number of tasks that each row task is split into, where tasks are not parts of panels:
        the panels of each group, unless that makes more tasks than are of use. Where stores spill,
        and in a part, a task has all panels of its rows."""
        if self.by_panels or self.spills or self.is_part or self.row_tasks >= MANY_TASKS:
            return 1
        return len(self.groups) * len(self.widths)

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return self.row_tasks * (len(self.widths) if self.by_panels else self.parts)

    @property
    def prefetches(self) -> bool:
        """Whether tiles prefetch the next panel. With few rows a tile takes too little time, and
        the CPU's own prefetcher follows the weights."""
        far = len(self.groups) * self.group_bytes > FAR_WEIGHTS
        return self.isa.prefetch and far and self.rows >= PREFETCH_ROWS

    @property
    def ahead_pitch(self) -> int:
        """Bytes of the next panel that are prefetched per row; 0 without prefetching."""
        return -(-self.panel_bytes // self.rows) if self.prefetches else 0

    @cached_property
    def group_bytes(self) -> int:
        """Packed bytes of a group's panels."""
        return sum(map(self.packed_bytes, self.units))

    @cached_property
    def panel_bytes(self) -> int:
        """Packed bytes of the largest panel."""
        return max(map(self.packed_bytes, self.units))

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
        """Number of groups, from the first on, that store no vector narrow which they could store
        whole."""
        if self.stores_exactly:
            return len(self.groups)
        stored = sum(self.widths) * self.isa.lanes
        fitting = (self.room - stored) // self.columns + 1 if self.room >= stored else 0
        return min(fitting, len(self.groups))

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
