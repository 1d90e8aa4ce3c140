"""Ops on each element: activations, addition, batch norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mbc.backends.llvm.activations import activate
from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Kernel, Site, constant_array
from mbc.backends.llvm.vectors import arithmetic, fma, load, store
from mbc.ir.graph import Node
from mbc.ops import Activate, Add, BatchNorm
from mbc.ops.elementwise import NORM
from mbc.ops.normalisation import scale_and_shift

Vector = Callable[[Function, list[str], int | None], str]
"""From the addresses of a channel vector in each operand, then in the weights if there are any, and
the lanes of a narrow one, to the result."""


def _vector(node: Node) -> Vector:
    match node.op:
        case Activate(act=act):
            return lambda f, at, lanes: activate(f, load(f, at[0], 0, lanes), act)
        case Add(act=act):
            return lambda f, at, lanes: activate(f, _sum(f, at, lanes), act)
        case BatchNorm():
            return _scale_shift
        case _:
            raise TypeError(f"{node.op.label} is not elementwise")


def _sum(f: Function, at: list[str], lanes: int | None) -> str:
    return arithmetic(f, "fadd", load(f, at[0], 0, lanes), load(f, at[1], 0, lanes))


def _scale_shift(f: Function, at: list[str], lanes: int | None) -> str:
    scale, shift = load(f, at[1]), load(f, at[1], f.isa.vector_bytes)
    return fma(f, load(f, at[0], 0, lanes), scale, shift)


def pack_batch_norm(isa: Isa, node: Node) -> np.ndarray:
    """Pack scales and shifts as [channel vector][scale, shift][lanes], from double precision."""
    assert isinstance(node.op, BatchNorm)
    constants = (constant_array(node[role], ()) for role in NORM)
    rows = np.stack(scale_and_shift(node.op, *constants)).astype(isa.element.numpy)
    rows = np.pad(rows, ((0, 0), (0, isa.padded(rows.shape[1]) - rows.shape[1])))
    return np.ascontiguousarray(rows.reshape(2, -1, isa.lanes).transpose(1, 0, 2)).ravel()


def build_elementwise(site: Site) -> Kernel:
    """Build an elementwise kernel: a task per row of pixels, channel vectors innermost."""
    node, out = site.node, site.output
    inputs = [buffer for buffers in site.inputs for buffer in buffers]
    vector = _vector(node)
    f = site.kernel_function()
    norm = isinstance(node.op, BatchNorm)
    pitches = [*(b.pixel_bytes for b in inputs), *([0] if norm else []), out.pixel_bytes]
    starts = [*(f"%x{i}" for i in range(len(inputs))), *(["%w"] if norm else []), "%y0"]
    row_pixels = out.type.shape[-2]
    padded = all(b.is_padded(f.isa) for b in (*inputs, out))

    def row(index: Count, _: list[str]) -> Sequence[str]:
        at = [
            f.offset(pointer, f.binary("mul", index, pitch * row_pixels))
            for pointer, pitch in zip(starts, pitches, strict=True)
        ]
        f.loop(0, row_pixels, [("ptr", p) for p in at], pixel)
        return []

    def pixel(_: Count, at: list[str]) -> Sequence[str]:
        _emit_pixel(f, vector, at, out.type.channels, padded, norm)
        return [f.offset(p, pitch) for p, pitch in zip(at, pitches, strict=True)]

    f.loop("%begin", "%end", [], row)
    shape = f"c{out.type.channels}_w{row_pixels}"
    name = site.library.define(f"f32_{node.op.label}_{shape}", f)
    weights = pack_batch_norm(f.isa, node) if norm else np.zeros(0, np.float32)
    return Kernel(name, out.pixels // row_pixels, 0, weights)


def _emit_pixel(
    f: Function, vector: Vector, at: list[str], channels: int, padded: bool, norm: bool
) -> None:
    step = f.isa.vector_bytes
    tail = 0 if padded else channels % f.isa.lanes
    whole = channels // f.isa.lanes if tail else f.isa.vectors(channels)
    steps = [step] * len(at)
    if norm:
        steps[1] = 2 * step

    def body(_: Count, here: list[str]) -> Sequence[str]:
        store(f, vector(f, here, None), here[-1])
        return [f.offset(p, s) for p, s in zip(here, steps, strict=True)]

    at = f.loop(0, whole, [("ptr", p) for p in at], body)
    if tail:
        store(f, vector(f, at, tail), at[-1], 0, tail)
