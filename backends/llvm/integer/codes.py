"""Vectors of codes: loads as numbers, and the step from sums to codes and back to memory.

Numbers up to 2^24 are exact in f32, so kernels whose sums are small compute with floats; the others
add in s32. All end in one step: multiply, clamp, round half to even. Clamping to whole numbers
before rounding gives what clamping after it gives, and lets one addition round: that of 1.5 * 2^23,
whose unit in the last place is 1. No instruction beyond f32's is needed, and none converts what s32
cannot hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mbc.backends.llvm.activations import activate
from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.isa import Isa
from mbc.backends.llvm.vectors import (
    arithmetic,
    larger,
    load,
    load_scalar,
    smaller,
    splat,
    splat_literal,
    store,
)
from mbc.ir.activations import Activation
from mbc.ir.elements import F32, Q8, U8, Scalar
from mbc.ir.graph import Node
from mbc.ops.linear import present
from mbc.ops.quantized import LARGEST_CODE, MAX_SUM, code_range, largest_sums, ratio
from mbc.records import dataclass

ROUNDING = 12582912.0
"""1.5 * 2^23: numbers up to `LARGEST_ROUNDED` become whole when it is added."""
ROUNDING_BITS = 0x4B400000
"""Its bits, which a whole number that was added has added itself to."""
LARGEST_ROUNDED = 1 << 22
LARGEST_EXACT = 1 << 24
"""Whole numbers up to this are floats."""
LARGEST_STEP = float(1 << 30)
"""Steps below this are s32 however their operations were rounded."""
LARGEST_SHORT = float(1 << 14)
"""Steps below this are s16."""


@dataclass(frozen=True)
class Scaled:
    """An operand in codes that is added to the result in steps of it: (code - zero) * ratio."""

    zero: int
    """The operand's zero point."""
    ratio: float
    """Its scale by that of the result, an f32."""


@dataclass(frozen=True)
class Finish:
    """How f32 steps become elements of the result."""

    zero: int | None
    """Zero point of the result's codes; None if the result is f32."""
    low: int = 0
    """Lowest code."""
    high: int = 255
    """Highest code."""
    act: Activation | None = None
    """Activation of an f32 result; that of codes is in their bounds."""
    scales: bool = True
    """Whether numbers are scaled; else codes go through as they are."""
    fits: bool = False
    """Whether no step can exceed s32."""
    short: bool = False
    """Whether none can exceed s16."""

    @staticmethod
    def same(low: int = 0, high: int = 255) -> Finish:
        """Return what stores codes as they are, within bounds."""
        return Finish(0, low, high, scales=False)

    @staticmethod
    def of(node: Node) -> Finish:
        """Return what a node does to its sums."""
        element, act = node.results[0].type.element, getattr(node.op, "act", None)
        if not isinstance(element, Q8):
            return Finish(None, act=act)
        return Finish(element.zero, *code_range(element, act))

    @property
    def element(self) -> Scalar:
        """What is stored."""
        return F32 if self.zero is None else U8


def with_limit(finish: Finish, node: Node) -> Finish:
    """Return the finish of a convolution or dense layer; if its constants have no data yet, that of
    any sums."""
    weight, multiplier = node.constant("weight"), node.constant("multiplier")
    assert weight is not None
    assert multiplier is not None
    bias = node.constant("bias")
    if any(
        constant is not None and constant.data is None for constant in (weight, multiplier, bias)
    ):
        return finish
    added = None if bias is None else bias.array
    sums = largest_sums(element_of(node, "x"), weight.array, added)
    steps = np.minimum(sums, MAX_SUM + 1) * np.abs(multiplier.array.astype(np.float64))
    more = LARGEST_CODE * scaled_operand(node, "residual").ratio if node["residual"] else 0.0
    largest = float(steps.max(initial=0.0)) + more
    return replace(finish, fits=largest < LARGEST_STEP, short=largest < LARGEST_SHORT)


def scaled_operand(node: Node, role: str) -> Scaled:
    """Return how an operand is added to a node's result."""
    to = node.results[0].type.element
    source = element_of(node, role)
    assert isinstance(to, Q8)
    return Scaled(source.zero, float(ratio(source, to)))


def element_of(node: Node, role: str) -> Q8:
    """Return the element of an operand in codes."""
    element = present(node.type_of(role)).element
    assert isinstance(element, Q8)
    return element


def of_bytes(isa: Isa) -> Isa:
    """Return the unit with as many bytes as it has lanes."""
    return replace(isa, element=U8, wide=False, multi_load=1)


def integers(f: Function) -> str:
    """LLVM's type of a vector of s32."""
    return f"<{f.isa.lanes} x i32>"


def load_codes(
    f: Function, pointer: str, bytes: int, lanes: int | None, zero: int, *, fill: int = 0
) -> str:
    """Load codes as floats: the code less the zero point; lanes that are not loaded have `fill`."""
    return less(f, load_whole(f, pointer, bytes, lanes, fill), zero)


def load_whole(f: Function, pointer: str, bytes: int, lanes: int | None, fill: int = 0) -> str:
    """Load codes as s32."""
    with f.vectors_of(of_bytes(f.isa)):
        codes = load(f, pointer, bytes, lanes, fill)
    return _widened(f, codes)


def load_row(f: Function, pointer: str, bytes: int, vectors: int, zero: int) -> list[str]:
    """Load consecutive vectors of codes as floats, less the zero point, by way of s16."""
    count = vectors * f.isa.lanes
    codes = f.op(f"load <{count} x i8>, ptr {f.offset(pointer, bytes)}, align 1")
    short = f.op(f"zext <{count} x i8> {codes} to <{count} x i16>")
    if zero:
        short = f.op(f"sub <{count} x i16> {short}, {repeated('i16', zero, count)}")
    found = []
    for first in range(0, count, f.isa.lanes):
        part = extracted(f, short, count, range(first, first + f.isa.lanes), "i16")
        found.append(floats(f, f.op(f"sext <{f.isa.lanes} x i16> {part} to {integers(f)}")))
    return found


def load_everywhere(f: Function, address: str) -> str:
    """Load a code to all lanes, as s32."""
    with f.vectors_of(of_bytes(f.isa)):
        codes = splat(f, load_scalar(f, address))
    return _widened(f, codes)


def centred(f: Function, codes: str, zero: int) -> str:
    """Convert a vector of bytes to floats, less the zero point."""
    return less(f, _widened(f, codes), zero)


def _widened(f: Function, codes: str) -> str:
    return f.op(f"zext <{f.isa.lanes} x i8> {codes} to {integers(f)}")


def less(f: Function, whole: str, zero: int) -> str:
    """Subtract the zero point of s32 codes, and convert them to floats."""
    if zero:
        whole = f.op(f"sub {integers(f)} {whole}, {splat_integer(f, zero)}")
    return floats(f, whole)


def floats(f: Function, whole: str) -> str:
    """Convert s32 to f32, rounded half to even."""
    return f.op(f"sitofp {integers(f)} {whole} to {f.isa.vector}")


def added_bias(f: Function, sums: str, bias: str) -> str:
    """Add an s32 bias, less `ROUNDING_BITS` and as the bits of a vector of floats, to whole sums up
    to `LARGEST_ROUNDED`."""
    ints, rounded = integers(f), arithmetic(f, "fadd", sums, splat_literal(f, ROUNDING))
    bits = [f.op(f"bitcast {f.isa.vector} {part} to {ints}") for part in (rounded, bias)]
    return floats(f, f.op(f"add {ints} {bits[0]}, {bits[1]}"))


def whole(f: Function, numbers: str) -> str:
    """Convert whole numbers up to `LARGEST_ROUNDED` to s32."""
    ints, rounded = integers(f), arithmetic(f, "fadd", numbers, splat_literal(f, ROUNDING))
    bits = f.op(f"bitcast {f.isa.vector} {rounded} to {ints}")
    return f.op(f"sub {ints} {bits}, {splat_integer(f, ROUNDING_BITS)}")


def splat_integer(f: Function, value: int) -> str:
    """Return a vector literal with an s32 in all lanes."""
    return repeated("i32", value, f.isa.lanes)


def repeated(word: str, value: int, count: int) -> str:
    """Return a vector literal with an integer in each of `count` lanes."""
    return f"<{', '.join([f'{word} {value}'] * count)}>"


def scaled(f: Function, operand: Scaled, codes: str) -> str:
    """Return the steps that an operand adds, of its loaded and centred codes."""
    return arithmetic(f, "fmul", codes, splat_literal(f, operand.ratio))


def store_finished(
    f: Function, finish: Finish, steps: str, pointer: str, bytes: int, lanes: int | None
) -> None:
    """Store steps as codes, or as floats with their activation."""
    if finish.zero is None:
        store(f, activate(f, steps, finish.act), pointer, bytes, lanes)
        return
    count = f.isa.lanes if lanes is None else lanes
    store_bytes(f, codes_of(f, finish, steps), f.offset(pointer, bytes), f.isa.lanes, count)


def codes_of(f: Function, finish: Finish, steps: str) -> str:
    """Clamp steps, round them and add the zero point; returns a vector of bytes."""
    zero = finish.zero or 0
    rounded = arithmetic(f, "fadd", clamped(f, finish, steps), splat_literal(f, ROUNDING))
    ints = integers(f)
    bits = f.op(f"bitcast {f.isa.vector} {rounded} to {ints}")
    if zero:
        bits = f.op(f"add {ints} {bits}, {splat_integer(f, zero)}")
    return f.op(f"trunc {ints} {bits} to <{f.isa.lanes} x i8>")


def clamped(f: Function, finish: Finish, steps: str) -> str:
    """Clamp steps to those of the bounds of the result."""
    zero = finish.zero or 0
    steps = larger(f, steps, splat_literal(f, finish.low - zero))
    return smaller(f, steps, splat_literal(f, finish.high - zero))


def store_bytes(f: Function, codes: str, address: str, size: int, count: int) -> None:
    """Store the first bytes of a vector by as few stores as can be."""
    if count == size:
        f.emit(f"store <{size} x i8> {codes}, ptr {address}, align 1")
        return
    for start, length in pieces(count):
        part = extracted(f, codes, size, range(start, start + length))
        f.emit(f"store <{length} x i8> {part}, ptr {f.offset(address, start)}, align 1")


def extracted(f: Function, codes: str, size: int, places: Sequence[int], word: str = "i8") -> str:
    """Return some lanes of a vector."""
    if len(places) == size:
        return codes
    whole, mask = f"<{size} x {word}>", ", ".join(f"i32 {place}" for place in places)
    return f.op(f"shufflevector {whole} {codes}, {whole} poison, <{len(places)} x i32> <{mask}>")


def pieces(count: int) -> list[tuple[int, int]]:
    """Split a count into powers of two, the largest first: (start, length)."""
    found, start = list[tuple[int, int]](), 0
    for bit in reversed(range(count.bit_length())):
        if count >> bit & 1:
            found.append((start, 1 << bit))
            start += 1 << bit
    return found
