"""Layers that reduce over many elements: global pools and softmax.

The threads of a block each reduce a part, and the parts are combined in shared memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.epilogue import larger, maximum
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.reader import Reader
from mbc.backends.tvm.gpu.schedule import ceildiv
from mbc.backends.tvm.gpu.tir import Code, Expr, language, spread, zero
from mbc.records import dataclass
from mbc.schedules import PoolBlock

Combine: TypeAlias = Callable[[Expr, Expr], Expr]


@dataclass(frozen=True)
class GlobalPool:
    """The mean, sum or maximum of all pixels of an image."""

    images: int
    """Images of the batch."""
    pixels: int
    """Pixels of an image."""
    reader: Reader
    """Reader of the operand."""
    team: PoolBlock
    """Its schedule."""
    out: int
    """Parameter number of the result."""
    largest: bool = False
    """Whether it is the maximum."""
    factor: float = 1.0
    """By which a sum is multiplied."""

    def combined(self, code: Code, a: Expr, b: Expr) -> Expr:
        """Combine two vectors."""
        return maximum(code, a, b) if self.largest else a + b


def global_pool_kernel(draft: Draft, layer: GlobalPool) -> NodeKernel:
    """Make the kernel: threads lie along vectors of channels; `down` threads share the pixels of
    each."""
    vectors = layer.reader.channels // layer.reader.lanes
    grid = (layer.images, ceildiv(vectors, layer.team.across), 1)
    block = (layer.team.across, layer.team.down, 1)
    return draft.finish(grid, block, lambda code: _pool(code, layer, vectors))


def _pool(code: Code, layer: GlobalPool, vectors: int) -> None:
    team, lanes = layer.team, layer.reader.lanes
    vector = code.block[1] * team.across + code.thread[0]
    part, image = code.thread[1], code.block[0]
    exists = True if vectors % team.across == 0 else vector < vectors
    total, sums = code.registers(1, lanes), code.shared(team.across * team.down * lanes)
    total.store(0, neutral(layer.largest, lanes))
    turns = ceildiv(layer.pixels, team.down)
    with code.when(exists), code.loop(turns) as turn:
        pixel = turn * team.down + part
        with code.when(True if layer.pixels % team.down == 0 else pixel < layer.pixels):
            value = layer.reader.load(code, image * layer.pixels + pixel, vector * lanes)
            total.store(0, layer.combined(code, total.load(0), value))
    sums.store((part * team.across + code.thread[0]) * lanes, total.load(0), lanes)
    code.barrier()
    with code.when(part == 0), code.when(exists):
        for other in range(1, team.down):
            place = (other * team.across + code.thread[0]) * lanes
            total.store(0, layer.combined(code, total.load(0), sums.load(place, lanes)))
        result = total.load(0)
        if layer.factor != 1:
            result = result * spread(layer.factor, lanes)
        place = image * layer.reader.channels + vector * lanes
        code.parameters[layer.out].store(place, result, lanes)


def neutral(largest: bool, lanes: int) -> Expr:
    """Return what combines with any number to that number."""
    return spread(-language().infinity("float32"), lanes) if largest else zero(lanes)


@dataclass(frozen=True)
class RowLayer:
    """A layer that computes each row by itself, read one element at a time."""

    rows: int
    """Number of rows."""
    reader: Reader
    """Reader of the operand."""
    threads: int
    """Threads of a block, a power of two."""
    out: int
    """Parameter number of the result."""


def softmax_kernel(draft: Draft, layer: RowLayer) -> NodeKernel:
    """Make the kernel, one block a row: find the largest element, then the sum, then divide.

    The largest may miss a NaN, but its exponential makes the sum NaN, and so all results.
    """
    grid, block = (layer.rows, 1, 1), (layer.threads, 1, 1)
    return draft.finish(grid, block, lambda code: _softmax(code, layer))


def _softmax(code: Code, layer: RowLayer) -> None:
    """Write the whole kernel."""
    T, rows = language(), Rows(code, layer)
    out, channels = code.parameters[layer.out], layer.reader.channels

    def larger_of(a: Expr, b: Expr) -> Expr:
        return larger(code, a, b)

    rows.each(-T.infinity("float32"), larger_of)
    largest = code.bind(rows.together(larger_of))
    rows.each(T.float32(0.0), lambda found, x: found + T.exp(x - largest))
    total = code.bind(rows.together(lambda a, b: a + b))
    with code.loop(rows.turns) as turn, rows.channel(turn) as channel:
        value = T.exp(rows.element(channel) - largest) / total
        out.store(rows.row * channels + channel, value)


class Rows:
    """The code of one thread of a block that computes a row."""

    def __init__(self, code: Code, layer: RowLayer) -> None:
        self.code, self.layer = code, layer
        self.row, self.me = code.block[0], code.thread[0]
        self.result = code.registers(1)
        self.parts = code.shared(layer.threads)

    @property
    def turns(self) -> int:
        """Channels of each thread."""
        return ceildiv(self.layer.reader.channels, self.layer.threads)

    @contextmanager
    def channel(self, turn: Expr) -> Iterator[Expr]:
        """Yield the thread's channel of an iteration, in code that runs only if it exists."""
        channel = turn * self.layer.threads + self.me
        whole = self.layer.reader.channels % self.layer.threads == 0
        with self.code.when(True if whole else channel < self.layer.reader.channels):
            yield channel

    def element(self, channel: Expr) -> Expr:
        """Load an element of the row."""
        return self.layer.reader.load(self.code, self.row, channel)

    def each(self, start: Expr, combine: Combine) -> None:
        """Reduce the thread's own elements."""
        self.result.store(0, start)
        with self.code.loop(self.turns) as turn, self.channel(turn) as channel:
            self.result.store(0, combine(self.result.load(0), self.element(channel)))

    def together(self, combine: Combine) -> Expr:
        """Reduce the results of all threads: halve their number until one is left."""
        code, half = self.code, self.layer.threads // 2
        code.barrier()
        self.parts.store(self.me, self.result.load(0))
        code.barrier()
        while half:
            with code.when(self.me < half):
                pair = self.parts.load(self.me), self.parts.load(self.me + half)
                self.parts.store(self.me, combine(*pair))
            code.barrier()
            half //= 2
        return self.parts.load(0)
