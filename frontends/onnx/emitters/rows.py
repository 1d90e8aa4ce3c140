"""Normalisations over channels or images, and products of computed matrices."""

from __future__ import annotations

import numpy as np

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
from mbc.ops.matmul import MatMul
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn


def log_softmax(w: Writer, op: LogSoftmax, at: Site) -> str:
    """LogSoftmax over the channels."""
    return w.node("LogSoftmax", [at.x], at.name, axis=axis_of(at.x_type))


def l2_normalize(w: Writer, op: L2Normalize, at: Site) -> str:
    """Divide by the norm, written out since LpNormalization has no epsilon."""
    squares = w.node("Mul", [at.x, at.x], f"{at.name}.squares")
    axes = w.integers("axes", [axis_of(at.x_type)])
    total = w.node("ReduceSum", [squares, axes], f"{at.name}.sum", keepdims=1)
    norm = w.node("Sqrt", [total], f"{at.name}.norm")
    least = w.constant(f"epsilon_{op.epsilon:g}", np.array(op.epsilon, np.float32))
    return w.node("Div", [at.x, w.node("Max", [norm, least], f"{at.name}.max")], at.name)


def lrn(w: Writer, op: Lrn, at: Site) -> str:
    """LRN, of what is no image as of pixels of one row."""
    shape, c = onnx_shape(at.x_type), at.x_type.channels
    image = at.x_type.rank == 4
    x = at.x if image else reshaped(w, at.x, (-1, c, 1, 1), at.name)
    given = {"size": op.size, "alpha": op.alpha, "beta": op.beta, "bias": op.bias}
    result = w.node("LRN", [x], at.name if image else f"{at.name}.lrn", **given)
    return result if image else reshaped(w, result, shape, at.name)


def instance_norm(w: Writer, op: InstanceNorm, at: Site) -> str:
    """InstanceNormalization."""
    inputs = [at.x, at.stored(w, "gamma"), at.stored(w, "beta")]
    return w.node("InstanceNormalization", inputs, at.name, epsilon=op.epsilon)


def matmul(w: Writer, op: MatMul, at: Site) -> str:
    """MatMul, of images between transposes."""
    operands = [at.operand(role) for role in ("a", "b")]
    if at.node.result.type.rank != 4:
        return w.node("MatMul", operands, at.name)
    stored = [transposed(w, x, TO_NHWC, at.name) for x in operands]
    return transposed(w, w.node("MatMul", stored, at.name), TO_NCHW, at.name)


EMITTERS: Emitters = {
    LogSoftmax: log_softmax,
    L2Normalize: l2_normalize,
    InstanceNorm: instance_norm,
    Lrn: lrn,
    MatMul: matmul,
}
