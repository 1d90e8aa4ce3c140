"""Activations that tests try: each of a kind, and those with names of their own."""

from __future__ import annotations

from mbc.ir.activations import RELU, RELU6, Activation, Clip

ACTS: tuple[Activation | None, ...] = (None, RELU, RELU6, Clip(-2.0, 3.0), Clip(hi=1.0))
