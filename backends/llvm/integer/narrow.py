"""Stores of steps as codes, several vectors at a time.

Instructions that narrow integers saturate, so codes of the whole range need no bounds of their own.
Where there are none, or where a step may exceed s32, vectors are clamped and rounded one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.integer.codes import (
    Finish,
    clamped,
    extracted,
    repeated,
    store_bytes,
    store_finished,
)
from mbc.backends.llvm.isa import Isa


class Piece(NamedTuple):
    """A vector of the result."""

    steps: str
    """Its steps."""
    offset: int
    """Bytes from the common address to it."""
    lanes: int | None = None
    """The lanes that are stored; None for all."""


class Narrowing(NamedTuple):
    """How an instruction set narrows vectors."""

    lanes: int
    """Lanes of the vectors."""
    narrow: Callable[[Function, Finish, Sequence[str]], str]
    """From the steps of four vectors to their codes in one; several may be the same."""
    exceeds: bool
    """Whether steps may exceed s32."""
    declared: tuple[str, ...]
    """Declarations of the intrinsics that it calls."""


VECTORS = 4  # that are narrowed to one


def store_pieces(f: Function, finish: Finish, pieces: Sequence[Piece], pointer: str) -> None:
    """Store vectors of the result."""
    how = narrowing_of(f.isa)
    if how is None or finish.zero is None or not (how.exceeds or finish.fits):
        for piece in pieces:
            store_finished(f, finish, piece.steps, pointer, piece.offset, piece.lanes)
        return
    for start in range(0, len(pieces), VECTORS):
        several = pieces[start : start + VECTORS]
        vectors = [several[min(i, len(several) - 1)].steps for i in range(VECTORS)]
        codes = bounded(f, finish, how.narrow(f, finish, vectors))
        _store(f, codes, several, pointer)


def bounded(f: Function, finish: Finish, codes: str) -> str:
    """Clamp the codes of four vectors to the bounds of the result."""
    kind = f"<{VECTORS * f.isa.lanes} x i8>"
    for name, bound, free in (("umax", finish.low, 0), ("umin", finish.high, 255)):
        if bound != free:
            limit = repeated("i8", bound, VECTORS * f.isa.lanes)
            intrinsic = f"@llvm.{name}.v{VECTORS * f.isa.lanes}i8"
            codes = f.op(f"call {kind} {intrinsic}({kind} {codes}, {kind} {limit})")
    return codes


def _store(f: Function, codes: str, pieces: Sequence[Piece], pointer: str) -> None:
    """Store vectors that lie side by side together."""
    lanes, size = f.isa.lanes, VECTORS * f.isa.lanes
    for first, run in _neighbours(lanes, pieces):
        last = run[-1].lanes or lanes
        count = (len(run) - 1) * lanes + last
        if f.isa.name == "neon" and count == len(run) * lanes:
            _store_words(f, codes, first, len(run), f.offset(pointer, run[0].offset))
            continue
        whole = range(first * lanes, first * lanes + len(run) * lanes)
        part = extracted(f, codes, size, whole)
        store_bytes(f, part, f.offset(pointer, run[0].offset), len(whole), count)


def _store_words(f: Function, codes: str, first: int, count: int, address: str) -> None:
    """Store some of the four words of a vector: LLVM takes parts of it apart by bytes."""
    if count == VECTORS:
        f.emit(f"store <16 x i8> {codes}, ptr {address}, align 1")
        return
    done = 0
    while done < count:
        place = first + done
        words = 2 if place % 2 == 0 and count - done >= 2 else 1
        kind, word = f"<{VECTORS // words} x i{32 * words}>", f"i{32 * words}"
        lanes = f.op(f"bitcast <16 x i8> {codes} to {kind}")
        part = f.op(f"extractelement {kind} {lanes}, i32 {place // words}")
        f.emit(f"store {word} {part}, ptr {f.offset(address, 4 * done)}, align 1")
        done += words


def _neighbours(lanes: int, pieces: Sequence[Piece]) -> Iterator[tuple[int, list[Piece]]]:
    """Split vectors into runs that lie side by side; yields the number of the first of each."""
    run: list[Piece] = []
    for number, piece in enumerate(pieces):
        if run and (run[-1].lanes or piece.offset != run[-1].offset + lanes):
            yield number - len(run), run
            run = []
        run.append(piece)
    yield len(pieces) - len(run), run


def _plus_zero(f: Function, finish: Finish, words: str, count: int) -> str:
    """Add the zero point to s16, saturating."""
    if not finish.zero:
        return words
    kind = f"<{count} x i16>"
    zero = repeated("i16", finish.zero, count)
    return f.op(f"call {kind} @llvm.sadd.sat.v{count}i16({kind} {words}, {kind} {zero})")


def mixed_order(lanes: int) -> list[int]:
    """Return where PACKSSDW and PACKUSWB, which work in blocks of 128 bits, put the words of 32
    bits of four vectors."""
    blocks = lanes // VECTORS
    return [VECTORS * block + vector for vector in range(VECTORS) for block in range(blocks)]


class _Operands(NamedTuple):
    """Further operands of an intrinsic."""

    values: str = ""
    types: str = ""


NOTHING = _Operands()


def _x86(
    lanes: int,
    convert: str,
    words: str,
    bytes: str,
    more: _Operands = NOTHING,
    *,
    by_block: bool = False,
) -> Narrowing:
    """Return the narrowing of CVTPS2DQ, PACKSSDW and PACKUSWB: of vectors one after the other, or
    of those whose blocks of 128 bits are."""
    order = [*range(lanes)] if by_block else mixed_order(lanes)
    floats, ints = f"<{lanes} x float>", f"<{lanes} x i32>"
    shorts, codes = f"<{2 * lanes} x i16>", f"<{4 * lanes} x i8>"

    def narrow(f: Function, finish: Finish, steps: Sequence[str]) -> str:
        whole = {
            v: f.op(f"call {ints} @{convert}({floats} {v}{more.values})")
            for v in dict.fromkeys(steps)
        }
        pairs = list(zip(steps[::2], steps[1::2], strict=True))
        packed = {
            (a, b): _plus_zero(
                f,
                finish,
                f.op(f"call {shorts} @{words}({ints} {whole[a]}, {ints} {whole[b]})"),
                2 * lanes,
            )
            for a, b in dict.fromkeys(pairs)
        }
        first, second = (packed[pair] for pair in pairs)
        mixed = f.op(f"call {codes} @{bytes}({shorts} {first}, {shorts} {second})")
        return _ordered(f, codes, mixed, order)

    declared = (
        f"declare {ints} @{convert}({floats}{more.types})",
        f"declare {shorts} @{words}({ints}, {ints})",
        f"declare {codes} @{bytes}({shorts}, {shorts})",
        *_declared(lanes),
    )
    return Narrowing(lanes, narrow, False, declared)


def _ordered(f: Function, codes: str, mixed: str, order: Sequence[int]) -> str:
    """Put the words of a vector of codes in order."""
    if list(order) == sorted(order):
        return mixed
    kind, mask = f"<{len(order)} x i32>", ", ".join(f"i32 {place}" for place in order)
    as_words = f.op(f"bitcast {codes} {mixed} to {kind}")
    right = f.op(f"shufflevector {kind} {as_words}, {kind} poison, <{len(order)} x i32> <{mask}>")
    return f.op(f"bitcast {kind} {right} to {codes}")


def _declared(lanes: int) -> tuple[str, ...]:
    """Declare what all narrowings call."""
    shorts, codes = f"<{2 * lanes} x i16>", f"<{4 * lanes} x i8>"
    return (
        f"declare {shorts} @llvm.sadd.sat.v{2 * lanes}i16({shorts}, {shorts})",
        f"declare {codes} @llvm.umax.v{4 * lanes}i8({codes}, {codes})",
        f"declare {codes} @llvm.umin.v{4 * lanes}i8({codes}, {codes})",
    )


_FCVTNS = "llvm.aarch64.neon.fcvtns.v4i32.v4f32"
_SQXTN, _SQXTUN = "llvm.aarch64.neon.sqxtn.v4i16", "llvm.aarch64.neon.sqxtun.v8i8"


def _neon(f: Function, finish: Finish, steps: Sequence[str]) -> str:
    """Narrow by FCVTNS, SQXTN or UZP1, and SQXTUN."""
    whole = {v: f.op(f"call <4 x i32> @{_FCVTNS}(<4 x float> {v})") for v in dict.fromkeys(steps)}
    quarters = []
    for a, b in zip(steps[::2], steps[1::2], strict=True):
        words = (_low_halves if finish.short else _saturated)(f, whole[a], whole[b])
        words = _plus_zero(f, finish, words, 8)
        quarters.append(f.op(f"call <8 x i8> @{_SQXTUN}(<8 x i16> {words})"))
    return _joined(f, "<8 x i8>", 8, *quarters)


def _saturated(f: Function, a: str, b: str) -> str:
    """Narrow two vectors of s32 to one of s16."""
    halves = [f.op(f"call <4 x i16> @{_SQXTN}(<4 x i32> {v})") for v in (a, b)]
    return _joined(f, "<4 x i16>", 4, *halves)


def _low_halves(f: Function, a: str, b: str) -> str:
    """Return the low halves of the lanes of two vectors of s32."""
    kind, mask = "<8 x i16>", ", ".join(f"i32 {lane}" for lane in range(0, 16, 2))
    parts = [f.op(f"bitcast <4 x i32> {v} to {kind}") for v in (a, b)]
    return f.op(f"shufflevector {kind} {parts[0]}, {kind} {parts[1]}, <8 x i32> <{mask}>")


def _joined(f: Function, kind: str, lanes: int, a: str, b: str) -> str:
    mask = ", ".join(f"i32 {lane}" for lane in range(2 * lanes))
    return f.op(f"shufflevector {kind} {a}, {kind} {b}, <{2 * lanes} x i32> <{mask}>")


_of_256 = partial(
    _x86, 8, "llvm.x86.avx.cvt.ps2dq.256", "llvm.x86.avx2.packssdw", "llvm.x86.avx2.packuswb"
)
_of_512 = partial(
    _x86,
    16,
    "llvm.x86.avx512.mask.cvtps2dq.512",
    "llvm.x86.avx512.packssdw.512",
    "llvm.x86.avx512.packuswb.512",
    _Operands(", <16 x i32> zeroinitializer, i16 -1, i32 4", ", <16 x i32>, i16, i32"),
)
_AVX2, _AVX512 = _of_256(), _of_512()
_SSE = _x86(4, "llvm.x86.sse2.cvtps2dq", "llvm.x86.sse2.packssdw.128", "llvm.x86.sse2.packuswb.128")
NARROWINGS = {
    "avx2": _AVX2,
    "avx512": _AVX2,
    "avx512wide": _AVX2,
    "sse": _SSE,
    "neon": Narrowing(
        4,
        _neon,
        True,
        (
            f"declare <4 x i32> @{_FCVTNS}(<4 x float>)",
            f"declare <4 x i16> @{_SQXTN}(<4 x i32>)",
            f"declare <8 x i8> @{_SQXTUN}(<8 x i16>)",
            *_declared(4),
        ),
    ),
}
"""By vector unit; others have none."""
OF_DOTS = {"avx512vnni": _AVX512}
"""Those of the vectors of dot products, by extension."""

_BLOCKS_256 = _of_256(by_block=True)
OF_BLOCKS = {
    "avx512vnni": {16: _of_512(by_block=True), 8: _BLOCKS_256, 4: _SSE},
    "avxvnni": {8: _BLOCKS_256, 4: _SSE},
}
"""Those of vectors whose blocks of 128 bits are one after the other, by extension and lanes, the
most first."""


def store_blocks(f: Function, finish: Finish, steps: Sequence[str], address: str) -> None:
    """Store four vectors of steps as codes: of each block of 128 bits that of the first vector,
    then that of the second, and so on."""
    if not finish.fits:
        steps = [clamped(f, finish, vector) for vector in steps]
    codes = bounded(f, finish, OF_BLOCKS[f.isa.dots][f.isa.lanes].narrow(f, finish, steps))
    f.emit(f"store <{VECTORS * f.isa.lanes} x i8> {codes}, ptr {address}, align 1")


def narrowings_of(isa: Isa) -> list[Narrowing]:
    """List all by which kernels of a unit narrow."""
    found = filter(None, map(narrowing_of, (isa, isa.of_dots)))
    return [*found, *OF_BLOCKS.get(isa.dots, {}).values()]


def narrowing_of(isa: Isa) -> Narrowing | None:
    """Return how a unit narrows its vectors; None if it does so one by one."""
    found = (OF_DOTS.get(isa.dots), NARROWINGS.get(isa.name))
    return next((how for how in found if how and how.lanes == isa.lanes), None)
