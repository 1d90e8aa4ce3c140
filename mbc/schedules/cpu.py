"""Schedules of CPU kernels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar

from mbc.ir.schedule import Schedule
from mbc.records import dataclass


@dataclass(frozen=True)
class Panels(Schedule):
    """The direct product of a pointwise convolution or dense layer: how the columns of a group are
    split into packed panels of weights, from the first column to the last."""

    mnemonic: ClassVar[str] = "panels"

    widths: tuple[int, ...]
    """Vectors of a panel, where they change."""
    counts: tuple[int, ...]
    """How many panels there are of each width."""

    @staticmethod
    def of(widths: Sequence[int]) -> Panels:
        """Return the schedule that has these panels, one after the other."""
        runs = [(width, len(list(same))) for width, same in groupby(widths)]
        return Panels(tuple(width for width, _ in runs), tuple(count for _, count in runs))

    @property
    def vectors(self) -> int:
        """The vectors of all panels."""
        return sum(w * count for w, count in zip(self.widths, self.counts, strict=False))

    @property
    def each(self) -> tuple[int, ...]:
        """The width of every panel."""
        pairs = zip(self.widths, self.counts, strict=False)
        return tuple(width for width, count in pairs for _ in range(count))


@dataclass(frozen=True)
class Strassen(Schedule):
    """Seven products of half the size in each direction in the place of one pointwise convolution.
    Each pixel's result is rounded together with that of another pixel of its image."""

    mnemonic: ClassVar[str] = "strassen"


@dataclass(frozen=True)
class Turns(Schedule):
    """A convolution with larger filters, or a fused chain: the output rows that a task makes."""

    mnemonic: ClassVar[str] = "turns"

    rows: int


@dataclass(frozen=True)
class ChannelBlocks(Schedule):
    """A depthwise convolution or pool: into how many equal blocks channels are split, which are
    done one after the other."""

    mnemonic: ClassVar[str] = "blocks"

    count: int
