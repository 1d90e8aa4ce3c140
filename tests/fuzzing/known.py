"""Tensors whose elements are known exactly, with bounds on the errors that float32 may have."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from mbc.interp.kernels import KERNELS
from mbc.ir.op import Op

Array = np.ndarray
EPSILON = 2.0**-23
UNITS_THAT_FIT = 2.0**20
EXPONENTIAL = 32 * EPSILON  # of exp, relative, for an argument of 1
UNDERFLOW = 1e-36  # below which exp may vanish


@dataclass(frozen=True)
class Known:
    """A tensor: its exact elements, bounds on their errors, and the magnitudes of the terms that
    made them, of which there were `count`; `unit` is 0 if there is none."""

    exact: Array
    error: Array
    terms: Array
    count: int = 1
    unit: float = 0.0

    @staticmethod
    def given(array: Array) -> Known:
        """An input or a constant."""
        exact = array.astype(np.float64)
        return Known(exact, np.zeros_like(exact), np.abs(exact), 1, unit_of(exact))

    @property
    def most(self) -> Array:
        """The largest magnitudes that there may be."""
        largest: Array = np.abs(self.exact) + self.error
        return largest

    def misses(self, actual: Array) -> Array:
        """Where an answer is further off than it may be. What is no number or infinite must be the
        same; of numbers that infinite ones have a part in we know no bound."""
        with np.errstate(invalid="ignore"):
            near = np.abs(actual.astype(np.float64) - self.exact) <= self.error
        unbounded = ~np.isfinite(self.error) & np.isfinite(actual) & np.isfinite(self.exact)
        same = (actual == self.exact) | (np.isnan(actual) & np.isnan(self.exact))
        wrong: Array = ~np.where(np.isfinite(self.exact), near | unbounded, same)
        return wrong


def rounding(count: int) -> float:
    """The error of a sum, relative to the sum of magnitudes."""
    return EPSILON * (4 + 2 * sqrt(count))


def unit_of(array: Array) -> float:
    """The largest power of two from 1 to 2**-8 of which all elements are multiples; 0 if none."""
    units = (2.0**-k for k in range(9))
    return next((unit for unit in units if np.all(np.rint(array / unit) * unit == array)), 0.0)


def call(op: Op, *arrays: Array | None) -> Array:
    """The only result, as the oracle has it."""
    result: Array = KERNELS[type(op)](op, *arrays)[0]
    return result


def summed(op: Op, exact: Array, carried: Array, terms: Array, count: int, unit: float) -> Known:
    """A sum of terms, of which `unit` divides all, and its activation."""
    fits = bool(unit) and float(terms.max(initial=0.0)) <= UNITS_THAT_FIT * unit
    error = carried + (0.0 if fits else rounding(count) * terms)
    return Known(exact, error, terms, count, unit if fits else 0.0)
