"""Functions of each element, by numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt, Unary

Array = np.ndarray


def _power(op: Pow, x: Array) -> Array:
    """Raise to a power; numpy gives a number for minus infinity where others give NaN."""
    result: Array = np.power(x, x.dtype.type(op.exponent))
    return result if op.exponent.is_integer() else np.where(x < 0, x.dtype.type(np.nan), result)


FORMULAS: dict[type[Unary], Callable[[Array], Array]] = {
    Abs: np.abs,
    Neg: np.negative,
    Exp: np.exp,
    Log: np.log,
    Sqrt: np.sqrt,
    Reciprocal: np.reciprocal,
}
"""Those without attributes."""


def unary(op: Unary, x: Array) -> tuple[Array]:
    """Apply the function."""
    return (_power(op, x) if isinstance(op, Pow) else FORMULAS[type(op)](x),)
