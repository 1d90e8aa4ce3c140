"""Strips of depthwise convolutions on bytes: what multiplies them, and their packed weights.

A strip is 16 channels, or 64 and 32 on vectors of 512 and 256 bits. Packed: [strip][bias s32]
[multiplier f32][weights of the unit].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.integer.codes import extracted
from mbc.backends.llvm.integer.dots import dot_of
from mbc.backends.llvm.integer.narrow import OF_BLOCKS
from mbc.backends.llvm.window import Part, Window
from mbc.records import dataclass

CHANNELS = 16  # of the narrowest strip
VECTORS = 4  # of its sums
BYTES = f"<{CHANNELS} x i8>"
HEAD = 2 * 4  # bytes of a channel's bias and multiplier
SAME = 44  # channels of a strip that take as long as what it takes beside its channels
ROWS = 4  # of a window that a dot product takes
LARGEST = 3  # rows and columns of a window, so that weights and inputs fit the registers


def on_bytes(window: Window) -> bool:
    """Return whether a window op has the kernel of bytes."""
    return (
        window.codes is not None
        and window.kind == "depthwise"
        and (window.isa.name == "neon" or by_block(window))
        and window.filters == 1
        and window.dilation[1] == 1
        and max(window.kernel) <= LARGEST
        and all(_fills_strips(window, part) for part in window.parts)
    )


def _fills_strips(window: Window, part: Part) -> bool:
    """Whether a part has channels enough for a strip, or is followed by some that can be read."""
    return part.channels >= CHANNELS or (window.isa.name == "neon" and part.room >= CHANNELS)


def by_block(window: Window) -> bool:
    """Whether strips may have several blocks of 128 bits, whose codes are narrowed together."""
    codes = window.codes
    return codes is not None and codes.finish.zero is not None and window.isa.dots in OF_BLOCKS


_USDOT = "llvm.aarch64.neon.usdot.v4i32.v16i8"
USDOT_DECLARED = f"declare <4 x i32> @{_USDOT}(<4 x i32>, <16 x i8>, <16 x i8>)"


@dataclass(frozen=True)
class Unit:
    """What multiplies windows."""

    less: int
    """What is subtracted from codes."""
    column: Callable[[Function, Sequence[str]], list[str]]
    """From the rows of an input column, 16 channels each, to what is multiplied."""
    add: Callable[
        [Function, list[str], Sequence[Sequence[str]], Sequence[Sequence[str]]], list[str]
    ]
    """From sums, columns, and the weights of each column to sums."""
    pack: Callable[[np.ndarray], np.ndarray]
    """From the weights [row, column, channel] of a strip to bytes, by column."""
    vectors: int
    """Vectors of weights of a column, and of what is multiplied by them."""
    widths: tuple[int, ...] = (CHANNELS,)
    """Channels that strips may have, the most first."""


def unit_of(window: Window) -> Unit:
    """Return the unit of a window op: the CPU's dot product, if it adds up four products a lane;
    that of I8MM's blocks is USDOT."""
    rows, dot = window.kernel[0], dot_of(window.isa)
    vectors = VECTORS * -(-rows // ROWS)
    if window.isa.dots == "i8mm":
        return Unit(0, _interleaved, partial(_add_dots, _usdot), _by_channel, vectors)
    if dot.steps != ROWS:
        return Unit(128, lambda _, rows: list(rows), _add_pairs, _by_row, rows)
    lanes = OF_BLOCKS[window.isa.dots] if by_block(window) else (CHANNELS // VECTORS,)
    widths = tuple(VECTORS * count for count in lanes)
    add = partial(_add_dots, dot.multiply)
    return Unit(dot.subtracted(0), _interleaved, add, _by_channel, vectors, widths)


def holds_weights(window: Window) -> bool:
    """Return whether a strip's weights stay in registers, beside as many of columns and the sums;
    else multiplications read them from memory."""
    return 2 * unit_of(window).vectors * window.kernel[1] + VECTORS <= window.isa.registers


def _usdot(f: Function, sums: str, x: str, w: str) -> str:
    return f.op(f"call <4 x i32> @{_USDOT}(<4 x i32> {sums}, {BYTES} {x}, {BYTES} {w})")


# Dot products: the bytes of up to four rows are interleaved by channel.


def _interleaved(f: Function, rows: Sequence[str]) -> list[str]:
    found = []
    for start in range(0, len(rows), ROWS):
        a, b, c, d = (rows[min(i, len(rows) - 1)] for i in range(start, start + ROWS))
        for high in (False, True):
            pair = _zip(f, a, c, high=high), _zip(f, b, d, high=high)
            found += [_zip(f, *pair, high=False), _zip(f, *pair, high=True)]
    return found


def _zip(f: Function, a: str, b: str, *, high: bool) -> str:
    """Interleave the lower or upper halves of each block of 128 bits."""
    width = VECTORS * f.isa.lanes
    half, kind = CHANNELS // 2, f"<{width} x i8>"
    starts = range(half * high, width, CHANNELS)
    lanes = (lane for at in starts for i in range(at, at + half) for lane in (i, width + i))
    mask = ", ".join(f"i32 {lane}" for lane in lanes)
    return f.op(f"shufflevector {kind} {a}, {kind} {b}, <{width} x i32> <{mask}>")


def _add_dots(
    multiply: Callable[[Function, str, str, str], str],
    f: Function,
    sums: list[str],
    columns: Sequence[Sequence[str]],
    weights: Sequence[Sequence[str]],
) -> list[str]:
    for column, own in zip(columns, weights, strict=True):
        for number, (x, w) in enumerate(zip(column, own, strict=True)):
            sums[number % VECTORS] = multiply(f, sums[number % VECTORS], x, w)
    return sums


def _by_channel(weights: np.ndarray) -> np.ndarray:
    rows, columns, channels = weights.shape
    groups = -(-rows // ROWS)
    whole = np.pad(weights, ((0, groups * ROWS - rows), (0, 0), (0, 0)))
    return whole.reshape(groups, ROWS, columns, channels).transpose(2, 0, 3, 1)


# Pairs: the sum of two products of 8 bits, none of which is -128, fits 16 bits.


def _add_pairs(
    f: Function,
    sums: list[str],
    columns: Sequence[Sequence[str]],
    weights: Sequence[Sequence[str]],
) -> list[str]:
    taps = [
        tap
        for column, own in zip(columns, weights, strict=True)
        for tap in zip(column, own, strict=True)
    ]
    for start in range(0, len(taps), 2):
        for half in range(2):
            products = [_product(f, x, w, half) for x, w in taps[start : start + 2]]
            short = products[0]
            if len(products) > 1:
                short = f.op(f"add <8 x i16> {products[0]}, {products[1]}")
            for quarter in range(2):
                place = 2 * half + quarter
                wide = _widened(f, short, "i16", range(4 * quarter, 4 * quarter + 4), "i32")
                sums[place] = f.op(f"add <4 x i32> {sums[place]}, {wide}")
    return sums


def _product(f: Function, x: str, w: str, half: int) -> str:
    a, b = (_widened(f, v, "i8", range(8 * half, 8 * half + 8), "i16") for v in (x, w))
    return f.op(f"mul <8 x i16> {a}, {b}")


def _widened(f: Function, vector: str, word: str, lanes: range, to: str) -> str:
    """Sign-extend some lanes of a vector of 128 bits."""
    size = {"i8": CHANNELS, "i16": CHANNELS // 2}[word]
    part = extracted(f, vector, size, lanes, word)
    return f.op(f"sext <{len(lanes)} x {word}> {part} to <{len(lanes)} x {to}>")


def _by_row(weights: np.ndarray) -> np.ndarray:
    return weights.transpose(1, 0, 2)


# Packing.


def strip_bytes(window: Window, width: int) -> int:
    """Return the packed bytes of a strip."""
    return width * (HEAD + unit_of(window).vectors * window.kernel[1])


def packed_bytes(window: Window) -> int:
    """Return the packed bytes of all strips."""
    return sum(
        strip_bytes(window, strip.width)
        for part in window.parts
        for strip in strips_of(part, unit_of(window).widths)
    )


class Strip(NamedTuple):
    """Consecutive channels of a part."""

    first: int
    """The first one."""
    width: int
    """How many."""


def strips_of(part: Part, widths: Sequence[int]) -> list[Strip]:
    """Split a part: the widest strips first, then those that take the least time for the rest;
    that of a part which is narrower goes beyond it."""
    if part.channels < widths[-1]:
        return [Strip(0, widths[-1])]
    widest = next(width for width in widths if width <= part.channels)
    done = part.channels // widest * widest
    found = [Strip(start, widest) for start in range(0, done, widest)]
    for width in _cheapest(part.channels - done, [w for w in widths if w <= part.channels]):
        found.append(Strip(min(done, part.channels - width), width))
        done += width
    return found


def _cheapest(channels: int, widths: Sequence[int]) -> list[int]:
    """Return the widths of strips for so many channels, of which the last may have more."""
    if channels <= 0:
        return []
    ways = ([width, *_cheapest(channels - width, widths)] for width in widths)
    return min(ways, key=lambda way: sum(map(_cost, way)))


def _cost(width: int) -> int:
    """Return the time that an output of a strip takes: a part of it whatever the channels."""
    return width + SAME


def channel_order(width: int) -> list[int]:
    """Return the channels of a strip in the order of its vectors of sums."""
    blocks, each = width // CHANNELS, CHANNELS // VECTORS
    return [
        CHANNELS * block + each * vector + channel
        for vector in range(VECTORS)
        for block in range(blocks)
        for channel in range(each)
    ]


def pack_taps(
    window: Window, weight: np.ndarray, bias: np.ndarray, multiplier: np.ndarray
) -> np.ndarray:
    """Pack weight [kh, kw, 1, c], bias [c] and multiplier [c]."""
    unit, taps = unit_of(window), weight.reshape(*window.kernel, -1)
    assert window.codes is not None
    missing = unit.less - window.codes.zero
    whole = bias.astype(np.int64) + missing * taps.astype(np.int64).sum(axis=(0, 1))
    heads = (whole.astype(np.int32), multiplier.astype(np.float32))
    packed, first = list[bytes](), 0
    for part in window.parts:
        for start, width in strips_of(part, unit.widths):
            own = np.minimum(first + start + np.array(channel_order(width)), whole.size - 1)
            parts = (*(head[own] for head in heads), unit.pack(taps[..., own]).astype(np.int8))
            packed += [each.tobytes() for each in parts]
        first += part.channels
    return np.frombuffer(b"".join(packed), np.uint8)
