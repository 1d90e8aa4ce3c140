"""Numbers of Python and numpy, checked by kind: neither a bool nor a float is an integer."""

from __future__ import annotations

import math
import operator
from numbers import Real

import numpy as np


def as_integer(given: object) -> int | None:
    """Convert an integer of any library to Python's; None for anything else, bools included."""
    if isinstance(given, bool | np.bool_ | np.ndarray):
        return None
    try:
        return operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        return None


def as_float(given: object) -> float | None:
    """Convert a finite number of any library to Python's float; None for anything else."""
    if isinstance(given, bool | np.bool_) or not isinstance(given, Real):
        return None
    try:
        value = float(given)
    except OverflowError:  # an integer beyond all floats
        return None
    return value if math.isfinite(value) else None


def as_bool(given: object) -> bool | None:
    """Convert a bool of Python or numpy; None for anything else, including 0 and 1."""
    return bool(given) if isinstance(given, bool | np.bool_) else None
