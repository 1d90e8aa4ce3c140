"""The ranges of a network's values by stable names, and how they become scales.

A range has 0 in it. Its 255 steps are as wide as the nearest float32 says, and its zero point is
the nearest code:

    scale = f32((high - low) / 255)        zero = round_half_even(-low / scale), 0 to 255

A range that holds nothing but 0 gets the scale 1 and the zero point 0.

A model that was quantised before it was imported states scales and zero points itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import reduce

import numpy as np

from mbc.ir.elements import Q8, SMALLEST_SCALE
from mbc.records import dataclass

WEIGHT_BITS = (8, 7)
"""Bits of weights: those of 7 never saturate pairs of products in 16 bits."""


@dataclass(frozen=True)
class Range:
    """The least and the largest number of a value; 0 lies between them."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low <= 0 <= self.high):
            raise ValueError(f"a range is finite and has 0 in it, found {self.low} to {self.high}")

    @staticmethod
    def of(low: float, high: float) -> Range:
        """Return a range that is as wide as need be to have 0 in it."""
        return Range(min(float(low), 0.0), max(float(high), 0.0))

    @property
    def span(self) -> float:
        """Distance of the ends."""
        return self.high - self.low

    def union(self, other: Range) -> Range:
        """Return the least range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    @property
    def element(self) -> Q8:
        """The element whose codes are spread over the range."""
        scale = self.span / 255
        if scale < SMALLEST_SCALE:
            return Q8(1.0, 0)
        rounded = float(np.float32(scale))
        return Q8(rounded, min(max(round(-self.low / rounded), 0), 255))


def union(ranges: Iterable[Range]) -> Range:
    """Return the least range that holds all."""
    return reduce(Range.union, ranges)


@dataclass(frozen=True)
class Quantisation:
    """What is known of a network, by the stable names of its values."""

    ranges: Mapping[str, Range]
    """The range of each value that is stored as codes, but for those that moves make and those
    whose element is stated."""
    keep_float: frozenset[str] = frozenset()
    """Names of values that are computed in float."""
    weight_bits: int = 8
    """Bits of weights, of `WEIGHT_BITS`."""
    corrections: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What is added to the float bias of a layer, by the name of its result."""
    elements: Mapping[str, Q8] = field(default_factory=dict)
    """The element of each value that a quantised model has on codes. Where any is stated, values
    with neither an element nor a range are computed in float."""
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    """The scales of weights that a quantised model states, one for each output channel or one for
    all, by the names of the constants."""

    @property
    def largest_weight(self) -> int:
        """The largest code of a weight; the least is its negative."""
        return int(2 ** (self.weight_bits - 1) - 1)
