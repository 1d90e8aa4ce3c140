"""Activations of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import inf
from typing import assert_never

from mbc.backends.llvm import polynomials
from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.formula import Lanes
from mbc.backends.llvm.vectors import (
    arithmetic,
    at_least,
    at_most,
    compare,
    fma,
    load,
    select,
    splat_literal,
    store,
)
from mbc.ir.activations import (
    Activation,
    Clip,
    Elu,
    Gelu,
    GeluTanh,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    Selu,
    Sigmoid,
    Silu,
    Smooth,
    Softplus,
    Tanh,
)


def activate(f: Function, vector: str, act: Activation | None) -> str:
    """Return the activation of each lane."""
    match act:
        case None:
            return vector
        case Clip(lo=lo, hi=hi):
            above = vector if lo == -inf else at_least(f, vector, lo)
            return above if hi == inf else at_most(f, above, hi)
        case LeakyRelu(alpha=alpha):
            return sloped(f, vector, splat_literal(f, alpha))
        case HardSigmoid(alpha=alpha, beta=beta):
            return _clipped_line(f, vector, alpha, beta)
        case HardSwish():
            share = _clipped_line(f, vector, 1 / 6, 0.5)
            return arithmetic(f, "fmul", at_least(f, vector, -3.0), share)
        case _:
            return _smooth(Lanes(f, vector), act).name


def _smooth(x: Lanes, act: Smooth) -> Lanes:
    match act:
        case Sigmoid():
            return polynomials.sigmoid(x)
        case Silu():
            return polynomials.silu(x)
        case Tanh():
            return polynomials.tanh(x)
        case Gelu():
            return polynomials.gelu(x)
        case GeluTanh():
            return polynomials.gelu_tanh(x)
        case Elu(alpha=alpha):
            return polynomials.elu(x, alpha)
        case Selu(alpha=alpha, gamma=gamma):
            return polynomials.selu(x, alpha, gamma)
        case Softplus():
            return polynomials.softplus(x)
        case Mish():
            return polynomials.mish(x)
    assert_never(act)


def _clipped_line(f: Function, x: str, slope: float, offset: float) -> str:
    line = fma(f, x, splat_literal(f, slope), splat_literal(f, offset))
    return at_most(f, at_least(f, line, 0.0), 1.0)


def sloped(f: Function, x: str, slope: str) -> str:
    """Return each lane, times its slope unless it is above 0."""
    scaled = arithmetic(f, "fmul", x, slope)
    return select(f, compare(f, "ogt", x, splat_literal(f, 0.0)), x, scaled)


SIDE_BY_SIDE = 6  # vectors of a turn, whose chains of operations hide each other's latency


def is_costly(act: Activation | None) -> bool:
    """Whether an activation is long enough that a register tile is stored before it."""
    return isinstance(act, Smooth)


def activate_stored(
    f: Function, act: Activation, out: str, rows: int, pitch: int, lanes: Sequence[int | None]
) -> None:
    """Activate rows that were just stored, `pitch` bytes apart, of vectors with so many lanes each
    (None: all). In a loop: in straight-line code behind a tile, the registers would not do."""
    most = max(SIDE_BY_SIDE // len(lanes), 1)
    several = max(n for n in range(1, most + 1) if rows % n == 0)
    firsts = [*accumulate((some or f.isa.lanes for some in lanes), initial=0)]

    def turn(_: Count, pointers: list[str]) -> Sequence[str]:
        places = [
            (pitch * row + f.isa.element.bytes * lane, some)
            for row in range(several)
            for lane, some in zip(firsts, lanes, strict=False)
        ]
        values = [activate(f, load(f, pointers[0], at, some), act) for at, some in places]
        for value, (at, some) in zip(values, places, strict=True):
            store(f, value, pointers[0], at, some)
        return [f.offset(pointers[0], pitch * several)]

    f.loop(0, rows // several, [("ptr", out)], turn)
