"""exp, and what is made of it, by polynomials of our own: objects need no libm.

    exp(x) = 2**n (1 + t),  x = n ln 2 + r,  |r| <= ln 2 / 2,  t = exp(r) - 1 = r + r**2 p(r)

All is fused multiply-adds, sums, products and quotients in an order that never changes, so that
CPUs that fuse give the same bits. tests/backends/test_polynomials.py has the largest errors of all
float32. p, and the polynomials of tanh and gelu, are minimax fits.
"""

from __future__ import annotations

from math import log

from mbc.backends.gelu import GELU_LOG2, GELU_MOST, GELU_TANH, GELU_TANH_MOST
from mbc.backends.llvm.emitter import Function
from mbc.backends.llvm.formula import Lanes

LOG2_E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 0.693359375, -2.12194440e-4
ROUND = 1.5 * 2**23  # added, it leaves an integer in the last bits of the mantissa
BIAS = 127.0  # of exponents
EXP_LOWEST, EXP_HIGHEST = -87.33654, 88.72283  # the ends of normal results
EXP = (0.49999994, 0.1666652, 0.04166839, 0.008368781, 0.0013814467)
TANH = (-0.333333, 0.13332221, -0.05385233, 0.021302992, -0.0074095582, 0.0015847565)
TANH_SMALL = 0.8  # below, tanh has a polynomial of its own
LOG = (
    *(3.3333331174e-1, -2.4999993993e-1, 2.0000714765e-1, -1.6668057665e-1, 1.4249322787e-1),
    *(-1.2420140846e-1, 1.1676998740e-1, -1.1514610310e-1, 7.0376836292e-2),
)
"""p of log(1 + f) = f - f**2 / 2 + f**3 p(f), from sqrt(1/2) to sqrt(2) (the Cephes library)"""
MISH_LARGE = 20.0  # above, tanh(log(1 + exp(x))) is 1
LOG1P_LARGE = 0.4142  # above, log(1 + u) is that of half of 1 + u and log(2)
EXP2 = (1.0, 0.69314718, 0.24022648, 0.055503323, 0.009618437, 0.0013398875, 0.0001535336)
SMALLER = 2.0**-40  # keeps 2**-n normal where its product with x is


def exponential(f: Function, x: str) -> str:
    """Return exp(x), 0 where it would be subnormal."""
    given = Lanes(f, x)
    bounded = given.at_least(EXP_LOWEST).at_most(EXP_HIGHEST)
    shifted = bounded.times(LOG2_E, ROUND)
    power = (_rise(bounded, shifted - ROUND, -1.0) + 1.0).with_exponent_of(shifted)
    power = given.number(0.0).where("olt", EXP_LOWEST, power, given)
    power = given.number(float("inf")).where("ogt", EXP_HIGHEST, power, given)
    return given.where("uno", 0.0, power, given).name


def _rise(x: Lanes, n: Lanes, sign: float) -> Lanes:
    """Return t for x + sign * n * ln 2."""
    rest = n.times(sign * LN2_LOW, n.times(sign * LN2_HIGH, x))
    return rest.polynomial(EXP).times(rest * rest, rest)


def sigmoid(x: Lanes) -> Lanes:
    """Return 1 / (1 + exp(-x))."""
    tail = _tail(abs(x).at_most(88.0))
    return tail.where("olt", 0.0, x.number(1.0) - tail, x)


def silu(x: Lanes) -> Lanes:
    """Return x / (1 + exp(-x)) = max(x, 0) - |x| / (1 + exp(|x|))."""
    size = abs(x).at_most(110.0)
    return _tail(size, size, SMALLER).times(-SMALLER, x.at_least(0.0))


def tanh(x: Lanes) -> Lanes:
    """Return sign(x) (1 - 2 / (1 + exp(2|x|))); of small numbers, x + x**3 p(x**2)."""
    size = abs(x)
    large = _tail((size + size).at_most(20.0)).times(-2.0, 1.0).with_sign_of(x)
    square = x * x
    small = (square.polynomial(TANH) * square).times(x, x)
    return small.where("olt", TANH_SMALL, large, size)


def gelu(x: Lanes) -> Lanes:
    """Return max(x, 0) - |x| g(|x|), g(x) = (1 - erf(x / sqrt(2))) / 2 = 2**p(x)."""
    size = abs(x).at_most(GELU_MOST)
    power = size.polynomial(GELU_LOG2)
    shifted = power + (ROUND + BIAS)
    fraction = (power - (shifted - (ROUND + BIAS))).polynomial(EXP2)
    return (-(size * shifted.exponent())).times(fraction, x.at_least(0.0))


def gelu_tanh(x: Lanes) -> Lanes:
    """Return max(x, 0) - |x| / (1 + exp(|x| (a + b x**2)))."""
    size = abs(x).at_most(GELU_TANH_MOST)
    linear, cubic = GELU_TANH
    return x.at_least(0.0) - _tail(size * (size * size).times(cubic, linear), size)


def elu(x: Lanes, alpha: float) -> Lanes:
    """Return x above 0, else alpha * (exp(x) - 1)."""
    return x.where("ogt", 0.0, _below_one(x) * alpha, x)


def selu(x: Lanes, alpha: float, gamma: float) -> Lanes:
    """Return gamma * x above 0, else gamma * alpha * (exp(x) - 1)."""
    return (x * gamma).where("ogt", 0.0, _below_one(x) * (alpha * gamma), x)


def _below_one(x: Lanes) -> Lanes:
    """Return exp(x) - 1 for x <= 0."""
    scale, rise = _decay(x)
    return scale.times(rise, scale - 1.0)


def _decay(x: Lanes) -> tuple[Lanes, Lanes]:
    """Return 2**n and t for x <= 0; 0 and t below -88."""
    bounded = x.at_least(-88.0)
    shifted = bounded.times(LOG2_E, ROUND + BIAS)
    return shifted.exponent(), _rise(bounded, shifted - (ROUND + BIAS), -1.0)


def softplus(x: Lanes) -> Lanes:
    """Return max(x, 0) + log(1 + u), u = exp(-|x|); log(1 + u) of the larger u is
    log(2) + log(1 + (u - 1) / 2)."""
    scale, rise = _decay(-abs(x))
    u = scale.times(rise, scale)
    rest = u.times(0.5, -0.5).where("ogt", LOG1P_LARGE, u, u)
    square = rest * rest
    small = square.times(-0.5, rest.polynomial(LOG) * (rest * square))
    half = u.number(log(2)).where("ogt", LOG1P_LARGE, 0.0, u)
    return x.at_least(0.0) + (half + (rest + small))


def mish(x: Lanes) -> Lanes:
    """Return x tanh(log(1 + exp(x))); x above 20.

    With u = exp(x) that is x (1 - 2 / d), d = u (u + 2) + 2, or for x < 0 x u (1 - u (u + 1) / d).
    """
    bounded = x.at_least(-110.0)
    magic = ROUND + BIAS - _exponent_of(SMALLER)
    shifted = bounded.times(LOG2_E, magic)
    power = shifted.exponent()
    larger = power.times(_rise(bounded, shifted - magic, -1.0), power)
    u = larger * SMALLER
    share = (u * (u + 1.0)).where("olt", 0.0, 2.0, x) / u.times(u + 2.0, 2.0)
    whole = bounded * larger.where("olt", 0.0, 1 / SMALLER, x)
    result = whole.times(-share, whole) * SMALLER
    return x.where("ogt", MISH_LARGE, result, x)


def _tail(x: Lanes, times: Lanes | None = None, smaller: float = 1.0) -> Lanes:
    """Return times / (1 + exp(x)) / smaller for x >= 0, as times u / (1 + t + u), u = 2**-n.

    1 + u is exact until it is rounded to 1; what is lost then joins t."""
    magic = ROUND + BIAS - _exponent_of(smaller)
    shifted = x.times(-LOG2_E, magic)
    rise = _rise(x, shifted - magic, 1.0)
    larger = shifted.exponent()
    u = larger if smaller == 1.0 else larger * smaller
    most = u + 1.0
    divisor = most + (rise + (u - (most - 1.0)))
    return (larger if times is None else times * larger) / divisor


def _exponent_of(power: float) -> float:
    return float(power.hex().partition("p")[2])
