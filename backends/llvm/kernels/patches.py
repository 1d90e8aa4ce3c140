"""Convolutions with larger filters: a GEMM an output row over patches of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm, Run, pack
from mbc.backends.llvm.gemm_code import Pointers, Share, emit_gemm
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, constant_array
from mbc.backends.llvm.kernels.linear import (
    RESIDUAL,
    contiguous,
    group_bias,
    residual_pointer,
    shape_name,
)
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ops import Conv2d
from mbc.ops.linear import present


@dataclass(frozen=True)
class Patches:
    """How a convolution reads its input: straight from it where nothing is padded, else from
    scratch that holds the input rows of `turn` output rows, zeros around."""

    x: Buffer
    kernel: tuple[int, int]
    op: Conv2d
    out: TensorType
    turn: int

    @property
    def direct(self) -> bool:
        """Whether no window leaves the image."""
        return not any(self.op.pad)

    @property
    def scratch_columns(self) -> int:
        """Pixels of a scratch row."""
        kw, stride, dilation = self.kernel[1], self.op.stride[1], self.op.dilation[1]
        reached = (self.out.shape[2] - 1) * stride + (kw - 1) * dilation + 1
        return max(reached, self.op.pad[2] + self.x.type.shape[2])

    @property
    def row_bytes(self) -> int:
        """Bytes from one input row to the next as the GEMM sees them."""
        columns = self.x.type.shape[2] if self.direct else self.scratch_columns
        return columns * self.x.pixel_bytes

    @property
    def scratch_rows(self) -> int:
        """Input rows that a turn needs."""
        return (self.turn - 1) * self.op.stride[0] + (self.kernel[0] - 1) * self.op.dilation[0] + 1

    @property
    def scratch_bytes(self) -> int:
        """Scratch of one thread."""
        return 0 if self.direct else self.scratch_rows * self.row_bytes

    @property
    def image_bytes(self) -> int:
        """Bytes of one image of the batch."""
        return self.x.bytes // self.x.type.shape[0]

    def runs(self) -> tuple[tuple[Run, ...], ...]:
        """Runs of each group, taps in the order of the filter."""
        op, each = self.op, self.x.type.channels // self.op.groups
        taps = [
            ky * op.dilation[0] * self.row_bytes // 4 + kx * op.dilation[1] * self.x.pitch
            for ky in range(self.kernel[0])
            for kx in range(self.kernel[1])
        ]
        return tuple(
            contiguous([tap + group * each + c for tap in taps for c in range(each)])
            for group in range(op.groups)
        )

    @property
    def name(self) -> str:
        """Kernel and stride."""
        return f"conv{self.kernel[0]}x{self.kernel[1]}s{self.op.stride[0]}"


def patches_of(node: Node, x: Buffer, out: TensorType, turn: int | None = None) -> Patches:
    """The patch reader of a convolution; by default a few rows a turn."""
    assert isinstance(node.op, Conv2d)
    kh, kw = present(node.operand_types[1]).shape[:2]
    if turn is None:
        turn = next(t for t in (4, 2, 1) if out.shape[1] % t == 0)
    return Patches(x, (kh, kw), node.op, out, turn)


def patch_gemm(isa: Isa, patches: Patches, out: Buffer, residual: Buffer | None) -> Gemm:
    """The schedule of one output row."""
    op = patches.op
    return Gemm(
        isa,
        patches.out.shape[2],
        (op.stride[1] * patches.x.pixel_bytes,),
        patches.runs(),
        patches.out.channels // op.groups,
        out.pixel_bytes,
        min(out.room, residual.room if residual else out.room),
        op.act,
        residual.pixel_bytes if residual else None,
    )


def pack_patches(gemm: Gemm, node: Node) -> np.ndarray:
    """Packed panels of a convolution."""
    weight = constant_array(node.operands[1], ())
    weight = weight.reshape(-1, len(gemm.groups), gemm.columns).transpose(1, 0, 2)
    return pack(gemm, weight, group_bias(gemm, node))


def build_patch_conv(site: Site) -> Kernel:
    """Any convolution that is neither pointwise nor depthwise; one task a turn."""
    node, out, residual = site.node, site.output, site.optional(RESIDUAL)
    patches = patches_of(node, site.input(0), out.type)
    gemm = patch_gemm(site.isa, patches, out, residual)
    f = site.kernel_function()
    turns = out.type.shape[1] // patches.turn
    held = residual_pointer(site)
    clear_borders(f, patches, "%scratch")

    def turn(index: Count, _: list[str]) -> Sequence[str]:
        image, local = f.binary("udiv", index, turns), f.binary("urem", index, turns)
        x = f.offset("%x0", f.binary("mul", image, patches.image_bytes))
        at = Pointers((x,), "%w", "%y0", held)
        rows = f.binary("mul", index, patches.turn)
        at = at.moved(
            f,
            0,
            f.binary("mul", rows, out.row_bytes),
            f.binary("mul", rows, residual.row_bytes if residual else 0),
        )
        emit_patch_turn(f, patches, gemm, at, "%scratch", local, (out, residual))
        return []

    f.loop("%begin", "%end", [], turn)
    name = site.library.define(f"f32_{patches.name}_{shape_name(gemm)}_w{gemm.rows}", f)
    tasks = out.type.shape[0] * turns
    return Kernel(name, tasks, patches.scratch_bytes, pack_patches(gemm, node))


def clear_borders(f: Function, patches: Patches, scratch: str) -> None:
    """Zero the scratch once; turns overwrite all but the borders."""
    if not patches.direct:
        _zero(f, scratch, patches.scratch_bytes)


def emit_patch_turn(
    f: Function,
    patches: Patches,
    gemm: Gemm,
    at: Pointers,
    scratch: str,
    turn: Count,
    buffers: tuple[Buffer, Buffer | None],
) -> None:
    """The rows of one turn; `at` has the image, the weights and the turn's output and residual."""
    first = f.binary("mul", turn, patches.turn * patches.op.stride[0])
    if patches.direct:
        source = f.offset(at.a[0], f.binary("mul", first, patches.row_bytes))
    else:
        _emit_fill(f, patches, at.a[0], scratch, first)
        source = scratch
    out, residual = buffers

    def row(_: Count, values: list[str]) -> Sequence[str]:
        here = at.of(values)
        emit_gemm(f, gemm, here, Share())
        after = here.moved(f, 0, out.row_bytes, residual.row_bytes if residual else 0)
        down = patches.op.stride[0] * patches.row_bytes
        return after.with_a([f.offset(a, down) for a in here.a]).values

    f.loop(0, patches.turn, at.with_a([source]).carried, row)


def _emit_fill(f: Function, patches: Patches, x: str, scratch: str, first: Count) -> None:
    """Copy the input rows of a turn into scratch, zeros where they lie outside the image. `first`
    counts input rows from the top padding on."""
    height, row_bytes = patches.x.type.shape[1], patches.x.row_bytes
    word, pad = f.isa.word, patches.op.pad

    def row(index: Count, _: list[str]) -> Sequence[str]:
        y = f.binary("sub", f.binary("add", first, index), pad[0])
        target = f.offset(scratch, f.binary("mul", index, patches.row_bytes))
        target = f.offset(target, pad[2] * patches.x.pixel_bytes)
        inside = f.op(f"icmp ult {word} {y}, {height}")
        copy, clear, leave = f.label("copy"), f.label("clear"), f.label("filled")
        f.emit(f"br i1 {inside}, label %{copy}, label %{clear}")
        f.start_block(copy)
        source = f.offset(x, f.binary("mul", y, row_bytes))
        arguments = f"ptr {target}, ptr {source}, {word} {row_bytes}, i1 false"
        f.emit(f"call void @llvm.memcpy.p0.p0.{word}({arguments})")
        f.emit(f"br label %{leave}")
        f.start_block(clear)
        _zero(f, target, row_bytes)
        f.emit(f"br label %{leave}")
        f.start_block(leave)
        return []

    f.loop(0, patches.scratch_rows, [], row)


def _zero(f: Function, pointer: str, bytes: int) -> None:
    word = f.isa.word
    f.emit(f"call void @llvm.memset.p0.{word}(ptr {pointer}, i8 0, {word} {bytes}, i1 false)")
