"""Resizes of images: a thread computes one vector of the result from one pixel of x, or four."""

from __future__ import annotations

import numpy as np

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.maps import Compute
from mbc.backends.tvm.gpu.reader import Reader
from mbc.backends.tvm.gpu.tir import Code, Expr, spread
from mbc.ir.types import TensorType
from mbc.ops.resize import Resize, taps_of


def resized(draft: Draft, op: Resize, reader: Reader, x: TensorType) -> Compute:
    """Return what computes a vector of the result; the pixels of each axis come from tables."""
    _, height, width, _ = x.shape
    taps = [taps_of(op, *sides) for sides in zip((height, width), op.size, strict=True)]
    numbers = [number for axis in taps for number in (axis.low, axis.high)]
    pixels = draft.weights(np.concatenate(numbers).astype(np.int32))
    weights = draft.weights(np.concatenate([axis.weight for axis in taps]).astype(np.float32))
    (rows, columns), lanes = op.size, reader.lanes

    def compute(code: Code, pixel: Expr, channel: Expr) -> Expr:
        row, column = code.bind(pixel // columns % rows), code.bind(pixel % columns)
        image = pixel // (rows * columns) * height

        def at(down: int, across: int) -> Expr:
            y = code.parameters[pixels].load(row + down * rows)
            x = code.parameters[pixels].load(2 * rows + column + across * columns)
            return reader.load(code, code.bind((image + y) * width + x), channel)

        if op.mode == "nearest":
            return at(0, 0)
        across, down = (
            code.bind(code.parameters[weights].load(place)) for place in (rows + column, row)
        )
        upper, lower = (code.bind(_mixed(at(k, 0), at(k, 1), across, lanes)) for k in (0, 1))
        return _mixed(upper, lower, down, lanes)

    return compute


def _mixed(a: Expr, b: Expr, share: Expr, lanes: int) -> Expr:
    return a * spread(1.0 - share, lanes) + b * spread(share, lanes)
