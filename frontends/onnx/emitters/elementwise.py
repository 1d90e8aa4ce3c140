"""Activations, batch norm, arithmetic and softmax."""

from __future__ import annotations

import numpy as np

from mbc.frontends.onnx.emitters.activations import activated
from mbc.frontends.onnx.emitters.site import (
    TO_NCHW,
    TO_NHWC,
    Emitters,
    Site,
    axis_of,
    onnx_shape,
    reshaped,
    transposed,
)
from mbc.frontends.onnx.writer import Writer
from mbc.ir.graph import Constant
from mbc.ir.types import TensorType
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import (
    NORM,
    Activate,
    Add,
    Arithmetic,
    BatchNorm,
    Div,
    Max,
    Min,
    Mul,
    Prelu,
    Softmax,
    Sub,
)
from mbc.ops.norm import LayerNorm
from mbc.ops.normalisation import scale_and_shift


def batch_norm(w: Writer, op: BatchNorm, at: Site) -> str:
    """BatchNormalization where ONNX agrees on the channel axis, else a product and a sum."""
    if at.x_type.rank in (2, 4):
        inputs = [at.x, *(at.stored(w, role) for role in NORM)]
        return w.node("BatchNormalization", inputs, at.name, epsilon=op.epsilon)
    vectors = scale_and_shift(op, *map(at.array, NORM))
    scale, shift = (vector.astype(np.float32) for vector in vectors)
    product = w.node("Mul", [at.x, at.stored(w, "gamma", scale)], f"{at.name}.scale")
    return w.node("Add", [product, at.stored(w, "beta", shift)], at.name)


def activation(w: Writer, op: Activate, at: Site) -> str:
    """Apply the op's activation."""
    return activated(w, at.x, op.act, at.name)


ARITHMETIC: dict[type[Arithmetic], str] = {
    Add: "Add",
    Sub: "Sub",
    Mul: "Mul",
    Div: "Div",
    Min: "Min",
    Max: "Max",
    Prelu: "PRelu",
}
"""ONNX's op types, which broadcast as numpy does."""


def arithmetic(w: Writer, op: Arithmetic, at: Site) -> str:
    """Emit the operator on both operands, then the activation."""
    operands = [_broadcast(w, at, role, at.node.result.type.rank) for role in ("a", "b")]
    return activated(w, w.node(ARITHMETIC[type(op)], operands, at.name), op.act, at.name)


def _broadcast(w: Writer, at: Site, role: str, rank: int) -> str:
    """Return an operand with the axes of the result; one number needs none."""
    operand = at.node[role]
    assert operand is not None
    shape = aligned(operand.type.shape, rank)
    assert shape is not None
    if isinstance(operand, Constant):
        array = operand.array if operand.type.elements == 1 else operand.array.reshape(shape)
        return at.stored(w, role, array.transpose(TO_NCHW) if array.ndim == 4 else array)
    if operand.type.rank == rank:
        return at.operand(role)
    with w.rounding(operand.type.element):
        return reshaped(w, at.operand(role), onnx_shape(TensorType(shape)), at.name)


def softmax(w: Writer, op: Softmax, at: Site) -> str:
    """Softmax over the channels."""
    return w.node("Softmax", [at.x], at.name, axis=axis_of(at.x_type))


def layer_norm(w: Writer, op: LayerNorm, at: Site) -> str:
    """LayerNormalization, whose axes are the last ones: images are transposed before and after."""
    image = at.x_type.rank == 4
    x = transposed(w, at.x, TO_NHWC, at.name) if image else at.x
    inputs = [x, at.stored(w, "gamma"), at.stored(w, "beta")]
    result = w.node("LayerNormalization", inputs, at.name, axis=-1, epsilon=op.epsilon)
    return transposed(w, result, TO_NCHW, at.name) if image else result


EMITTERS: Emitters = {
    BatchNorm: batch_norm,
    Activate: activation,
    **dict.fromkeys(ARITHMETIC, arithmetic),
    Softmax: softmax,
    LayerNorm: layer_norm,
}
