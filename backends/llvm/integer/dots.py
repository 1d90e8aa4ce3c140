"""Dot units: how an instruction set multiplies integers and adds them up in s32.

A unit takes a few k-steps at a time: each lane of its sums gets as many products. A is converted to
the form that the unit reads before it is multiplied: s16, less the zero point; s8, less 128; or u8,
as it is. What was not subtracted, the bias makes up for. All are exact: no sum saturates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.integer.along import (
    BLOCKS_DECLARED,
    COLUMNS,
    PAIR_SUMS,
    PAIRS_DECLARED,
    STEP,
    STEP_OF_BLOCKS,
    Straight,
    Sums,
    Tile,
    emit_blocks,
    emit_pairs,
    packed_by_chunk,
    step_of_pairs,
)
from mbc.backends.llvm.integer.codes import repeated
from mbc.backends.llvm.integer.lanes import emit_lanes, height_of, panel_widths
from mbc.backends.llvm.integer.several import LOADS, STORES
from mbc.backends.llvm.isa import Isa
from mbc.ops.quantized import LARGEST_WEIGHT, MAX_SUM
from mbc.records import dataclass

SMALL_WEIGHT = 64
"""The largest weight whose products with two codes fit s16 together."""
FOUR_WEIGHT = 63
"""The largest weight whose products with four bytes with a sign fit s16 together."""
SHORTEST = 16  # k-steps whose sums are worth adding up along k
MOST_FLAT = 8  # rows or vectors of a tile that has few of the other
FLAT_WIDTH = 4  # vectors of a panel of few rows
FEW_ROWS = 3
HALF_WIDTH = 3  # vectors of a panel of half vectors, whose numbers are odd
LOADED = 16  # bytes of A along k that "lane" units load at a time


@dataclass(frozen=True)
class Dot:
    """A unit."""

    name: str
    """Name, in those of kernels."""
    steps: int
    """k-steps that a multiplication takes."""
    bits: int
    """Bits of an element of A and of a weight."""
    less: int | None
    """What is subtracted from codes; None for their zero point."""
    by_lane: bool
    """Whether elements of A are loaded along k, and multiplied by one lane; else from memory to all
    lanes."""
    width: int
    """Vectors of sums of a tile's row."""
    multiply: Callable[[Function, str, str, str], str]
    """From sums, elements of A (in all lanes) and weights to sums."""
    declared: tuple[str, ...] = ()
    """Declarations of the intrinsics that it calls."""
    largest: int = LARGEST_WEIGHT
    """The largest weight that it is exact for."""
    held: int = 2
    """Registers beside those of sums and weights, where it does not load by lane."""
    emit: Callable[[Function, Tile], Sums] | None = None
    """Emits the sums of a tile, if vectors hold several k-steps of a column."""
    sums: int = 0
    """Most vectors of a tile's sums, if that emits them."""
    shortest: int = 1
    """The fewest k-steps that it is worth."""
    row_steps: int = 0
    """Last multiplications along k that run by a few rows, which are stored when finished."""
    straight: Straight | None = None
    """A step without tiles, if that emits them."""
    order: Callable[[np.ndarray], np.ndarray] | None = None
    """Order of weights [k, column] in memory; None for [k-step, column, k]."""
    split: Callable[[int, int, int], tuple[int, ...]] | None = None
    """Splits the vectors of a group into panels, given rows, vectors and multiplications along k;
    None for as many as there are of the widest."""

    @property
    def bytes(self) -> int:
        """Size of an element of A, and of a weight."""
        return self.bits // 8

    def subtracted(self, zero: int) -> int:
        """Return what is subtracted from codes with a zero point."""
        return zero if self.less is None else self.less

    @property
    def unroll(self) -> int:
        """Multiplications along k in a turn of the loop: those of what is loaded at a time."""
        return LOADED // (self.steps * self.bytes) if self.by_lane else 2

    def vector(self, isa: Isa) -> str:
        """Return LLVM's type of the weights of a vector of sums."""
        return f"<{isa.lanes * self.steps} x i{self.bits}>"

    def vector_bytes(self, isa: Isa) -> int:
        """Return the bytes of these weights."""
        return isa.lanes * self.steps * self.bytes

    def widths(self, rows: int, vectors: int, steps: int) -> tuple[int, ...]:
        """Split the vectors of a group into panels."""
        if self.split:
            return self.split(rows, vectors, steps)
        width = min(self._most_vectors(rows), vectors)
        whole, rest = divmod(vectors, width)
        return (width,) * whole + ((rest,) if rest else ())

    def _most_vectors(self, rows: int) -> int:
        if self.emit:
            return min(self.sums // min(rows, self.sums // self.width), MOST_FLAT)
        return FLAT_WIDTH if rows <= FEW_ROWS else self.width

    def height(self, isa: Isa, width: int) -> int:
        """Return the most rows of a tile `width` vectors wide that spills no register: sums,
        weights, elements of A and a product."""
        if self.split:
            return height_of(width)
        if self.emit:
            return min(max(self.sums // width, 1), MOST_FLAT)
        if self.by_lane:
            return max((isa.registers - width - 4) // (width + 1), 1)
        return max((isa.registers - width - self.held) // width, 1)


def dot_of(isa: Isa, largest: int = LARGEST_WEIGHT, depth: int = MAX_SUM) -> Dot:
    """Return the unit of an instruction set for weights up to `largest` and so many k-steps."""
    return next(dot for dot in dots_of(isa) if dot.largest >= largest and dot.shortest <= depth)


def dots_of(isa: Isa) -> tuple[Dot, ...]:
    """Return the units of an instruction set, the fastest first."""
    if not isa.dots:
        return OF_ISA[isa.name]
    dot = OF_EXTENSION[isa.dots]
    return (replace(dot, width=HALF_WIDTH) if isa.doubles else dot,)


def _added(f: Function, sums: str, product: str) -> str:
    return f.op(f"add <{f.isa.lanes} x i32> {sums}, {product}")


def _widened_product(f: Function, sums: str, a: str, w: str) -> str:
    """Multiply s16 to s32 and add; compilers make one instruction of it where there is one."""
    lanes = f.isa.lanes
    wide = [f.op(f"sext <{lanes} x i16> {part} to <{lanes} x i32>") for part in (a, w)]
    return _added(f, sums, f.op(f"mul <{lanes} x i32> {wide[0]}, {wide[1]}"))


def _pairs(lanes: int) -> Dot:
    """Return the unit of PMADDWD: two products of s16 a lane."""
    wide, narrow = f"<{lanes} x i32>", f"<{2 * lanes} x i16>"
    name = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd"}[lanes]

    def multiply(f: Function, sums: str, a: str, w: str) -> str:
        return _added(f, sums, f.op(f"call {wide} @{name}({narrow} {a}, {narrow} {w})"))

    declared = (f"declare {wide} @{name}({narrow}, {narrow})",)
    return Dot("madd", 2, 16, None, False, 2, multiply, declared)


def _quads(lanes: int) -> Dot:
    """Return the unit of PMADDUBSW: two products of bytes in 16 bits, which PMADDWD adds up by
    pairs. Small weights do not saturate them."""
    short, narrow = f"<{2 * lanes} x i16>", f"<{4 * lanes} x i8>"
    products = {4: "llvm.x86.ssse3.pmadd.ub.sw.128", 8: "llvm.x86.avx2.pmadd.ub.sw"}[lanes]
    pairs = _pairs(lanes)

    def multiply(f: Function, sums: str, a: str, w: str) -> str:
        each = f.op(f"call {short} @{products}({narrow} {a}, {narrow} {w})")
        return pairs.multiply(f, sums, each, repeated("i16", 1, 2 * lanes))

    declared = (f"declare {short} @{products}({narrow}, {narrow})", *pairs.declared)
    return Dot("maddubs", 4, 8, 0, False, 2, multiply, declared, SMALL_WEIGHT, 4)


_SDOT = "llvm.aarch64.neon.sdot.v4i32.v16i8"


# The factor that is multiplied by one lane comes last.
def _sdot(f: Function, sums: str, a: str, w: str) -> str:
    return f.op(f"call <4 x i32> @{_SDOT}(<4 x i32> {sums}, <16 x i8> {w}, <16 x i8> {a})")


_VPDPBUSD = "llvm.x86.avx512.vpdpbusd"


def _vpdpbusd(f: Function, sums: str, a: str, w: str) -> str:
    ints, bytes = f"<{f.isa.lanes} x i32>", f"<{4 * f.isa.lanes} x i8>"
    name = f"@{_VPDPBUSD}.{32 * f.isa.lanes}"
    return f.op(f"call {ints} {name}({ints} {sums}, {bytes} {a}, {bytes} {w})")


def _vpdpbusd_declared(lanes: int) -> str:
    ints, bytes = f"<{lanes} x i32>", f"<{4 * lanes} x i8>"
    return f"declare {ints} @{_VPDPBUSD}.{32 * lanes}({ints}, {bytes}, {bytes})"


PAIRS, PAIRS_SSE = (_quads(8), _pairs(8)), (_quads(4), _pairs(4))
SDOT = Dot(
    "sdot",
    4,
    8,
    128,
    True,
    4,
    _sdot,
    (f"declare <4 x i32> @{_SDOT}(<4 x i32>, <16 x i8>, <16 x i8>)", *LOADS, *STORES),
    emit=partial(emit_lanes, multiply=_sdot),
    split=panel_widths,
)
MULTIPLY_ADD = Dot("mlal", 1, 16, None, True, 4, _widened_product)
MULTIPLY = Dot("mul", 1, 16, None, False, 2, _widened_product)


def _unused(f: Function, sums: str, a: str, w: str) -> str:
    raise NotImplementedError("tiles of this unit are emitted as a whole")


def _along(name: str, products: int, largest: int) -> Dot:
    """Return the unit of SMULL and SADALP, which adds up so many products in 16 bits."""
    emit = partial(emit_pairs, products=products)
    return Dot(
        name,
        STEP,
        8,
        128,
        False,
        1,
        _unused,
        PAIRS_DECLARED,
        largest,
        emit=emit,
        sums=PAIR_SUMS // COLUMNS,
        shortest=SHORTEST,
        straight=step_of_pairs(products),
        order=packed_by_chunk,
    )


ALONG = (_along("smull4", 4, FOUR_WEIGHT), _along("smull2", 2, LARGEST_WEIGHT))
USMMLA = Dot(
    "usmmla",
    STEP,
    8,
    0,
    False,
    4,
    _unused,
    BLOCKS_DECLARED,
    emit=emit_blocks,
    sums=16,
    straight=STEP_OF_BLOCKS,
)

VPDPBUSD = Dot(
    "vnni",
    4,
    8,
    0,
    False,
    2,
    _vpdpbusd,
    tuple(map(_vpdpbusd_declared, (4, 8, 16))),
    row_steps=5,
)
VPDPBUSD_256 = replace(VPDPBUSD, row_steps=0)  # tiles of 16 registers are too small for that

OF_EXTENSION = {"i8mm": USMMLA, "dotprod": SDOT, "avx512vnni": VPDPBUSD, "avxvnni": VPDPBUSD_256}
"""Units by extension."""
OF_ISA = {
    "avx512": PAIRS,
    "avx512wide": PAIRS,
    "avx2": PAIRS,
    "sse": PAIRS_SSE,
    "neon": (*ALONG, MULTIPLY_ADD),
    "neon32": (MULTIPLY_ADD,),
    "neon32-vfp3": (MULTIPLY_ADD,),
    "rvv128": (MULTIPLY,),
}
"""Units of instruction sets without, the fastest first."""


ROUNDED = 3  # multiplications in the time that a vector of sums is rounded and stored
HALF_ROUNDED = 6  # of vectors of half the lanes


def unit_of_product(isa: Isa, depth: int, columns: int) -> Isa:
    """Return the unit with the vectors of a product: half of the longest where one unit multiplies
    those, the last columns fill no more, and sums are long enough for more vectors."""
    longest = isa.of_dots
    if isa.wide or isa.lanes == longest.lanes:
        return longest
    steps = -(-depth // dot_of(isa).steps)
    half = isa.vectors(columns) * (steps + HALF_ROUNDED)
    return isa if half < 2 * longest.vectors(columns) * (steps + ROUNDED) else longest
