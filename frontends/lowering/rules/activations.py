"""Activations: the ops of ONNX that are one, and their values in mbc."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from math import inf
from typing import TypeAlias

import numpy as np

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import real
from mbc.frontends.lowering.tracked import Tracked
from mbc.ir import activations
from mbc.ir.activations import RELU, Activation
from mbc.ops.elementwise import Activate

SIXTH = 1 / 6
"""The slope that PyTorch has, whose decimal digits do not end."""

Parsed: TypeAlias = Callable[[Node], Activation]


def activated(b: Builder, x: Tracked, act: Activation) -> Tracked:
    """Apply an activation, whatever the layout."""
    x = b.settled(x)
    return x.with_stored(b.emit(Activate(act), [x.stored]))


def _clip(node: Node) -> Activation:
    """min(max(x, min), max), with bounds as attributes."""
    return activations.Clip(real(node, "min", -inf), real(node, "max", inf))


def _elu(node: Node) -> Activation:
    """x above 0, else alpha * (exp(x) - 1)."""
    return activations.Elu(real(node, "alpha", 1.0))


def _gelu(node: Node) -> Activation:
    """x * (1 + erf(x / sqrt(2))) / 2, or its approximation by tanh."""
    match node.attributes.get("approximate", "none"):
        case "none":
            return activations.Gelu()
        case "tanh":
            return activations.GeluTanh()
    raise Unsupported("it is approximated neither by none nor by tanh")


def _hard_sigmoid(node: Node) -> Activation:
    """clip(alpha * x + beta, 0, 1)."""
    slope = real(node, "alpha", 0.2)
    alpha = SIXTH if np.float32(slope) == np.float32(SIXTH) else slope
    return activations.HardSigmoid(alpha, real(node, "beta", 0.5))


def _hard_swish(_: Node) -> Activation:
    """x * clip(x / 6 + 1/2, 0, 1)."""
    return activations.HardSwish()


def _leaky_relu(node: Node) -> Activation:
    """x above 0, else alpha * x."""
    return activations.LeakyRelu(real(node, "alpha", 0.01))


def _mish(_: Node) -> Activation:
    """x * tanh(log(1 + exp(x)))."""
    return activations.Mish()


def _relu(_: Node) -> Activation:
    """max(x, 0)."""
    return RELU


def _selu(node: Node) -> Activation:
    """gamma * x above 0, else gamma * alpha * (exp(x) - 1)."""
    default = activations.Selu()
    given = {name: real(node, name, getattr(default, name)) for name in ("alpha", "gamma")}
    exact = (getattr(default, name) for name in given)
    same = (np.float32(a) == np.float32(b) for a, b in zip(given.values(), exact, strict=True))
    return default if all(same) else activations.Selu(**given)


def _sigmoid(_: Node) -> Activation:
    """1 / (1 + exp(-x))."""
    return activations.Sigmoid()


def _softplus(_: Node) -> Activation:
    """log(1 + exp(x))."""
    return activations.Softplus()


def _swish(node: Node) -> Activation:
    """x / (1 + exp(-x)), where its alpha is 1."""
    if real(node, "alpha", 1.0) != 1:
        raise Unsupported("its alpha is not 1")
    return activations.Silu()


def _tanh(_: Node) -> Activation:
    """Hyperbolic tangent."""
    return activations.Tanh()


ACTIVATIONS: Mapping[str, Parsed] = {
    "Clip": _clip,
    "Elu": _elu,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LeakyRelu": _leaky_relu,
    "Mish": _mish,
    "Relu": _relu,
    "Selu": _selu,
    "Sigmoid": _sigmoid,
    "Softplus": _softplus,
    "Swish": _swish,
    "Tanh": _tanh,
}
"""The ops of ONNX that are activations."""


def _rule(parsed: Parsed) -> Callable[[Builder, Node], Tracked]:
    @wraps(parsed)
    def rule(b: Builder, node: Node) -> Tracked:
        return activated(b, b.input(0), parsed(node))

    return rule


RULES = {kind: _rule(parsed) for kind, parsed in ACTIVATIONS.items()}
"""How they are imported."""
