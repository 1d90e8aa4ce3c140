"""Schedules of GPU kernels."""

from __future__ import annotations

from typing import ClassVar

from mbc.ir.schedule import Schedule
from mbc.records import dataclass

LANES = 4  # floats of the vectors that kernels work on


@dataclass(frozen=True)
class ThreadTile(Schedule):
    """A matrix product: what a thread makes, and how threads make up a block."""

    mnemonic: ClassVar[str] = "tile"

    rows: int
    """Rows of the result that a thread makes."""
    vectors: int
    """Vectors of each of these rows."""
    across: int
    """Threads of a block along the columns."""
    down: int
    """Threads of a block along the rows."""
    slices: int
    """Parts of the depth, each summed by threads of its own."""
    depth: int
    """Elements of the depth that a slice takes at a time."""
    stage_a: bool
    """Whether a block keeps its tile of A in shared memory."""
    stage_w: bool
    """Whether a block keeps its tile of weights in shared memory."""

    @property
    def block_rows(self) -> int:
        """Rows of a block."""
        return self.rows * self.down

    @property
    def block_columns(self) -> int:
        """Columns of a block."""
        return LANES * self.vectors * self.across

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.across * self.down * self.slices

    @property
    def pitch(self) -> int:
        """Floats from row to row of a staged tile of A; the vector between keeps banks apart."""
        return self.depth + LANES

    @property
    def stage_floats(self) -> int:
        """Floats of shared memory of one slice's tiles."""
        a = self.block_rows * self.pitch if self.stage_a else 0
        return a + (self.block_columns * self.depth if self.stage_w else 0)

    @property
    def shared_floats(self) -> int:
        """Floats of shared memory of a block: tiles twice, so that one is filled while one is read;
        in the same place later the partial sums of all slices but one."""
        sums = (self.slices - 1) * self.block_rows * self.block_columns
        return max(2 * self.slices * self.stage_floats, sums)

    def steps(self, depth: int) -> int:
        """Return how many parts of the whole depth each slice takes."""
        return -(-depth // (self.depth * self.slices))


@dataclass(frozen=True)
class Strip(Schedule):
    """A sliding window."""

    mnemonic: ClassVar[str] = "strip"

    outputs: int
    """Pixels of a row that a thread makes."""
    across: int
    """Threads of a block along the vectors of channels."""
    down: int
    """Threads of a block along the row."""


@dataclass(frozen=True)
class PoolBlock(Schedule):
    """A global pool."""

    mnemonic: ClassVar[str] = "team"

    across: int
    """Threads of a block along the vectors of channels."""
    down: int
    """Threads of a block that share the pixels out."""


@dataclass(frozen=True)
class Threads(Schedule):
    """An op that treats vectors or rows apart."""

    mnemonic: ClassVar[str] = "threads"

    count: int
    """Threads of a block."""
