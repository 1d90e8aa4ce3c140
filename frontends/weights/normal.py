"""Means and variances of values, and what arithmetic, activations and pools make of them.

Values are taken as independent, and as normal before an activation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mbc.ir.activations import Activation, Clip
from mbc.ops.elementwise import Add, Arithmetic, Div, Max, Min, Mul, Prelu, Sub
from mbc.records import dataclass

Array: TypeAlias = npt.NDArray[np.float64]
NORMAL = NormalDist()
QUANTILES = np.array([NORMAL.inv_cdf((i + 0.5) / 1000) for i in range(1000)])


@dataclass(frozen=True)
class Moments:
    """First and second moments of a value: per channel, or per element after a reshape."""

    mean: Array
    """Mean, [c] or the full shape."""
    variance: Array
    """Variance, of the same shape."""

    @property
    def channels(self) -> Moments:
        """Moments per channel, over all other axes."""
        if self.mean.ndim == 1:
            return self
        axes = tuple(range(self.mean.ndim - 1))
        mean = self.mean.mean(axes)
        return Moments(mean, self.variance.mean(axes) + (self.mean**2).mean(axes) - mean**2)

    def moved(self, shape: Sequence[int], move: Callable[[Array], Array]) -> Moments:
        """Apply an op that only moves the elements of a tensor of the given shape."""
        parts = (np.broadcast_to(part, tuple(shape)) for part in (self.mean, self.variance))
        mean, variance = map(move, parts)
        return Moments(mean, variance)

    def at(self, channels: Sequence[int]) -> Moments:
        """Select channels, in the order given."""
        each = self.channels
        return Moments(each.mean[list(channels)], each.variance[list(channels)])


def plus(x: Moments, *others: Moments) -> Moments:
    """Add values."""
    for other in others:
        x = Moments(x.mean + other.mean, x.variance + other.variance)
    return x


def _minus(x: Moments) -> Moments:
    return Moments(-x.mean, x.variance)


def _product(a: Moments, b: Moments) -> Moments:
    spread = a.variance * b.variance + a.variance * b.mean**2 + b.variance * a.mean**2
    return Moments(a.mean * b.mean, spread)


def _inverse(x: Moments) -> Moments:
    """Estimate 1 / x at quantiles, none of which is nearer to zero than a tenth of x's size."""
    deviation = np.sqrt(x.variance)[:, None]
    y = x.mean[:, None] + deviation * QUANTILES
    least = np.maximum(0.1 * np.sqrt(x.mean**2 + x.variance), 1e-6)[:, None]
    y = 1 / np.where(np.abs(y) < least, np.copysign(least, y), y)
    return Moments(y.mean(axis=1), y.var(axis=1))


def _larger(a: Moments, b: Moments) -> Moments:
    """Compute the moments of the larger of two normal values (Clark 1961)."""
    deviation = np.sqrt(np.maximum(a.variance + b.variance, 1e-12))
    ratio = (a.mean - b.mean) / deviation
    first = np.array([NORMAL.cdf(r) for r in ratio])
    spread = deviation * np.exp(-(ratio**2) / 2) / np.sqrt(2 * np.pi)
    mean = a.mean * first + b.mean * (1 - first) + spread
    second = (a.mean**2 + a.variance) * first + (b.mean**2 + b.variance) * (1 - first)
    return Moments(mean, np.maximum(second + (a.mean + b.mean) * spread - mean**2, 0))


def _sloped(x: Moments, slope: Moments) -> Moments:
    """Compute those of relu(x) - slope * relu(-x), of whose terms one is always zero."""
    above, above_second = _rectified(x.mean, x.variance)
    below, below_second = _rectified(-x.mean, x.variance)
    mean = above - slope.mean * below
    second = above_second + (slope.variance + slope.mean**2) * below_second
    return Moments(mean, np.maximum(second - mean**2, 0))


FORMULAS: dict[type[Arithmetic], Callable[[Moments, Moments], Moments]] = {
    Add: plus,
    Sub: lambda a, b: plus(a, _minus(b)),
    Mul: _product,
    Div: lambda a, b: _product(a, _inverse(b)),
    Min: lambda a, b: _minus(_larger(_minus(a), _minus(b))),
    Max: _larger,
    Prelu: _sloped,
}
"""The moments of each kind of arithmetic on independent operands."""


def activated(x: Moments, act: Activation | None) -> Moments:
    """Apply an activation to normal values: clips in closed form, others at quantiles."""
    match act:
        case None:
            return x
        case Clip(lo=lo, hi=hi) if lo > -inf:
            return _clipped(x, lo, hi)
        case Clip(hi=hi):
            below = _clipped(Moments(-x.mean, x.variance), -hi, inf)
            return Moments(-below.mean, below.variance)
        case _:
            return sampled(x, act.reference)


def _clipped(x: Moments, lo: float, hi: float) -> Moments:
    """Clip by clip(x, lo, hi) - lo = relu(x - lo) - relu(x - hi)."""
    mean, second = _rectified(x.mean - lo, x.variance)
    if hi < inf:
        above, above_second = _rectified(x.mean - hi, x.variance)
        mean, second = mean - above, second - above_second - 2 * (hi - lo) * above
    return Moments(mean + lo, np.maximum(second - mean**2, 0))


def sampled(x: Moments, function: Callable[[Array], Array]) -> Moments:
    """Apply a function to normal values at quantiles, but those whose result is not finite."""
    deviation = np.sqrt(np.maximum(x.variance, 1e-12))
    with np.errstate(all="ignore"):
        y = function(x.mean[:, None] + deviation[:, None] * QUANTILES)
    y = np.where(np.isfinite(y).any(axis=1, keepdims=True), y, 0.0)
    finite = np.where(np.isfinite(y), y, np.nan)
    return Moments(np.nanmean(finite, axis=1), np.nanvar(finite, axis=1))


def _rectified(mean: Array, variance: Array) -> tuple[Array, Array]:
    """Return the first and second moment of max(x, 0) for normal x."""
    deviation = np.sqrt(np.maximum(variance, 1e-12))
    ratio = mean / deviation
    below = np.array([NORMAL.cdf(r) for r in ratio])
    density = np.exp(-(ratio**2) / 2) / np.sqrt(2 * np.pi)
    return (
        mean * below + deviation * density,
        (mean**2 + variance) * below + mean * deviation * density,
    )


def maximum(x: Moments, taps: int) -> Moments:
    """Estimate the maximum of `taps` normal values by Blom's approximation.

    After an activation the upper tail is longer than a normal one, so the variance is kept.
    """
    rise = NORMAL.inv_cdf((taps - 0.375) / (taps + 0.25))
    return Moments(x.mean + rise * np.sqrt(x.variance), x.variance)


def average(x: Moments, taps: int) -> Moments:
    """Scale the variance by 1/sqrt(taps): neighbours are neither independent (1/taps) nor equal
    (1)."""
    return Moments(x.mean, x.variance / np.sqrt(taps))
