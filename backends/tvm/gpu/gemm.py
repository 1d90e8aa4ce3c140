"""Matrix products: pointwise and dense layers, convolutions, and depthwise + pointwise in one.

    out[m, n] = act(sum over k of A[m, k] * W[k, n] + bias[n] + residual[m, n])

A source defines A: a view's pixels, patches of them, or a depthwise convolution that is computed
while A is fetched. Each group of channels is a separate product. Weights are padded with zeros to
whole tiles, so only A and the stores check bounds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from mbc.backends.tvm.gpu.epilogue import activated
from mbc.backends.tvm.gpu.reader import Reader
from mbc.backends.tvm.gpu.schedule import Product, ceildiv
from mbc.backends.tvm.gpu.tir import Code, Expr, Memory, lane, language, spread, zero
from mbc.ir.activations import Activation
from mbc.records import dataclass
from mbc.schedules import ThreadTile
from mbc.schedules.gpu import LANES


class SourceA(Protocol):
    """The source of the elements of A."""

    @property
    def lanes(self) -> int:
        """Number of elements along the depth that are fetched at once."""

    def row(self, code: Code, row: Expr) -> Expr:
        """Compute what all fetches of a row share; passed to `fetch` as its row."""

    def fetch(self, code: Code, row: Expr, group: Expr, k: Expr) -> Expr:
        """Fetch elements k, … of a row of a group: a vector of `lanes`, or a scalar."""


@dataclass(frozen=True)
class Epilogue:
    """What is done to the sums: bias, residual, activation, store."""

    out: int
    """Parameter number of the result."""
    channels: int
    """Channels of the result."""
    bias: int | None
    """Parameter number of the packed bias."""
    residual: Reader | None
    """Reader of the residual."""
    act: Activation | None
    """Activation, applied last."""


@dataclass(frozen=True)
class Gemm:
    """One product, with all that its kernel depends on."""

    product: Product
    """Its sizes."""
    tile: ThreadTile
    """Its schedule."""
    source: SourceA
    """Source of A."""
    weight: int
    """Parameter number of the packed weights."""
    epilogue: Epilogue
    """What is done to the sums."""


class Body(ABC):
    """The code of one thread; subclasses define how it reads A and W."""

    def __init__(self, code: Code, gemm: Gemm) -> None:
        self.code, self.gemm = code, gemm
        self.product, self.tile, self.source = gemm.product, gemm.tile, gemm.source
        self.across, self.down, self.slice = code.thread
        self.group = code.block[2]
        self.weight = code.parameters[gemm.weight]
        self.shared = code.shared(max(self.tile.shared_floats, 1))
        self.padded = ceildiv(self.product.columns, self.tile.block_columns)
        self.padded *= self.tile.block_columns
        self.depth = self.tile.steps(self.product.depth) * self.tile.slices * self.tile.depth

    @abstractmethod
    def sum_up(self) -> None:
        """Accumulate all products of the thread's slice in the sums."""

    def run(self) -> None:
        """Write the whole kernel."""
        tile, code = self.tile, self.code
        self.sums = code.registers(tile.rows * tile.vectors, LANES)
        for i in range(tile.rows * tile.vectors):
            self.sums.store(i, zero(LANES))
        self.sum_up()
        if tile.slices > 1:
            self._add_slices()
        with code.when(True if tile.slices == 1 else self.slice == 0):
            self._store()

    # where things are

    def row(self, i: int) -> Expr:
        """Return the number of the thread's i-th row."""
        return self.code.block[0] * self.tile.block_rows + self.down + i * self.tile.down

    def column(self, j: int) -> Expr:
        """First column of the thread's j-th vector, within the group."""
        return self.code.block[1] * self.tile.block_columns + self.offset(j)

    def offset(self, j: int) -> Expr:
        """First column of the thread's j-th vector, within the block."""
        return (self.across + j * self.tile.across) * LANES

    def rows_ragged(self) -> bool:
        """Whether the last block has rows that do not exist."""
        return self.product.rows % self.tile.block_rows != 0

    def clamped(self, row: Expr) -> Expr:
        """Clamp a row to the last one, if the last block has rows that do not exist."""
        return language().min(row, self.product.rows - 1) if self.rows_ragged() else row

    def start(self, step: Expr) -> Expr:
        """First k of a slice's part of the depth."""
        return (step * self.tile.slices + self.slice) * self.tile.depth

    def bounded(self, row: Expr) -> Expr:
        """Clamp a row to the last one, if it may also lie beyond the block."""
        return language().min(row, self.product.rows - 1)

    def weight_at(self, k: Expr, column: Expr) -> Expr:
        """Index of W[k, column] in the packed weights."""
        return (self.group * self.depth + k) * self.padded + column

    def fetch(self, into: Memory, number: int, row: Expr, k: Expr) -> None:
        """Fetch A from k on into a register, zero beyond the depth."""
        source = self.source
        if self.depth == self.product.depth:
            into.store(number, source.fetch(self.code, row, self.group, k))
            return
        into.store(number, zero(source.lanes))
        with self.code.when(k < self.product.depth):
            into.store(number, source.fetch(self.code, row, self.group, k))

    def weights_at(self, k: Expr) -> list[list[Expr]]:
        """Load W[k + q, …] for q from 0 to 3, for each of the thread's vectors, from memory."""
        return [
            [self.weight.load(self.weight_at(k + q, self.column(j)), LANES) for q in range(LANES)]
            for j in range(self.tile.vectors)
        ]

    def multiply(self, a: Sequence[Sequence[Expr]], w: Sequence[Sequence[Expr]]) -> None:
        """Add four terms to each sum: a[row][q] * w[vector][q]."""
        bound = [[self.code.bind(vector) for vector in four] for four in w]
        for q in range(LANES):
            for i, elements in enumerate(a):
                for j, vectors in enumerate(bound):
                    at = i * self.tile.vectors + j
                    term = spread(elements[q], LANES) * vectors[q]
                    self.sums.store(at, self.sums.load(at) + term)

    # the end

    def _add_slices(self) -> None:
        """Add the sums of all slices in the first, through shared memory."""
        tile, code = self.tile, self.code
        count, team = tile.rows * tile.vectors, tile.across * tile.down

        def place(slice_: Expr, i: int) -> Expr:
            thread = self.down * tile.across + self.across
            return ((slice_ * count + i) * team + thread) * LANES

        code.barrier()  # the last tiles lie where the sums go
        with code.when(self.slice > 0):
            for i in range(count):
                self.shared.store(place(self.slice - 1, i), self.sums.load(i), LANES)
        code.barrier()
        with code.when(self.slice == 0), code.loop(tile.slices - 1) as other:
            for i in range(count):
                more = self.shared.load(place(other, i), LANES)
                self.sums.store(i, self.sums.load(i) + more)

    def _store(self) -> None:
        for i in range(self.tile.rows):
            row = self.row(i)
            with self.code.when(row < self.product.rows if self.rows_ragged() else True):
                for j in range(self.tile.vectors):
                    self._store_vector(row, i, j)

    def _store_vector(self, row: Expr, i: int, j: int) -> None:
        total = self.sums.load(i * self.tile.vectors + j)
        epilogue, column = self.gemm.epilogue, self.column(j)
        if epilogue.bias is not None:
            bias = self.code.parameters[epilogue.bias]
            total = total + bias.load(self.group * self.padded + column, LANES)
        total = self.code.bind(total)
        columns, residual = self.product.columns, epilogue.residual
        widths = [columns, epilogue.channels, *([residual.lanes] if residual else [])]
        lanes = next(n for n in (4, 2, 1) if all(width % n == 0 for width in widths))
        for number, part in enumerate(_parts(self.code, total, lanes)):
            first = column + number * lanes
            with self.code.when(True if columns == self.padded else first < columns):
                self._store_part(row, first, part, lanes)

    def _store_part(self, row: Expr, column: Expr, value: Expr, lanes: int) -> None:
        epilogue = self.gemm.epilogue
        channel = self.group * self.product.columns + column
        if epilogue.residual is not None:
            assert epilogue.residual.lanes == lanes
            value = value + epilogue.residual.load(self.code, row, channel)
        value = activated(self.code, value, epilogue.act, lanes)
        out = self.code.parameters[epilogue.out]
        out.store(row * epilogue.channels + channel, value, lanes)


def _parts(code: Code, vector: Expr, lanes: int) -> list[Expr]:
    """Split a vector of four into vectors of `lanes`, or scalars."""
    if lanes == LANES:
        return [vector]
    if lanes == 1:
        return [lane(vector, number, LANES) for number in range(LANES)]
    memory = code.registers(LANES)  # TVM prints invalid code for vectors composed of lanes
    memory.store(0, vector, LANES)
    return [memory.load(first, lanes) for first in range(0, LANES, lanes)]
