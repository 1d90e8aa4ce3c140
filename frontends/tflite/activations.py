"""The fused activations of operators."""

from __future__ import annotations

from math import inf

from mbc.frontends.tflite.model import Operator
from mbc.frontends.tflite.options import whole

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
"""The fused activations by their numbers in the schema."""

CLIPS = {
    "NONE": (-inf, inf),
    "RELU": (0.0, inf),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
    "RELU_0_TO_1": (0.0, 1.0),
}
"""Bounds of those that clip."""


def activation_of(operator: Operator) -> str:
    """Return the name of the fused activation."""
    if "FusedActivationFunction" not in operator.options:
        return "NONE"
    number = whole(operator, "FusedActivationFunction", 0)
    return ACTIVATIONS[number] if 0 <= number < len(ACTIVATIONS) else f"number {number}"
