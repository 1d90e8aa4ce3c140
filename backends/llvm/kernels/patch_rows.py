"""Code of convolutions with larger filters, an output row at a time: copies of what lies at the
border, and the products of `patches`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm
from mbc.backends.llvm.gemm_code import emit_gemm
from mbc.backends.llvm.gemm_share import Pointers, Share
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site
from mbc.backends.llvm.kernels.copies import copy_bytes, copy_row, zero_bytes
from mbc.backends.llvm.kernels.linear import residual_pointer, shape_name
from mbc.backends.llvm.kernels.patches import (
    Columns,
    Patches,
    pack_patches,
    patch_gemm,
    patches_of,
)
from mbc.records import dataclass

Lines = Callable[[Count], Sequence[str]]
"""Computes the addresses of the rows of a window, by the number of the output row."""


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
        if self.patches.cleared_bytes:
            zero_bytes(self.f, self.scratch, self.patches.cleared_bytes)

    def emit_turn(self, at: Pointers, turn: Count, lines: Lines | None = None) -> None:
        """Emit the rows of one turn; `at` has the addresses of the image, the weights, and the
        turn's output and residual. With `lines` there is no image: they are what windows cover."""
        f, patches = self.f, self.patches
        first = f.binary("mul", turn, patches.turn)
        (image,) = at.a
        lines = lines or partial(self._lines, image)

        def row(index: Count, values: list[str]) -> Sequence[str]:
            here = at.of([image, *values])
            self._emit_row(here, lines(f.binary("add", first, index)))
            held = self.residual.row_bytes if self.residual else 0
            return here.moved(f, 0, self.out.row_bytes, held).values[1:]

        f.loop(0, patches.turn, at.carried[1:], row)

    def _emit_row(self, at: Pointers, lines: Sequence[str]) -> None:
        f, patches = self.f, self.patches
        for columns, gemm in zip(patches.columns, self.gemms, strict=True):
            if columns.offset is None:
                pixel = columns.pixel * patches.x.pixel_bytes
                a = [f.offset(line, pixel) for line in lines[: patches.sources(columns)]]
            else:
                a = [f.offset(self.scratch, columns.offset)]
                self._copy_strip(columns, lines, a[0])
            held = columns.first * (gemm.residual_pitch or 0)
            here = at.moved(f, 0, columns.first * gemm.out_pitch, held)
            emit_gemm(f, gemm, here.with_a(a), Share())

    def _copy_strip(self, columns: Columns, lines: Sequence[str], strip: str) -> None:
        f, patches = self.f, self.patches
        pixel = patches.x.pixel_bytes
        first, end = max(columns.pixel, 0), columns.pixel + columns.width
        length = (min(end, patches.x.type.shape[2]) - first) * pixel
        target = (first - columns.pixel) * pixel
        if length <= 0:
            return
        for ky, line in enumerate(lines):
            to = f.offset(strip, ky * columns.width * pixel + target)
            copy_bytes(f, to, f.offset(line, first * pixel), length)

    def _lines(self, image: str, y: Count) -> list[str]:
        """Compute the addresses of the rows of an image under the windows of an output row."""
        down = self.patches.op.dilation[0] * self.patches.x.row_bytes
        first = self._rows(image, y)
        return [self.f.offset(first, ky * down) for ky in range(self.patches.kernel[0])]

    def zeros(self) -> str:
        """Return the address of the row of zeros that is read beyond the image."""
        return self.f.offset(self.scratch, self.patches.band_offset)

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
