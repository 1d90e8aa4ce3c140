"""Convolutions and dense layers."""

from __future__ import annotations

import numpy as np

from mbc.backends.tvm.legal.activations import activated, sloped
from mbc.backends.tvm.legal.expressions import Emit, Emitters, Expr, array_of, constant
from mbc.backends.tvm.require import tvm
from mbc.ir.activations import Activation
from mbc.ops import Conv2d, Dense, TransposedConv
from mbc.ops.transposed import to_iohw
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
    multiplier: None = None,
    slope: Expr | None = None,
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
    return (_epilogue(emit, result, slope, op.act),)


def _epilogue(emit: Emit, x: Expr, slope: Expr | None, act: Activation | None) -> Expr:
    return activated(emit, x if slope is None else sloped(emit, x, slope), act)


def _transposed_conv(
    emit: Emit, op: TransposedConv, x: Expr, weight: Expr, bias: Expr | None = None
) -> tuple[Expr, ...]:
    """By a transposed convolution of NCHW, the one order that TVM has a kernel for."""
    relax, kernel = tvm().relax, to_iohw(array_of(weight), op.groups)
    result = emit(
        relax.op.nn.conv2d_transpose(
            emit(relax.op.permute_dims(x, [0, 3, 1, 2])),
            constant(np.ascontiguousarray(kernel)),
            strides=op.stride,
            padding=padding(op.pad),
            output_padding=op.more,
            groups=op.groups,
        )
    )
    result = emit(relax.op.permute_dims(result, [0, 2, 3, 1]))
    if bias is not None:
        result = emit(relax.op.add(result, bias))
    return (activated(emit, result, op.act),)


def _dense(
    emit: Emit,
    op: Dense,
    x: Expr,
    weight: Expr,
    bias: Expr | None = None,
    multiplier: None = None,
    slope: Expr | None = None,
) -> tuple[Expr, ...]:
    result = emit(tvm().relax.op.matmul(x, weight))
    if bias is not None:
        result = emit(tvm().relax.op.add(result, bias))
    return (_epilogue(emit, result, slope, op.act),)


EMITTERS: Emitters = {
    Conv2d: _conv2d,
    TransposedConv: _transposed_conv,
    Dense: _dense,
}
