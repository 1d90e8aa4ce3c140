"""Transposed convolutions: a thread sums up one vector of the result, tap by tap."""

from __future__ import annotations

import numpy as np

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.epilogue import activated
from mbc.backends.tvm.gpu.maps import Compute
from mbc.backends.tvm.gpu.reader import LANES, Reader
from mbc.backends.tvm.gpu.schedule import ceildiv
from mbc.backends.tvm.gpu.tir import Code, Expr, both, spread, zero
from mbc.ir.types import TensorType
from mbc.ops.transposed import TransposedConv


def transposed_lanes(op: TransposedConv, weight: np.ndarray) -> int:
    """Return the channels of a vector of the result, which are of one group."""
    return next(lanes for lanes in LANES if weight.shape[3] // op.groups % lanes == 0)


def transposed(
    draft: Draft,
    op: TransposedConv,
    reader: Reader,
    shapes: tuple[TensorType, TensorType],
    weight: np.ndarray,
    bias: np.ndarray | None,
) -> Compute:
    """Return what computes a vector of the result; `shapes` are those of x and of the result, and
    the reader loads single elements of x."""
    (_, height, width, _), (_, rows, columns, outputs) = (type.shape for type in shapes)
    kh, kw, depth, _ = weight.shape
    lanes, (down, across), (top, _, left, _) = transposed_lanes(op, weight), op.stride, op.pad
    taps, terms = draft.weights(weight), None if bias is None else draft.weights(bias)

    def compute(code: Code, pixel: Expr, channel: Expr) -> Expr:
        sums = code.registers(1, lanes)
        sums.store(0, zero(lanes) if terms is None else code.parameters[terms].load(channel, lanes))
        y, x = code.bind(pixel // columns % rows + top), code.bind(pixel % columns + left)
        image, group = pixel // (rows * columns), code.bind(channel // (outputs // op.groups))
        with code.loop(ceildiv(kh, down)) as i, code.loop(ceildiv(kw, across)) as j:
            tap = code.bind(y % down + i * down), code.bind(x % across + j * across)
            place = code.bind(y // down - i), code.bind(x // across - j)
            inside = both(
                *(tap[0] < kh, tap[1] < kw, place[0] >= 0, place[1] >= 0),
                *(place[0] < height, place[1] < width),
            )
            with code.when(inside), code.loop(depth) as k:
                source = (image * height + place[0]) * width + place[1]
                value = reader.load(code, source, group * depth + k)
                number = ((tap[0] * kw + tap[1]) * depth + k) * outputs + channel
                factor = code.parameters[taps].load(number, lanes)
                sums.store(0, sums.load(0) + spread(code.bind(value), lanes) * factor)
        return activated(code, sums.load(0), op.act, lanes)

    return compute
