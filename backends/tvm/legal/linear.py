"""Convolutions and dense layers."""

from __future__ import annotations

from mbc.backends.tvm.legal.activations import activated
from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr
from mbc.backends.tvm.require import tvm
from mbc.ops import Conv2d, Dense
from mbc.ops.window import Pad


def padding(pad: Pad) -> tuple[int, int, int, int]:
    """TVM's order: top, left, bottom, right."""
    top, bottom, left, right = pad
    return (top, left, bottom, right)


def _conv2d(
    emit: Emit,
    op: Conv2d,
    x: Expr,
    weight: Expr,
    bias: Expr | None = None,
    residual: Expr | None = None,
) -> tuple[Expr, ...]:
    result = emit(
        tvm().relax.op.nn.conv2d(
            x,
            weight,
            strides=op.stride,
            padding=padding(op.pad),
            dilation=op.dilation,
            groups=op.groups,
            data_layout="NHWC",
            kernel_layout="HWIO",
        )
    )
    for addend in (bias, residual):
        if addend is not None:
            result = emit(tvm().relax.op.add(result, addend))
    return (activated(emit, result, op.act),)


def _dense(
    emit: Emit, op: Dense, x: Expr, weight: Expr, bias: Expr | None = None
) -> tuple[Expr, ...]:
    result = emit(tvm().relax.op.matmul(x, weight))
    if bias is not None:
        result = emit(tvm().relax.op.add(result, bias))
    return (activated(emit, result, op.act),)


EMITTERS: Emitters = {
    Conv2d: _conv2d,
    Dense: _dense,
}
