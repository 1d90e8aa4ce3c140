"""Python's numbers and numpy's, told apart by kind: a bool is no integer, an integer no float."""

from __future__ import annotations

import math
import operator
from numbers import Real

import numpy as np


def as_integer(given: object) -> int | None:
    """An integer of any library as Python's; None for all else."""
    if isinstance(given, bool | np.bool_ | np.ndarray):
        return None
    try:
        return operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        return None


def as_float(given: object) -> float | None:
    """A finite number of any library as Python's float; None for all else."""
    if isinstance(given, bool | np.bool_) or not isinstance(given, Real):
        return None
    try:
        value = float(given)
    except OverflowError:  # an integer beyond all floats
        return None
    return value if math.isfinite(value) else None


def as_bool(given: object) -> bool | None:
    """True or False; None for all else, 0 and 1 too."""
    return bool(given) if isinstance(given, bool | np.bool_) else None
