"""Normalisations over channels or images, by numpy."""

from __future__ import annotations

import numpy as np

from mbc.ops.matmul import MatMul
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn

Array = np.ndarray


def log_softmax(op: LogSoftmax, x: Array) -> tuple[Array]:
    """x - max - log(sum of exp(x - max)), over the last axis."""
    below = x - x.max(axis=-1, keepdims=True)
    return (below - np.log(np.exp(below).sum(axis=-1, keepdims=True)),)


def l2_normalize(op: L2Normalize, x: Array) -> tuple[Array]:
    """x / max(norm, epsilon), over the last axis."""
    norm = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return (x / np.maximum(norm, x.dtype.type(op.epsilon)),)


def lrn(op: Lrn, x: Array) -> tuple[Array]:
    """Divide by a power of the sum of squares over neighbouring channels."""
    widths = [*[(0, 0)] * (x.ndim - 1), op.reach(x.shape[-1])]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x * x, widths), 1 + sum(widths[-1]), axis=-1
    )
    base = x.dtype.type(op.bias) + x.dtype.type(op.alpha / op.size) * windows.sum(axis=-1)
    result: Array = x / np.power(base, x.dtype.type(op.beta))
    return (result,)


def instance_norm(op: InstanceNorm, x: Array, gamma: Array, beta: Array) -> tuple[Array]:
    """Normalise each channel of each image by its own mean and variance."""
    rest = x - x.mean(axis=(1, 2), keepdims=True, dtype=x.dtype)
    variance = (rest * rest).mean(axis=(1, 2), keepdims=True, dtype=x.dtype)
    return (rest / np.sqrt(variance + x.dtype.type(op.epsilon)) * gamma + beta,)


def matmul(op: MatMul, a: Array, b: Array) -> tuple[Array]:
    """Multiply the matrices of the last two axes."""
    return (a @ b,)
