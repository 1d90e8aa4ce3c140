"""Indices of the largest elements, of which rounding decides about some."""

from __future__ import annotations

import numpy as np

from mbc.interp.kernels import KERNELS
from mbc.ops.argmax import ArgMax

Array = np.ndarray


def found_index(op: ArgMax, exact: Array, error: Array) -> tuple[Array, Array, Array]:
    """The exact index, how far off it may be, and itself; any is right where several elements may
    be the largest, and one of these is rounded."""
    may = exact + error >= (exact - error).max(op.axis, keepdims=True)
    several = may.sum(op.axis, keepdims=op.keep) > 1
    rounds = several & (may & (error > 0)).any(op.axis, keepdims=op.keep)
    index = KERNELS[ArgMax](op, exact)[0].astype(np.float64)
    return index, np.where(rounds, float(exact.shape[op.axis]), 0.0), index
