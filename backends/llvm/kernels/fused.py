"""Fused bodies, streamed by rows: a depthwise convolution makes rows in scratch, the pointwise
convolution after it reads them there, so the tensor between them never exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm import Gemm, Pointers, Share, emit_gemm
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Buffer, Kernel, Site
from mbc.backends.llvm.kernels.linear import (
    RESIDUAL,
    pack_pointwise,
    pointwise_gemm,
    shape_name,
)
from mbc.backends.llvm.kernels.windows import define_rows, pack_window, window_name, window_of
from mbc.backends.llvm.window import Window, emit_row, image_rows
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ops import Conv2d, Fused
from mbc.ops.linear import is_depthwise, is_pointwise, present

SCRATCH_GOAL = 96 * 1024
ALIGNMENT = 64


@dataclass(frozen=True)
class DepthwisePointwise:
    """The two nodes of a dw_pw body."""

    depthwise: Node
    pointwise: Node


def as_depthwise_pointwise(node: Node) -> DepthwisePointwise | None:
    """The body's nodes if it is a depthwise convolution followed by a pointwise one."""
    if not isinstance(node.op, Fused):
        return None
    nodes = node.op.body.topo()
    if len(nodes) != 2 or not all(isinstance(n.op, Conv2d) for n in nodes):
        return None
    first, second = nodes
    chained = second.view(0).values == first.results and _is(first, True) and _is(second, False)
    return DepthwisePointwise(first, second) if chained else None


def _is(node: Node, depthwise: bool) -> bool:
    assert isinstance(node.op, Conv2d)
    test = is_depthwise if depthwise else is_pointwise
    return test(node.op, present(node.operand_types[1]))


def turn_rows(isa: Isa, middle: TensorType) -> int:
    """Output rows made at a time: as many as divide the height and keep the scratch small."""
    row = 4 * middle.shape[2] * isa.padded(middle.channels)
    fitting = [t for t in (4, 2, 1) if middle.shape[1] % t == 0 and t * row <= SCRATCH_GOAL]
    return fitting[0] if fitting else 1


def scratch_bytes(isa: Isa, middle: TensorType) -> int:
    """Scratch of one thread."""
    return turn_rows(isa, middle) * 4 * middle.shape[2] * isa.padded(middle.channels)


@dataclass(frozen=True)
class Plan:
    """The schedule of a dw_pw kernel: `turn` output rows at a time."""

    turn: int
    window: Window
    gemm: Gemm


def plan_depthwise_pointwise(
    isa: Isa, pair: DepthwisePointwise, x: Buffer, out: Buffer, residual: Buffer | None
) -> Plan:
    """Schedule of both halves over a shared scratch."""
    middle = Buffer.in_arena(pair.depthwise.result.type, isa)
    turn = turn_rows(isa, middle.type)
    window = window_of(isa, pair.depthwise, [x], middle)
    rows = turn * middle.type.shape[2]
    gemm = pointwise_gemm(isa, pair.pointwise, rows, [middle.pixel_bytes], out, residual)
    return Plan(turn, window, gemm)


def body_slot(node: Node, pair: DepthwisePointwise, residual: bool) -> int | None:
    """Which operand of the fused node is the depthwise input, or the residual."""
    assert isinstance(node.op, Fused)
    if not residual:
        return node.op.body.inputs.index(pair.depthwise.view(0).value)
    operands = pair.pointwise.operands
    if len(operands) <= RESIDUAL or operands[RESIDUAL] is None:
        return None
    return node.op.body.inputs.index(pair.pointwise.view(RESIDUAL).value)


def build_fused(site: Site) -> Kernel:
    """A dw_pw kernel; one task is one turn."""
    pair = as_depthwise_pointwise(site.node)
    if pair is None:
        raise TypeError("no kernel for this body")
    x_slot = body_slot(site.node, pair, residual=False) or 0
    residual_slot = body_slot(site.node, pair, residual=True)
    x, out = site.input(x_slot), site.output
    residual = None if residual_slot is None else site.input(residual_slot)
    plan = plan_depthwise_pointwise(site.isa, pair, x, out, residual)
    first = pack_window(plan.window, pair.depthwise)
    f = site.kernel_function()
    rows = define_rows(site.library, plan.window)
    held = None if residual_slot is None else site.pointers(residual_slot)[0]
    at = Pointers(site.pointers(x_slot), "%w", "%y0", held)
    _emit_turns(f, plan, rows, at, (x, out, residual), 4 * first.size)
    name = f"f32_dw_pw_{window_name(plan.window)}_{shape_name(plan.gemm)}"
    name = site.library.define(f"{name}_{plan.window.out_height}x{plan.window.out_width}", f)
    weights = np.concatenate([first, pack_pointwise(plan.gemm, pair.pointwise)])
    tasks = out.type.shape[0] * plan.window.out_height // plan.turn
    return Kernel(name, tasks, scratch_bytes(site.isa, pair.depthwise.result.type), weights)


def _emit_turns(
    f: Function,
    plan: Plan,
    rows: Sequence[str],
    at: Pointers,
    buffers: tuple[Buffer, Buffer, Buffer | None],
    pointwise_weights: int,
) -> None:
    x, out, residual = buffers
    window, turns = plan.window, plan.window.out_height // plan.turn
    weights = f.offset(at.weights, pointwise_weights)

    def turn(index: Count, _: list[str]) -> Sequence[str]:
        image, local = f.binary("udiv", index, turns), f.binary("urem", index, turns)
        source = f.offset(at.a[0], f.binary("mul", image, window.height * x.row_bytes))
        y = f.binary("mul", local, plan.turn)
        _emit_depthwise_rows(f, plan, rows, source, y)
        target = f.offset(at.out, f.binary("mul", index, plan.turn * out.row_bytes))
        held = None
        if residual is not None and at.residual is not None:
            held = f.offset(at.residual, f.binary("mul", index, plan.turn * residual.row_bytes))
        emit_gemm(f, plan.gemm, Pointers(("%scratch",), weights, target, held), Share())
        return []

    f.loop("%begin", "%end", [], turn)


def _emit_depthwise_rows(
    f: Function, plan: Plan, rows: Sequence[str], source: str, y: Count
) -> None:
    row_bytes = plan.window.out_width * plan.window.out_pixel

    def row(index: Count, at: list[str]) -> Sequence[str]:
        here = f.binary("add", y, index)
        lines = image_rows(f, plan.window, [source], here)
        emit_row(f, plan.window, rows, lines, "%w", at[0], str(here))
        return [f.offset(at[0], row_bytes)]

    f.loop(0, plan.turn, [("ptr", "%scratch")], row)
