"""Ops on each element: activations and other functions, arithmetic, batch norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from mbc.backends.llvm.activations import activate, sloped
from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.kernels.base import Kernel, Site, constant_array, pack_vectors
from mbc.backends.llvm.unary import unary
from mbc.backends.llvm.vectors import (
    arithmetic,
    fma,
    load,
    load_scalar,
    maximum,
    minimum,
    splat,
    store,
)
from mbc.ir.elements import F32
from mbc.ir.graph import Constant, Node
from mbc.ops import Activate, BatchNorm
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import NORM, Add, Arithmetic, Div, Max, Min, Mul, Prelu, Sub
from mbc.ops.normalisation import scale_and_shift
from mbc.ops.unary import Unary
from mbc.records import dataclass

Vector = Callable[[Function, list[str], int | None], str]
"""From the addresses of a channel vector in each operand (and the weights) to the result; from the
number itself where all channels have the same."""


@dataclass(frozen=True)
class Stream:
    """An operand, the packed weights, or the result, as the kernel goes through it."""

    pointer: str
    """Name of its address."""
    shape: tuple[int, ...]
    """Its shape with as many axes as the result."""
    pixel_bytes: int
    """Bytes from pixel to pixel."""
    step: int
    """Bytes from channel vector to channel vector; 0 where all channels have the same number."""
    is_padded: bool = True
    """Whether each pixel has room for whole vectors."""

    @property
    def flat(self) -> Stream:
        """A dense operand with each row of pixels as one pixel."""
        *leading, row_pixels, channels = self.shape
        shape = (*leading, 1, row_pixels * channels)
        return replace(
            self, shape=shape, pixel_bytes=row_pixels * self.pixel_bytes, is_padded=False
        )

    def pitch(self, row_pixels: int) -> int:
        """Bytes to the next pixel of a row; 0 where all have the same channels."""
        return self.pixel_bytes if self.shape[-2] == row_pixels else 0

    def row(self, f: Function, index: Count, leading: Sequence[int]) -> str:
        """Find the address of a row by its number among those of the result, with its axes before
        the rows' own."""
        own, row_bytes = self.shape[:-2], self.pixel_bytes * self.shape[-2]
        if own == tuple(leading):
            return f.offset(self.pointer, f.binary("mul", index, row_bytes))
        address, below = self.pointer, 1
        for extent, mine in zip(leading[::-1], own[::-1], strict=True):
            if mine > 1:
                number = f.binary("urem", f.binary("udiv", index, below), extent)
                address = f.offset(address, f.binary("mul", number, row_bytes))
                row_bytes *= mine
            below *= extent
        return address


def _vector(node: Node) -> Vector:
    match node.op:
        case Activate(act=act):
            return lambda f, at, lanes: activate(f, load(f, at[0], 0, lanes), act)
        case BatchNorm():
            return _scale_shift
        case Unary() as op:
            return lambda f, at, lanes: unary(f, op, load(f, at[0], 0, lanes))
        case _:
            raise TypeError(f"{node.op.label} is not elementwise")


def _scale_shift(f: Function, at: list[str], lanes: int | None) -> str:
    scale, shift = load(f, at[1]), load(f, at[1], f.isa.vector_bytes)
    return fma(f, load(f, at[0], 0, lanes), scale, shift)


def pack_batch_norm(isa: Isa, node: Node) -> np.ndarray:
    """Pack scales and shifts as [channel vector][scale, shift][lanes], from double precision."""
    assert isinstance(node.op, BatchNorm)
    constants = (constant_array(node[role], ()) for role in NORM)
    return pack_vectors(isa, *scale_and_shift(node.op, *constants))


FORMULAS: Mapping[type[Arithmetic], Callable[[Function, str, str], str]] = {
    Add: lambda f, a, b: arithmetic(f, "fadd", a, b),
    Sub: lambda f, a, b: arithmetic(f, "fsub", a, b),
    Mul: lambda f, a, b: arithmetic(f, "fmul", a, b),
    Div: lambda f, a, b: arithmetic(f, "fdiv", a, b),
    Min: lambda f, a, b: minimum(f, [a, b]),
    Max: lambda f, a, b: maximum(f, [a, b]),
    Prelu: sloped,
}


def _combined(op: Arithmetic, operands: Sequence[Stream]) -> Vector:
    """Combine a vector of each operand; `at` has the number of one without channels."""

    def vector(f: Function, at: list[str], lanes: int | None) -> str:
        a, b = (
            load(f, here, 0, lanes) if stream.step else here
            for here, stream in zip(at, operands, strict=False)
        )
        return activate(f, FORMULAS[type(op)](f, a, b), op.act)

    return vector


def build_elementwise(site: Site) -> Kernel:
    """One task a row of pixels; channel vectors innermost."""
    inputs = [stream_of(site, role) for role, operand in site.node.items() if site.buffers(role)]
    weights = np.zeros(0, np.float32)
    if isinstance(site.node.op, BatchNorm):
        weights = pack_batch_norm(site.isa, site.node)
        inputs.append(replace(_weights(site, (1,)), pixel_bytes=0, step=2 * site.isa.vector_bytes))
    return build_rows(site, inputs, _vector(site.node), weights)


def build_arithmetic(site: Site) -> Kernel:
    """One task a row of pixels of the result; an operand that is broadcast is read again."""
    op, weights = site.node.op, np.zeros(0, np.float32)
    assert isinstance(op, Arithmetic)
    streams = []
    for role, operand in site.node.items():
        if isinstance(operand, Constant):
            weights = pack_operand(site.isa, operand.array, site.output.type.channels)
            streams.append(_weights(site, operand.type.shape))
        else:
            streams.append(stream_of(site, role))
    return build_rows(site, streams, _combined(op, streams), weights)


def pack_operand(isa: Isa, array: np.ndarray, channels: int) -> np.ndarray:
    """Pad the channels of each pixel to whole vectors; one number for all channels stays one."""
    if array.shape[-1] < channels:
        return array.ravel()
    missing = isa.padded(channels) - channels
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)]).ravel()


def stream_of(site: Site, role: str) -> Stream:
    """Return how a kernel goes through an operand."""
    buffer, (pointer,) = site.input(role), site.pointers(role)
    padded, size = buffer.is_padded(site.isa), buffer.element_bytes
    return _through(site, pointer, buffer.type.shape, buffer.pixel_bytes, padded, size)


def _weights(site: Site, shape: tuple[int, ...]) -> Stream:
    room = site.isa.padded(shape[-1]) if shape[-1] == site.output.type.channels else 1
    return _through(site, "%w", shape, room * site.output.element_bytes)


def _through(
    site: Site,
    pointer: str,
    shape: tuple[int, ...],
    pixel_bytes: int,
    is_padded: bool = True,
    element_bytes: int = F32.bytes,
) -> Stream:
    result = site.output.type
    whole = aligned(shape, max(result.rank, 2))
    assert whole is not None
    if whole[-1] < result.channels:
        return Stream(pointer, whole, pixel_bytes, 0)
    return Stream(pointer, whole, pixel_bytes, site.isa.lanes * element_bytes, is_padded)


Number = Callable[[Function, str], str]
"""Loads the number that an operand without channels has, to all lanes."""


def _everywhere(f: Function, address: str) -> str:
    return splat(f, load_scalar(f, address))


Keep = Callable[[Function, str, str, int | None], None]
"""Stores a result at an address: a vector, or its first lanes."""


def _stored(f: Function, value: str, address: str, lanes: int | None) -> None:
    store(f, value, address, 0, lanes)


def build_rows(
    site: Site,
    inputs: Sequence[Stream],
    vector: Vector,
    weights: np.ndarray,
    keep: Keep = _stored,
    element: str = "f32",
    *,
    number: Number = _everywhere,
    flat: bool = False,
    several: Several | None = None,
) -> Kernel:
    """Build a kernel that goes through rows of pixels, a task each, channel vectors innermost; with
    `flat`, for which all must be dense and of one shape, through rows as a whole. `several` emits
    `SEVERAL` vectors of all streams, given their addresses."""
    out, f = site.output, site.kernel_function()
    padded, size = out.is_padded(f.isa), out.element_bytes
    result = _through(site, "%y0", out.type.shape, out.pixel_bytes, padded, size)
    streams = [stream.flat if flat else stream for stream in (*inputs, result)]
    result = streams[-1]
    *leading, row_pixels, channels = result.shape

    def row(index: Count, _: list[str]) -> Sequence[str]:
        at = [stream.row(f, index, leading) for stream in streams]
        f.loop(0, row_pixels, [("ptr", p) for p in at], pixel)
        return []

    def pixel(_: Count, at: list[str]) -> Sequence[str]:
        here, left = at, channels
        if several and all(stream.step for stream in streams):
            here, left = _emit_several(f, several, streams, at, channels)
        _emit_pixel(f, vector, (number, keep), streams, here, left)
        return [
            f.offset(p, stream.pitch(row_pixels)) for p, stream in zip(at, streams, strict=True)
        ]

    f.loop("%begin", "%end", [], row)
    shape = f"c{channels}_w{row_pixels}"
    name = site.library.define(f"{element}_{site.node.op.label}_{shape}", f)
    return Kernel(name, prod(leading), 0, weights)


Several = Callable[[Function, Sequence[str]], None]
"""Emits `SEVERAL` vectors of each stream, given their addresses."""
SEVERAL = 4


def _emit_several(
    f: Function, several: Several, streams: Sequence[Stream], at: list[str], channels: int
) -> tuple[list[str], int]:
    """Emit most vectors of a pixel; returns the next addresses and the channels left."""

    def body(_: Count, here: list[str]) -> Sequence[str]:
        several(f, here)
        return [f.offset(p, SEVERAL * s.step) for p, s in zip(here, streams, strict=True)]

    turns = channels // (SEVERAL * f.isa.lanes)
    here = f.loop(0, turns, [("ptr", p) for p in at], body)
    return here, channels - turns * SEVERAL * f.isa.lanes


def _emit_pixel(
    f: Function,
    vector: Vector,
    access: tuple[Number, Keep],
    streams: Sequence[Stream],
    at: list[str],
    channels: int,
) -> None:
    tail = 0 if all(stream.is_padded for stream in streams) else channels % f.isa.lanes
    whole = channels // f.isa.lanes if tail else f.isa.vectors(channels)
    moving, (number, keep) = [stream.step > 0 for stream in streams], access
    fixed = [p if moves else number(f, p) for p, moves in zip(at, moving, strict=True)]

    def filled(here: Sequence[str]) -> list[str]:
        addresses = iter(here)
        return [next(addresses) if m else number for number, m in zip(fixed, moving, strict=True)]

    def body(_: Count, here: list[str]) -> Sequence[str]:
        keep(f, vector(f, filled(here), None), here[-1], None)
        steps = [stream.step for stream in streams if stream.step]
        return [f.offset(p, s) for p, s in zip(here, steps, strict=True)]

    carried = [("ptr", p) for p, moves in zip(at, moving, strict=True) if moves]
    here = f.loop(0, whole, carried, body)
    if tail:
        keep(f, vector(f, filled(here), tail), here[-1], tail)
