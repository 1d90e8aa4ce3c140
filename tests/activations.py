"""Activations that tests try: each of a kind, and those with names of their own."""

from __future__ import annotations

import math
from typing import assert_never

from mbc.ir.activations import (
    RELU,
    RELU6,
    Activation,
    Clip,
    Elu,
    Gelu,
    GeluTanh,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    Selu,
    Sigmoid,
    Silu,
    Smooth,
    Softplus,
    Tanh,
)

ACTS: tuple[Activation | None, ...] = (None, RELU, RELU6, Clip(-2.0, 3.0), Clip(hi=1.0))
"""Those that select among exact numbers."""

ROUNDED: tuple[Activation, ...] = (
    LeakyRelu(0.2),
    Sigmoid(),
    HardSigmoid(0.2, 0.4),
    HardSigmoid(),
    HardSwish(),
    Silu(),
    Tanh(),
    Gelu(),
    GeluTanh(),
    Elu(1.5),
    Selu(),
    Selu(0.7, 1.4),
    Softplus(),
    Mish(),
)
"""Those that compute."""

ALL_ACTS: tuple[Activation | None, ...] = (*ACTS, *ROUNDED)


def activation(value: float, act: Activation | None) -> float:
    """One of a number, by its formula."""
    match act:
        case None:
            return value
        case Clip(lo=lo, hi=hi):
            return min(max(value, lo), hi)
        case LeakyRelu(alpha=alpha):
            return value if value > 0 else alpha * value
        case HardSigmoid(alpha=alpha, beta=beta):
            return min(max(alpha * value + beta, 0), 1)
        case HardSwish():
            return value * min(max(value + 3, 0), 6) / 6
        case _:
            return smooth(value, act)


def smooth(value: float, act: Smooth) -> float:
    match act:
        case Sigmoid():
            return 1 / (1 + math.exp(-value))
        case Silu():
            return value / (1 + math.exp(-value))
        case Tanh():
            return 1 - 2 / (math.exp(2 * value) + 1)
        case Gelu():
            return value * math.erfc(-value / math.sqrt(2)) / 2
        case GeluTanh():
            inner = math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)
            return value * (1 + math.tanh(inner)) / 2
        case Elu(alpha=alpha):
            return value if value > 0 else alpha * (math.exp(value) - 1)
        case Selu(alpha=alpha, gamma=gamma):
            return gamma * (value if value > 0 else alpha * (math.exp(value) - 1))
        case Softplus():
            return math.log1p(math.exp(value))
        case Mish():
            return value * math.tanh(math.log1p(math.exp(value)))
    assert_never(act)
