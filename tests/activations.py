"""Activations that tests try: each of a kind, and those with names of their own."""

from __future__ import annotations

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
    Sigmoid,
    Silu,
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
)
"""Those that compute."""

ALL_ACTS: tuple[Activation | None, ...] = (*ACTS, *ROUNDED)
