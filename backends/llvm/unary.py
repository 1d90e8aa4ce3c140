"""The functions of `mbc/ops/unary.py` on vectors.

    log(x) = e ln 2 + log(1 + f),  x = 2**e (1 + f),  sqrt(1/2) <= 1 + f < sqrt(2)
    log(1 + f) = f - f**2 / 2 + f**3 p(f)

p is that of the Cephes library. The error of all normal float32 is at most 0.83 units in the last
place (tests/backends/test_unary.py). Powers by integers are products, others
exp(exponent * log(x)), whose relative error grows with the logarithm of the result, up to 1e-5.
"""

from __future__ import annotations

from math import inf, nan

from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.formula import Lanes
from mbc.backends.llvm.polynomials import LN2_HIGH, LN2_LOW, LOG, exponential
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt, Unary

ROOT_HALF = 0x3F3504F3  # the bits of sqrt(1/2), rounded
LEAST_NORMAL = 2.0**-126


def unary(f: Function, op: Unary, vector: str) -> str:
    """Return the function of each lane."""
    x = Lanes(f, vector)
    match op:
        case Abs():
            return abs(x).name
        case Neg():
            return (-x).name
        case Exp():
            return exponential(f, vector)
        case Log():
            return logarithm(x).name
        case Sqrt():
            return x.sqrt().name
        case Reciprocal():
            return (x.number(1.0) / x).name
        case Pow(exponent=exponent):
            return power(x, exponent).name
        case _:
            raise TypeError(f"{op.mnemonic} is no function of an element")


def logarithm(x: Lanes) -> Lanes:
    """Return log(x); minus infinity of what is too small to be normal, of either sign."""
    exponent, mantissa = _parts(x)
    rest = mantissa - 1.0
    square = rest * rest
    small = exponent.times(LN2_LOW, rest.polynomial(LOG) * (rest * square))
    result = exponent.times(LN2_HIGH, rest + square.times(-0.5, small))
    result = x.number(-inf).where("olt", LEAST_NORMAL, result, x)
    result = x.number(nan).where("ole", -LEAST_NORMAL, result, x)
    return result.where("olt", inf, x, x)


def _parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """Split x = 2**e m with m from sqrt(1/2) to sqrt(2) into e and m."""
    f, lanes = x.f, x.f.isa.lanes
    ints, vector = f"<{lanes} x i32>", x.f.isa.vector

    def all(value: int) -> str:
        return f"<{', '.join([f'i32 {value}'] * lanes)}>"

    bits = f.op(f"bitcast {vector} {x.name} to {ints}")
    above = f.op(f"sub {ints} {bits}, {all(ROOT_HALF)}")
    exponent = f.op(f"ashr {ints} {above}, {all(23)}")
    whole = f.op(f"shl {ints} {exponent}, {all(23)}")
    mantissa = f.op(f"sub {ints} {bits}, {whole}")
    number = f.op(f"sitofp {ints} {exponent} to {vector}")
    return Lanes(f, number), Lanes(f, f.op(f"bitcast {ints} {mantissa} to {vector}"))


def power(x: Lanes, exponent: float) -> Lanes:
    """Return x to a power: by products for integers."""
    if not exponent.is_integer():
        return Lanes(x.f, exponential(x.f, (logarithm(x) * exponent).name))
    result, base, left = x.number(1.0), x, int(abs(exponent))
    while left:
        result = result * base if left % 2 else result
        left //= 2
        base = base * base if left else base
    return x.number(1.0) / result if exponent < 0 else result
