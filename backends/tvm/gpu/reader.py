"""Reads of operands in kernels: channels of one or several values, in the order of a view.

A reader loads vectors of 4, 2 or 1 channels, the widest that is contiguous and aligned at every
read. Views of a few contiguous runs become comparisons of the channel with constants; all others
look up the position in a table.
"""

from __future__ import annotations

from functools import partial
from math import gcd

import numpy as np

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.tir import Code, Expr, choose
from mbc.ir.views import ChannelView
from mbc.records import dataclass

MOST_RUNS = 4  # with more, a table is used
CHANNEL_BITS = 20  # low bits of a table's entry; the parameter's number is in the bits above
LANES = (4, 2, 1)


@dataclass(frozen=True)
class ChannelRun:
    """Consecutive channels of a view that are consecutive in a value."""

    first: int
    """First channel of the view; the run ends where the next begins."""
    parameter: int
    """Parameter number of the value."""
    shift: int
    """Channel of the value minus channel of the view."""


@dataclass(frozen=True)
class Reader:
    """Loads of a view."""

    channels: int
    """Channels of the view."""
    lanes: int
    """Channels of one load, which begins at a multiple of them."""
    runs: tuple[ChannelRun, ...]
    """The view as runs."""
    pitches: dict[int, int]
    """Channels of each value, by parameter number."""
    table: int | None = None
    """Parameter number of the table; None if runs are compared."""

    def load(self, code: Code, pixel: Expr, channel: Expr) -> Expr:
        """Load channels `channel`, … of a pixel: a vector of `lanes`, or a scalar."""
        if self.table is None:
            return self._by_runs(code, pixel, channel)
        entry = code.bind(code.parameters[self.table].load(channel // self.lanes))
        return self._by_entry(code, pixel, entry)

    def _by_runs(self, code: Code, pixel: Expr, channel: Expr) -> Expr:
        *before, last = self.runs
        found = self._at(code, last.parameter, pixel, channel + last.shift)
        for run, follower in zip(before[::-1], self.runs[:0:-1], strict=True):
            here = partial(self._at, code, run.parameter, pixel, channel + run.shift)
            found = choose(channel < follower.first, here, found)
        return found

    def _by_entry(self, code: Code, pixel: Expr, entry: Expr) -> Expr:
        channel = entry & ((1 << CHANNEL_BITS) - 1)
        *before, last = sorted(self.pitches)
        found = self._at(code, last, pixel, channel)
        for parameter in before[::-1]:
            here = partial(self._at, code, parameter, pixel, channel)
            found = choose((entry >> CHANNEL_BITS) == parameter, here, found)
        return found

    def _at(self, code: Code, parameter: int, pixel: Expr, channel: Expr) -> Expr:
        place = pixel * self.pitches[parameter] + channel
        return code.parameters[parameter].load(place, self.lanes)


def reader_of(draft: Draft, view: ChannelView, unit: int | None = None) -> Reader:
    """Make a reader of a view, and add its values to a kernel's arguments.

    Reads begin at multiples of `lanes` from the start of each `unit` of channels; the default unit
    is the whole view.
    """
    channels = [(draft.read(value), channel) for value, channel in view.channels]
    pitches = {draft.read(value): value.type.channels for value in view.values}
    common = gcd(len(channels) if unit is None else unit, *pitches.values())
    lanes = next(lanes for lanes in LANES if common % lanes == 0 and _fits(channels, lanes))
    runs = _runs(channels)
    table = None
    if len(runs) > MOST_RUNS:
        entries = [(p << CHANNEL_BITS) + channel for p, channel in channels[::lanes]]
        table = draft.weights(np.array(entries, np.int32))
    return Reader(len(channels), lanes, runs, pitches, table)


def _fits(channels: list[tuple[int, int]], lanes: int) -> bool:
    """Whether every vector of `lanes` channels is contiguous and aligned."""
    return all(
        channel % lanes == 0
        and channels[i : i + lanes] == [(parameter, channel + j) for j in range(lanes)]
        for i in range(0, len(channels), lanes)
        for parameter, channel in (channels[i],)
    )


def _runs(channels: list[tuple[int, int]]) -> tuple[ChannelRun, ...]:
    runs: list[ChannelRun] = []
    for i, (parameter, channel) in enumerate(channels):
        shift = channel - i
        if not runs or (runs[-1].parameter, runs[-1].shift) != (parameter, shift):
            runs.append(ChannelRun(i, parameter, shift))
    return tuple(runs)
