"""Activations as nodes of ONNX."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from mbc.frontends.onnx.writer import Writer
from mbc.ir.activations import (
    RELU,
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
    short_name,
)

GELU_OPSET = 20
MISH_OPSET = 18


def activated(w: Writer, x: str, act: Activation | None, name: str) -> str:
    """Apply an activation to x."""
    match act:
        case None:
            return x
        case Clip() if act == RELU:
            return w.node("Relu", [x], f"{name}.relu")
        case Clip():
            bounds = (
                w.constant(f"bound_{bound:g}", np.array(bound, np.float32)) for bound in act.range
            )
            return w.node("Clip", [x, *bounds], f"{name}.{short_name(act)}")
        case LeakyRelu(alpha=alpha):
            return w.node("LeakyRelu", [x], f"{name}.leaky_relu", alpha=alpha)
        case HardSigmoid(alpha=alpha, beta=beta):
            return w.node("HardSigmoid", [x], f"{name}.hard_sigmoid", alpha=alpha, beta=beta)
        case HardSwish():
            return w.node("HardSwish", [x], f"{name}.hard_swish")
        case _:
            return _smooth(w, x, act, name)


def _smooth(w: Writer, x: str, act: Smooth, name: str) -> str:
    match act:
        case Sigmoid():
            return w.node("Sigmoid", [x], f"{name}.sigmoid")
        case Silu():  # the standard's Swish is too young for engines
            return w.node("Mul", [x, w.node("Sigmoid", [x], f"{name}.sigmoid")], f"{name}.silu")
        case Tanh():
            return w.node("Tanh", [x], f"{name}.tanh")
        case Gelu() | GeluTanh():
            w.opset = max(w.opset, GELU_OPSET)
            how = "tanh" if isinstance(act, GeluTanh) else "none"
            return w.node("Gelu", [x], f"{name}.{act.name}", approximate=how)
        case Elu(alpha=alpha):
            return w.node("Elu", [x], f"{name}.elu", alpha=alpha)
        case Selu(alpha=alpha, gamma=gamma):
            return w.node("Selu", [x], f"{name}.selu", alpha=alpha, gamma=gamma)
        case Softplus():
            return w.node("Softplus", [x], f"{name}.softplus")
        case Mish():
            w.opset = max(w.opset, MISH_OPSET)
            return w.node("Mish", [x], f"{name}.mish")
    assert_never(act)
