"""Activations that tests try: each of a kind, and those with names of their own."""

from __future__ import annotations

from mbc.ir.activations import RELU, RELU6, Activation, Clip, LeakyRelu, Sigmoid

ACTS: tuple[Activation | None, ...] = (None, RELU, RELU6, Clip(-2.0, 3.0), Clip(hi=1.0))
"""Those that select among exact numbers."""

ALL_ACTS: tuple[Activation | None, ...] = (*ACTS, LeakyRelu(0.2), Sigmoid())
