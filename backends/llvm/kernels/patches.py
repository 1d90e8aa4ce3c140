"""Convolutions with larger filters: a GEMM per output row over patches of the input.

Windows inside the image are read in place. Windows of border columns, which reach beyond the image,
are read from strips: copies of their pixels in scratch, padded with zeros. Output rows at the top
and bottom are read from a band: copies of input rows in scratch, with rows of zeros beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_code import emit_gemm
from mbc.backends.llvm.gemm_pack import pack
from mbc.backends.llvm.gemm_panels import (
    RowBlocks,
    best_tail,
    best_widths,
    panels_of,
    tile_rows,
)
from mbc.backends.llvm.gemm_runs import Run, joined, run_lengths
from mbc.backends.llvm.gemm_share import Pointers, Share
from mbc.backends.llvm.gemm_units import Panel, is_split
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, constant_array
from mbc.backends.llvm.kernels.byte_rows import ByteRows
from mbc.backends.llvm.kernels.copies import copy_bytes, copy_row, zero_bytes
from mbc.backends.llvm.kernels.linear import (
    contiguous,
    group_bias,
    group_slope,
    residual_pointer,
    shape_name,
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
    def has_band(self) -> bool:
        """Whether rows are read from the band: those of bytes, and of windows that reach above or
        below the image."""
        rows = (self.out.shape[1] - 1) * self.op.stride[0] + self.extent[0]
        return self.bytes is not None or self.op.pad[0] > 0 or rows > self.x.type.shape[1]

    @property
    def band_offset(self) -> int:
        """Byte offset of the band in scratch, after the strips."""
        return sum(map(self.strip_bytes, self.columns))

    @property
    def scratch_bytes(self) -> int:
        """Scratch of one thread, in bytes."""
        return self.band_offset + self.has_band * self.extent[0] * self.x.row_bytes

    @property
    def image_bytes(self) -> int:
        """Bytes of one image of the batch."""
        return self.x.bytes // self.x.type.shape[0]

    def runs(self, columns: Columns) -> tuple[tuple[Run, ...], ...]:
        """Return the runs of each group, taps in the order of the filter. Where units take several
        k-steps, each row of the filter has runs of its own: weights are packed for all columns."""
        op, each = self.op, self.x.type.channels // self.op.groups
        down = columns.width * self.x.pitch
        if columns.offset is None:
            down = op.dilation[0] * self.x.row_bytes // self.x.element_bytes
        size = self.x.element_bytes
        rows = range(0, self.kernel[0] * down, down)
        own = [
            [run.shifted(size * (row + group * each)) for row in rows for run in self._row_runs]
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
        (op.stride[1] * patches.x.pixel_bytes,),
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


def build_patch_conv(site: Site) -> Kernel:
    """Build a convolution that is neither pointwise nor depthwise; a task per turn."""
    node, out, residual = site.node, site.output, site.optional("residual")
    patches = patches_of(site.isa, node, site.input("x"), out.type)
    f = site.kernel_function()
    turns = out.type.shape[1] // patches.turn
    held = residual_pointer(site)
    rows = PatchRows(f, patches, "%scratch", out, residual)
    rows.clear()

    def turn(index: Count, _: list[str]) -> Sequence[str]:
        image, local = f.binary("udiv", index, turns), f.binary("urem", index, turns)
        x = f.offset("%x0", f.binary("mul", image, patches.image_bytes))
        rows.emit_turn(rows.down(Pointers((x,), "%w", "%y0", held), index), local)
        return []

    f.loop("%begin", "%end", [], turn)
    gemm = rows.gemms[0]
    name = f"f32_{patches.name}_{shape_name(gemm)}_w{out.type.shape[2]}"
    tasks = out.type.shape[0] * turns
    weights = pack_patches(gemm, node)
    return Kernel(site.library.define(name, f), tasks, patches.scratch_bytes, weights)


@dataclass(frozen=True)
class PatchRows:
    """The code of output rows under construction."""

    f: Function
    """The function that it goes to."""
    patches: Patches
    scratch: str
    """Address of the scratch of `patches`."""
    out: Buffer
    """Layout of the output rows."""
    residual: Buffer | None = None
    """Layout of the residual; None without one."""

    @property
    def gemms(self) -> list[Gemm]:
        """The schedules of `patches.columns`."""
        patches = self.patches
        return [patch_gemm(patches, c, self.out, self.residual) for c in patches.columns]

    def down(self, at: Pointers, turns: Count) -> Pointers:
        """Advance output and residual by turns."""
        rows = self.f.binary("mul", turns, self.patches.turn)
        held = self.f.binary("mul", rows, self.residual.row_bytes if self.residual else 0)
        return at.moved(self.f, 0, self.f.binary("mul", rows, self.out.row_bytes), held)

    def clear(self) -> None:
        """Zero the strips once; copies later overwrite all but their borders."""
        if self.patches.band_offset:
            zero_bytes(self.f, self.scratch, self.patches.band_offset)

    def emit_turn(self, at: Pointers, turn: Count) -> None:
        """Emit the rows of one turn; `at` has the addresses of the image, the weights, and the
        turn's output and residual."""
        f, patches = self.f, self.patches
        first = f.binary("mul", turn, patches.turn)
        (image,) = at.a

        def row(index: Count, values: list[str]) -> Sequence[str]:
            here = at.of([image, *values])
            self._emit_row(here, f.binary("add", first, index))
            held = self.residual.row_bytes if self.residual else 0
            return here.moved(f, 0, self.out.row_bytes, held).values[1:]

        f.loop(0, patches.turn, at.carried[1:], row)

    def _emit_row(self, at: Pointers, y: Count) -> None:
        f, patches = self.f, self.patches
        source = self._rows(at.a[0], y)
        for columns, gemm in zip(patches.columns, self.gemms, strict=True):
            if columns.offset is None:
                a = f.offset(source, columns.pixel * patches.x.pixel_bytes)
            else:
                a = f.offset(self.scratch, columns.offset)
                self._copy_strip(columns, source, a)
            held = columns.first * (gemm.residual_pitch or 0)
            here = at.moved(f, 0, columns.first * gemm.out_pitch, held)
            emit_gemm(f, gemm, here.with_a([a]), Share())

    def _copy_strip(self, columns: Columns, source: str, strip: str) -> None:
        f, patches = self.f, self.patches
        pixel, down = patches.x.pixel_bytes, patches.op.dilation[0] * patches.x.row_bytes
        first, end = max(columns.pixel, 0), columns.pixel + columns.width
        length = (min(end, patches.x.type.shape[2]) - first) * pixel
        target = (first - columns.pixel) * pixel
        if length <= 0:
            return
        for ky in range(patches.kernel[0]):
            to = f.offset(strip, ky * columns.width * pixel + target)
            copy_bytes(f, to, f.offset(source, ky * down + first * pixel), length)

    def _rows(self, image: str, y: Count) -> str:
        """Compute the address of the first input row under the windows of an output row: in the
        image, or in the band if some rows lie outside."""
        f, word, patches = self.f, self.f.isa.word, self.patches
        top = f.binary("mul", y, patches.op.stride[0])
        top = f.binary("sub", top, patches.op.pad[0])
        direct = f.offset(image, f.binary("mul", top, patches.x.row_bytes))
        if not patches.has_band:
            return direct
        band = f.offset(self.scratch, patches.band_offset)
        last = patches.x.type.shape[1] - patches.extent[0]  # top row of the lowest window inside
        if last < 0 or patches.bytes is not None:
            self._fill_band(image, band, top)
            return band
        inside = f.op(f"icmp ule {word} {top}, {last}")
        fill, go = f.label("band"), f.label("rows")
        before = f.block
        f.emit(f"br i1 {inside}, label %{go}, label %{fill}")
        f.start_block(fill)
        self._fill_band(image, band, top)
        after = f.block
        f.emit(f"br label %{go}")
        f.start_block(go)
        return f.op(f"phi ptr [ {direct}, %{before} ], [ {band}, %{after} ]")

    def _fill_band(self, image: str, band: str, top: Count) -> None:
        """Copy input rows from `top` on to the band, zeros for rows outside the image."""
        f, bytes = self.f, self.patches.bytes
        height, row_bytes = self.patches.x.type.shape[1], self.patches.x.row_bytes
        stored = row_bytes if bytes is None else bytes.source.row_bytes
        fill = None if bytes is None else partial(bytes.emit_row, f)

        def row(index: Count, _: list[str]) -> Sequence[str]:
            y = f.binary("add", top, index)
            target = f.offset(band, f.binary("mul", index, row_bytes))
            source = f.offset(image, f.binary("mul", y, stored))
            copy_row(f, y, height, target, source, row_bytes, fill)
            return []

        f.loop(0, self.patches.extent[0], [], row)
