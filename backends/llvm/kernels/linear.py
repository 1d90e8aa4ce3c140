"""Convolutions and dense layers on the GEMM core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm, Pointers, Run, Share, emit_gemm, pack
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site, constant_array
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.ops import Conv2d, Dense
from mbc.ops.linear import is_pointwise, present

RESIDUAL = 3


@dataclass(frozen=True)
class GroupOrder:
    """For each group of a grouped 1x1: the runs of stored channels that it reads, and the order in
    which it reads its own channels (by source, ascending in memory)."""

    runs: tuple[tuple[Run, ...], ...]
    order: tuple[tuple[int, ...], ...]


def group_order(view: ChannelView, groups: int) -> GroupOrder:
    """How the channels that each group reads lie in memory."""
    source = {value: i for i, value in enumerate(view.values)}
    stored = [(source[value], channel) for value, channel in view.channels]
    each = len(stored) // groups
    orders, runs = [], []
    for group in range(groups):
        own = stored[group * each : (group + 1) * each]
        order = tuple(sorted(range(each), key=own.__getitem__))
        orders.append(order)
        runs.append(source_runs([own[c] for c in order]))
    return GroupOrder(tuple(runs), tuple(orders))


def source_runs(channels: Sequence[tuple[int, int]]) -> tuple[Run, ...]:
    """Runs of (source, channel) pairs that are in order."""
    return tuple(
        run
        for source, group in groupby(channels, key=itemgetter(0))
        for run in contiguous([channel for _, channel in group], source)
    )


def contiguous(channels: Sequence[int], source: int = 0) -> tuple[Run, ...]:
    """Maximal runs of ascending channels."""
    runs: list[Run] = []
    for channel in channels:
        if runs and runs[-1].offset + 4 * runs[-1].length == 4 * channel:
            runs[-1] = runs[-1]._replace(length=runs[-1].length + 1)
        else:
            runs.append(Run(4 * channel, 1, source))
    return tuple(runs)


def pointwise_gemm(
    isa: Isa,
    node: Node,
    rows: int,
    a_pitches: Sequence[int],
    out: Buffer,
    residual: Buffer | None,
) -> Gemm:
    """The schedule of a 1x1 convolution (grouped or not) or dense layer over `rows` pixels; one
    pitch a value that its view reads."""
    assert isinstance(node.op, Conv2d | Dense)
    groups = node.op.groups if isinstance(node.op, Conv2d) else 1
    return Gemm(
        isa,
        rows,
        tuple(a_pitches),
        group_order(node.view(0), groups).runs,
        out.type.channels // groups,
        out.pixel_bytes,
        node.op.act,
        residual.pixel_bytes if residual else None,
    )


def pack_pointwise(gemm: Gemm, node: Node) -> np.ndarray:
    """Packed panels of a 1x1 convolution or dense layer, rows in the order of the view's runs."""
    groups = len(gemm.groups)
    order = group_order(node.view(0), groups).order
    weight = constant_array(node.operands[1], ())
    weight = weight.reshape(-1, groups, gemm.columns).transpose(1, 0, 2)
    weight = np.stack([w[list(o)] for w, o in zip(weight, order, strict=True)])
    return pack(gemm, weight, group_bias(gemm, node))


def group_bias(gemm: Gemm, node: Node) -> np.ndarray:
    """Bias as [groups, columns]."""
    groups = len(gemm.groups)
    bias = node.operands[2] if len(node.operands) > 2 else None
    return constant_array(bias, (groups * gemm.columns,)).reshape(groups, gemm.columns)


def residual_pointer(site: Site) -> str | None:
    """The kernel's parameter with the residual's address, if there is one."""
    return site.pointers(RESIDUAL)[0] if site.optional(RESIDUAL) else None


def build_pointwise(site: Site) -> Kernel:
    """1x1 stride-1 convolution or dense layer: all pixels are the rows of one GEMM."""
    node, sources, residual = site.node, site.inputs[0], site.optional(RESIDUAL)
    pitches = [source.pixel_bytes for source in sources]
    gemm = pointwise_gemm(site.isa, node, sources[0].pixels, pitches, site.output, residual)
    f = site.kernel_function()
    at = Pointers(site.pointers(0), "%w", "%y0", residual_pointer(site))
    emit_gemm(f, gemm, at, Share("%begin", "%end", gemm.tasks))
    name = site.library.define(f"f32_{linear_name(node, gemm)}_m{gemm.rows}", f)
    return Kernel(name, gemm.tasks, 0, pack_pointwise(gemm, node))


def linear_name(node: Node, gemm: Gemm) -> str:
    """Kind, depth, columns, groups and epilogue, as kernel names have them."""
    kind = "fc" if isinstance(node.op, Dense) else "pw"
    return f"{kind}_{shape_name(gemm)}"


def shape_name(gemm: Gemm) -> str:
    """Depth, columns, groups and epilogue."""
    groups = f"_g{len(gemm.groups)}" if len(gemm.groups) > 1 else ""
    residual = "_add" if gemm.residual_pitch is not None else ""
    act = "" if gemm.act == "none" else f"_{gemm.act}"
    return f"{gemm.depth}x{gemm.columns}{groups}{residual}{act}"


@dataclass(frozen=True)
class Patches:
    """How a KxK convolution reads its input: straight from it where nothing is padded, else from
    scratch that holds the input rows of `turn` output rows, zeros around."""

    x: Buffer
    kernel: tuple[int, int]
    op: Conv2d
    out: TensorType

    @property
    def direct(self) -> bool:
        """Whether no window leaves the image."""
        return not any(self.op.pad)

    @property
    def turn(self) -> int:
        """Output rows that share one filling of the scratch."""
        return next(t for t in (4, 2, 1) if self.out.shape[1] % t == 0)

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

    def runs(self) -> tuple[tuple[Run, ...], ...]:
        """Runs of each group, taps in the order of the filter."""
        op, each = self.op, self.x.type.channels // self.op.groups
        result = []
        for group in range(op.groups):
            taps = [
                ky * op.dilation[0] * self.row_bytes // 4 + kx * op.dilation[1] * self.x.pitch
                for ky in range(self.kernel[0])
                for kx in range(self.kernel[1])
            ]
            result.append(contiguous([t + group * each + c for t in taps for c in range(each)]))
        return tuple(result)


def patches_of(node: Node, x: Buffer, out: TensorType) -> Patches:
    """The patch reader of a KxK convolution."""
    assert isinstance(node.op, Conv2d)
    kh, kw = present(node.operand_types[1]).shape[:2]
    return Patches(x, (kh, kw), node.op, out)


def build_patch_conv(site: Site) -> Kernel:
    """Any other convolution: a GEMM per output row over patches."""
    node, out, residual = site.node, site.output, site.optional(RESIDUAL)
    assert isinstance(node.op, Conv2d)
    patches = patches_of(node, site.input(0), out.type)
    gemm = Gemm(
        site.isa,
        out.type.shape[2],
        (node.op.stride[1] * patches.x.pixel_bytes,),
        patches.runs(),
        out.type.channels // node.op.groups,
        out.pixel_bytes,
        node.op.act,
        residual.pixel_bytes if residual else None,
    )
    f = site.kernel_function()
    _emit_patch_turns(f, patches, gemm, out, residual)
    kh, kw = patches.kernel
    stride = node.op.stride[0]
    name = site.library.define(f"f32_conv{kh}x{kw}s{stride}_{shape_name(gemm)}_w{gemm.rows}", f)
    tasks = out.type.shape[0] * out.type.shape[1] // patches.turn
    return Kernel(name, tasks, patches.scratch_bytes, pack_patches(gemm, node))


def pack_patches(gemm: Gemm, node: Node) -> np.ndarray:
    """Packed panels of a KxK convolution."""
    weight = constant_array(node.operands[1], ())
    groups = len(gemm.groups)
    weight = weight.reshape(-1, groups, gemm.columns).transpose(1, 0, 2)
    return pack(gemm, weight, group_bias(gemm, node))


def _emit_patch_turns(
    f: Function, patches: Patches, gemm: Gemm, out: Buffer, residual: Buffer | None
) -> None:
    turns = out.type.shape[1] // patches.turn
    if not patches.direct:
        _zero(f, "%scratch", patches.scratch_bytes)

    def turn(index: Count, _: list[str]) -> Sequence[str]:
        image, local = f.binary("udiv", index, turns), f.binary("urem", index, turns)
        x = f.offset("%x0", f.binary("mul", image, patches.x.type.shape[1] * patches.x.row_bytes))
        source = x if patches.direct else "%scratch"
        first = f.binary("mul", local, patches.turn * patches.op.stride[0])
        if patches.direct:
            source = f.offset(source, f.binary("mul", first, patches.row_bytes))
        else:
            _emit_fill(f, patches, x, first)
        y = f.offset("%y0", f.binary("mul", index, patches.turn * out.row_bytes))
        held = None
        if residual:
            held = f.offset("%x1", f.binary("mul", index, patches.turn * residual.row_bytes))
        _emit_turn_rows(f, patches, gemm, Pointers((source,), "%w", y, held), out, residual)
        return []

    f.loop("%begin", "%end", [], turn)


def _emit_turn_rows(
    f: Function, patches: Patches, gemm: Gemm, at: Pointers, out: Buffer, residual: Buffer | None
) -> None:
    def row(_: Count, values: list[str]) -> Sequence[str]:
        here = at.of(values)
        emit_gemm(f, gemm, here, Share())
        after = here.moved(f, 0, out.row_bytes, residual.row_bytes if residual else 0)
        down = patches.op.stride[0] * patches.row_bytes
        return after.with_a([f.offset(a, down) for a in here.a]).values

    f.loop(0, patches.turn, at.carried, row)


def _emit_fill(f: Function, patches: Patches, x: str, first: Count) -> None:
    """Copy the input rows of a turn into scratch, zeros where they lie outside the image. `first`
    counts input rows from the top padding on."""
    height, row_bytes = patches.x.type.shape[1], patches.x.row_bytes
    word, pad = f.isa.word, patches.op.pad

    def row(index: Count, _: list[str]) -> Sequence[str]:
        y = f.binary("sub", f.binary("add", first, index), pad[0])
        target = f.offset("%scratch", f.binary("mul", index, patches.row_bytes))
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


def is_gemm_rows(node: Node) -> bool:
    """Whether all pixels of the node are rows of one GEMM."""
    match node.op:
        case Dense():
            return True
        case Conv2d() as op:
            return is_pointwise(op, present(node.operand_types[1]))
        case _:
            return False
