"""batch_norm(conv(x, w) + b) = conv(x, w * s) + (b - mean) * s + beta,
with s = gamma / sqrt(variance + epsilon) for each output channel.

Weights are computed in float64 and rounded once, so that the result is as close as f32 allows.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np

from mbc.ir.elements import F32
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.types import TensorType
from mbc.ops.elementwise import NORM, BatchNorm
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.normalisation import scale_and_shift, scale_of
from mbc.ops.transposed import TransposedConv
from mbc.passes.rewrite import ConstantMaker, merge, name_of, why_shared
from mbc.passmgr.passes import PassContext, PassResult, Refusal
from mbc.records import dataclass


@dataclass(frozen=True)
class FoldBatchNorm:
    """Fold batch normalisation into the conv2d, transposed_conv or dense before it."""

    name: ClassVar[str] = "fold-batch-norm"
    tolerance: ClassVar[float] = 1e-4

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Fold every batch_norm into the layer before it, unless the layer has other users."""
        result = PassResult()
        constants = ConstantMaker(graph)
        for node in graph.topo():
            if isinstance(node.op, BatchNorm):
                _visit(graph, node, constants, result)
        return result


def _visit(graph: Graph, norm: Node, constants: ConstantMaker, result: PassResult) -> None:
    view = norm.view("x")
    if not view.is_plain:
        result.note("view", f"not folded: {name_of(norm)} reads through a channel view", norm)
        return
    layer = graph.producer(view.value)
    if layer is None or not isinstance(layer.op, Conv2d | TransposedConv | Dense):
        source = "a graph input" if layer is None else f"the result of {layer.op.label}"
        result.note(
            "no-layer",
            f"not folded: {name_of(norm)} reads {name_of(view.value)}, {source}, "
            "not of a conv2d, transposed_conv or dense",
            norm,
        )
    elif refusal := _refusal(graph, layer):
        message = f"not folded: {name_of(norm)} into {name_of(layer)}, which {refusal}"
        result.note(refusal.reason, message, norm)
    else:
        _fold(graph, layer, norm, constants)
        result.did("folded", f"folded: {name_of(norm)} into {name_of(layer)}", norm)


def _refusal(graph: Graph, layer: Node) -> Refusal:
    assert isinstance(layer.op, Conv2d | TransposedConv | Dense)
    if (element := layer.view("x").type.element) is not F32:
        return Refusal("element", f"multiplies {element}")
    if layer.op.act is not None:
        return Refusal("activation", f"has act={layer.op.act}")
    if layer["residual"] is not None:
        return Refusal("residual", "adds a residual")
    if others := _others(layer):
        return Refusal("operand", f"has an operand '{others[0]}'")
    return Refusal("shared", why_shared(graph, layer.result))


def _others(layer: Node) -> list[str]:
    """List the operands that the algebra above does not cover."""
    known = ("x", "weight", "bias")
    return [role for role, operand in layer.items() if operand is not None and role not in known]


def _fold(graph: Graph, layer: Node, norm: Node, constants: ConstantMaker) -> None:
    assert isinstance(norm.op, BatchNorm)
    gamma, beta, mean, variance = (_constant(norm, role) for role in NORM)
    weight, bias = _constant(layer, "weight"), layer.constant("bias")
    folded = constants.derive(
        f"{weight.name}.folded",
        weight.type,
        [weight, gamma, variance],
        partial(_scaled_weight, norm.op),
    )
    folded_bias = constants.derive(
        f"{bias.name if bias else weight.name.partition('.weight')[0] + '.bias'}.folded",
        TensorType((weight.type.channels,)),
        [gamma, beta, mean, variance, *([bias] if bias else [])],
        partial(_shifted_bias, norm.op),
    )
    operands = layer.operands_with({"weight": folded, "bias": folded_bias})
    merge(graph, [layer, norm], layer.op, operands)


def _scaled_weight(
    norm: BatchNorm, weight: np.ndarray, gamma: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Scale the output channels, the last axis of every weight."""
    scaled: np.ndarray = weight * scale_of(norm, gamma, variance)
    return scaled


def _shifted_bias(
    norm: BatchNorm,
    gamma: np.ndarray,
    beta: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    bias: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Compute the shift for a layer with a bias, to which batch norm is applied too."""
    _, shift = scale_and_shift(norm, gamma, beta, mean.astype(np.float64) - bias, variance)
    return shift


def _constant(node: Node, role: str) -> Constant:
    constant = node.constant(role)
    assert constant is not None
    return constant
