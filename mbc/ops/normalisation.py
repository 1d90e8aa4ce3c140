"""Batch normalisation as a scale and a shift of each channel, in double precision."""

from __future__ import annotations

import numpy as np

from mbc.ops.elementwise import BatchNorm


def scale_of(op: BatchNorm, gamma: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return gamma / sqrt(variance + epsilon)."""
    scale: np.ndarray = gamma / np.sqrt(variance.astype(np.float64) + op.epsilon)
    return scale


def scale_and_shift(
    op: BatchNorm, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and shift with batch_norm(x) = x * scale + shift."""
    scale = scale_of(op, gamma, variance)
    return scale, beta - mean * scale
