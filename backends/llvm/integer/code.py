"""The code of a product of integers: turns of rows, groups, panels and register tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm_share import Share
from mbc.backends.llvm.integer.product import Places, Product
from mbc.backends.llvm.integer.tile import emit_tile
from mbc.records import dataclass

Convert = Callable[[Function, Count, Count, str], None]
"""Emits the conversion of rows `first` … `last`-1 to an address."""


def emit_product(f: Function, product: Product, convert: Convert, at: Places, share: Share) -> None:
    """Emit the share's rows, a turn at a time: A is converted if need be, then multiplied."""
    blocks = product.blocks
    first, last = (0, blocks.count) if share.by_panels else share.blocks(f, blocks.count, 0)

    def turn(block: Count, _: list[str]) -> Sequence[str]:
        end = f.clamp("min", f.binary("add", block, product.turn), last)
        row = _row_of(f, product, block)
        a = f.binary("mul", row, product.direct)
        if not product.direct:
            convert(f, row, _row_of(f, product, end), at.a)
        out = f.binary("mul", row, product.out_pitch)
        held = f.binary("mul", row, product.residual_pitch)
        _Turn(f, product, share, block, end).groups(at.moved(f, a, 0, out, held))
        return []

    f.loop(first, last, [], turn, step=product.turn)


def _row_of(f: Function, product: Product, block: Count) -> Count:
    """Compute the first row of a block."""
    blocks = product.blocks
    row = f.binary("mul", block, blocks.tall)
    if blocks.tall_count == blocks.count:
        return row
    after = f.clamp("max", block, blocks.tall_count)
    return f.binary("sub", row, f.binary("sub", after, blocks.tall_count))


class _Kind(NamedTuple):
    """A kind of panel."""

    width: int
    """Vectors."""
    last: int | None
    """Lanes of the last vector that are stored; None for all."""


@dataclass(frozen=True)
class _Turn:
    """The code of some row blocks whose A has been converted."""

    f: Function
    product: Product
    share: Share
    """What the call does."""
    first: Count
    """First row block."""
    end: Count
    """The one after the last."""

    def groups(self, at: Places) -> None:
        """Emit all groups."""
        product = self.product
        across = product.finish.element.bytes * product.columns

        def group(_: Count, here: Places) -> Places:
            self._panels(here)
            return here.moved(self.f, product.group_a, product.group_bytes, across, product.columns)

        self._loop(0, product.groups, at, group)

    def _loop(
        self, start: Count, stop: Count, at: Places, body: Callable[[Count, Places], Places]
    ) -> Places:
        """Emit a loop that carries addresses."""
        carried = [("ptr", value) for value in at.values]
        return at.of(self.f.loop(start, stop, carried, lambda i, v: body(i, at.of(v)).values))

    def _panels(self, at: Places) -> None:
        """Emit panels of one kind in a loop."""
        start, kinds = 0, list[_Kind]()
        for width in self.product.widths:
            start += width
            kinds.append(_Kind(width, self.product.lanes((start - 1) * self.product.isa.lanes)))
        index = 0
        for kind, same in groupby(kinds):
            count = len(list(same))
            at = self._alike(kind, index, count, at)
            index += count

    def _alike(self, kind: _Kind, index: int, count: int, at: Places) -> Places:
        """Emit the share's part of panels index … index+count-1, which are equal; returns the
        addresses of the next ones."""
        f, columns = self.f, kind.width * self.product.isa.lanes
        across = self.product.finish.element.bytes * columns
        packed = self.product.packed_bytes(kind.width)
        begin, end = self.share.panels(f, index, count)

        def moved(here: Places, panels: Count) -> Places:
            steps = (f.binary("mul", panels, size) for size in (packed, across, columns))
            return here.moved(f, 0, *steps)

        def panel(_: Count, here: Places) -> Places:
            self._blocks(kind, here)
            return moved(here, 1)

        self._loop(begin, end, moved(at, begin), panel)
        return moved(at, count)

    def _blocks(self, kind: _Kind, at: Places) -> None:
        """Emit the register tiles of a panel: those of tall blocks, then the others."""
        f, blocks = self.f, self.product.blocks
        middle = f.clamp("min", self.end, blocks.tall_count)
        at = self._tiles(kind, blocks.tall, self.first, middle, at)
        if blocks.tall_count < blocks.count:
            start = f.clamp("max", self.first, blocks.tall_count)
            self._tiles(kind, blocks.tall - 1, start, self.end, at)

    def _tiles(self, kind: _Kind, height: int, start: Count, stop: Count, at: Places) -> Places:
        product = self.product
        down = (height * product.a_pitch, 0, height * product.out_pitch)

        def tile(_: Count, here: Places) -> Places:
            emit_tile(self.f, product, height, kind.width, kind.last, here)
            return here.moved(self.f, *down, height * product.residual_pitch)

        return self._loop(start, stop, at, tile)
