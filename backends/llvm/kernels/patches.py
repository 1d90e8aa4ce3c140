"""Convolutions with larger filters: a GEMM per output row over patches of the input.

Windows inside the image are read in place. Windows of border columns, which reach beyond the image,
are read from strips: copies of their pixels in scratch, padded with zeros. Output rows at the top
and bottom are read from a band: copies of input rows in scratch, with rows of zeros beyond. In a
chain the rows lie in the ring of the op before, so each row of the filter has an address of its
own, that of a row of zeros beyond the image.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_pack import pack
from mbc.backends.llvm.gemm_panels import (
    RowBlocks,
    best_tail,
    best_widths,
    panels_of,
    tile_rows,
)
from mbc.backends.llvm.gemm_runs import Run, joined, run_lengths
from mbc.backends.llvm.gemm_units import Panel, is_split
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, constant_array
from mbc.backends.llvm.kernels.byte_rows import ByteRows
from mbc.backends.llvm.kernels.linear import (
    contiguous,
    group_bias,
    group_slope,
)
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ops import Conv2d
from mbc.ops.linear import present
from mbc.records import dataclass
from mbc.schedules import Turns


@dataclass(frozen=True)
class Columns:
    """Consecutive output columns, and the input columns that their windows cover."""

    first: int
    """First output column."""
    count: int
    """Number of output columns."""
    pixel: int
    """First input column; negative to the left of the image."""
    width: int
    """Number of input columns."""
    offset: int | None = None
    """Byte offset of their strip in scratch; None if they are read in place."""


@dataclass(frozen=True)
class Patches:
    """How a convolution reads its input."""

    isa: Isa
    """The vector unit."""
    x: Buffer
    """Layout of the input."""
    kernel: tuple[int, int]
    """Filter rows and columns."""
    op: Conv2d
    """The convolution."""
    out: TensorType
    """Type of the result."""
    turn: int
    """Output rows of a task."""
    slopes: bool = False
    """Whether the convolution has slopes."""
    bytes: ByteRows | None = None
    """The image of bytes that rows of the input are made of, in the band; None: they are stored."""
    apart: bool = False
    """Whether the rows of a window have addresses of their own, as those of a ring."""

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns that a window spans."""
        (kh, kw), (dy, dx) = self.kernel, self.op.dilation
        return (kh - 1) * dy + 1, (kw - 1) * dx + 1

    @property
    def panels(self) -> tuple[int, ...]:
        """Panel widths of a group, the same for all columns."""
        lengths = self._row_lengths * self.kernel[0]
        return best_widths(self.isa, self.outputs, self.tail, lengths, self.out.shape[2])

    @property
    def outputs(self) -> int:
        """Output channels of a group."""
        return self.out.channels // self.op.groups

    @cached_property
    def tail(self) -> Panel:
        """Units of a group's last channels, the same for all columns."""
        return best_tail(self.isa, self.outputs, self._row_lengths * self.kernel[0])

    @property
    def _row_lengths(self) -> tuple[int, ...]:
        """Lengths of a group's runs in a row of the filter."""
        return run_lengths(self._row_runs)

    @cached_property
    def _row_runs(self) -> tuple[Run, ...]:
        """Runs of a group in a row of the filter."""
        taps = [kx * self.op.dilation[1] * self.x.pitch for kx in range(self.kernel[1])]
        each = range(self.x.type.channels // self.op.groups)
        return contiguous([tap + c for tap in taps for c in each], self.x.element_bytes)

    @property
    def columns(self) -> tuple[Columns, ...]:
        """The output columns from left to right: a strip of whole tiles at each border with
        padding, the others between them; one strip for all if columns are too few."""
        cols, width, stride = self.out.shape[2], self.x.type.shape[2], self.op.stride[1]
        panel = panels_of(self.isa, self.outputs, self.tail, self.panels)[0]
        tile = RowBlocks.balanced(cols, tile_rows(self.isa, panel)).tall
        fitting = (width + self.op.pad[2] - self.extent[1]) // stride + 1
        left = -(-self.op.pad[2] // stride)
        left, right = (-(-n // tile) * tile for n in (left, max(cols - fitting, 0)))
        if left + right == 0:
            return (self._columns(0, cols),)
        if left + tile + right > cols:
            return (self._columns(0, cols, 0),)
        found = [self._columns(0, left, 0)] if left else []
        found.append(self._columns(left, cols - left - right))
        used = self.strip_bytes(found[0]) if left else 0
        return (*found, *([self._columns(cols - right, right, used)] if right else ()))

    def _columns(self, first: int, count: int, offset: int | None = None) -> Columns:
        stride = self.op.stride[1]
        width = (count - 1) * stride + self.extent[1]
        return Columns(first, count, first * stride - self.op.pad[2], width, offset)

    def strip_bytes(self, columns: Columns) -> int:
        """Return the bytes of the strip of some columns; 0 if they are read in place."""
        rows = 0 if columns.offset is None else self.kernel[0]
        return rows * columns.width * self.x.pixel_bytes

    @property
    def reaches_out(self) -> bool:
        """Whether windows reach above or below the image."""
        rows = (self.out.shape[1] - 1) * self.op.stride[0] + self.extent[0]
        return self.op.pad[0] > 0 or rows > self.x.type.shape[1]

    @property
    def has_band(self) -> bool:
        """Whether rows are read from the band: those of bytes, and of windows that reach out."""
        return not self.apart and (self.bytes is not None or self.reaches_out)

    @property
    def band_offset(self) -> int:
        """Byte offset of the band, or of the row of zeros, in scratch, after the strips."""
        return sum(map(self.strip_bytes, self.columns))

    @property
    def scratch_bytes(self) -> int:
        """Scratch of one thread, in bytes."""
        rows = self.extent[0] if self.has_band else int(self.apart and self.reaches_out)
        return self.band_offset + rows * self.x.row_bytes

    @property
    def cleared_bytes(self) -> int:
        """Bytes at the start of scratch that begin as zeros."""
        return self.scratch_bytes if self.apart else self.band_offset

    @property
    def image_bytes(self) -> int:
        """Bytes of one image of the batch."""
        return self.x.bytes // self.x.type.shape[0]

    def sources(self, columns: Columns) -> int:
        """Return how many addresses the windows of some columns are read from."""
        return self.kernel[0] if self.apart and columns.offset is None else 1

    def runs(self, columns: Columns) -> tuple[tuple[Run, ...], ...]:
        """Return the runs of each group, taps in the order of the filter. Where units take several
        k-steps, each row of the filter has runs of its own: weights are packed for all columns."""
        op, each = self.op, self.x.type.channels // self.op.groups
        down = columns.width * self.x.pitch
        if columns.offset is None:
            down = op.dilation[0] * self.x.row_bytes // self.x.element_bytes
        size, apart = self.x.element_bytes, self.sources(columns) > 1
        rows = [(ky, 0) if apart else (0, ky * down) for ky in range(self.kernel[0])]
        own = [
            [
                run.shifted(size * (row + group * each))._replace(source=source)
                for source, row in rows
                for run in self._row_runs
            ]
            for group in range(op.groups)
        ]
        return tuple(tuple(runs if is_split(self.tail) else joined(runs, size)) for runs in own)

    @property
    def name(self) -> str:
        """Filter size and stride, for names of kernels."""
        of_bytes = "" if self.bytes is None else "_u8"
        return f"conv{self.kernel[0]}x{self.kernel[1]}s{self.op.stride[0]}{of_bytes}"


def patches_of(
    isa: Isa, node: Node, x: Buffer, out: TensorType, turn: int | None = None
) -> Patches:
    """Return the patch reader of a convolution in turns of `turn` rows, by default those of its
    schedule."""
    assert isinstance(node.op, Conv2d)
    kh, kw = present(node.type_of("weight")).shape[:2]
    if turn is None:
        chosen = node.schedule if isinstance(node.schedule, Turns) else patch_schedules(out)[0]
        turn = chosen.rows
    isa = isa.of_product(out.channels // node.op.groups)
    return Patches(isa, x, (kh, kw), node.op, out, turn, node["slope"] is not None)


def patch_schedules(out: TensorType) -> tuple[Turns, ...]:
    """List the schedules of a convolution by the type of its result, the default first."""
    return tuple(Turns(rows) for rows in (4, 2, 1) if out.shape[1] % rows == 0)


def patch_gemm(
    patches: Patches, columns: Columns, out: Buffer, residual: Buffer | None = None
) -> Gemm:
    """Schedule some columns of an output row."""
    op = patches.op
    return Gemm(
        patches.isa,
        columns.count,
        (op.stride[1] * patches.x.pixel_bytes,) * patches.sources(columns),
        patches.runs(columns),
        patches.outputs,
        out.pixel_bytes,
        min(out.room, residual.room if residual else out.room),
        op.act,
        residual.pixel_bytes if residual else None,
        patches.panels,
        patches.tail,
        slopes=patches.slopes,
    )


def pack_patches(gemm: Gemm, node: Node) -> np.ndarray:
    """Pack the panels of a convolution."""
    weight = constant_array(node["weight"], ())
    weight = weight.reshape(-1, len(gemm.groups), gemm.columns).transpose(1, 0, 2)
    return pack(gemm, weight, group_bias(gemm, node), group_slope(gemm, node))
