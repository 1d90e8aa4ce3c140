"""Transposed convolution in numpy: each tap of the filter adds the whole input to the result."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mbc.interp.products import activate, grouped_product
from mbc.ops.transposed import TransposedConv

Array: TypeAlias = np.ndarray


def transposed_conv(
    op: TransposedConv, x: Array, weight: Array, bias: Array | None = None
) -> tuple[Array, ...]:
    """Scatter x times each tap, `stride` apart; cut and extend the result; bias; activation."""
    (images, height, width, _), (kh, kw, _, outputs) = x.shape, weight.shape
    (down, across), (top, bottom, left, right) = op.stride, op.pad
    rows, columns = (height - 1) * down + kh, (width - 1) * across + kw
    full = np.zeros((images, rows + op.more[0], columns + op.more[1], outputs), x.dtype)
    for i in range(kh):
        for j in range(kw):
            last = i + (height - 1) * down + 1, j + (width - 1) * across + 1
            product = grouped_product(x, weight[i, j], op.groups)
            full[:, i : last[0] : down, j : last[1] : across] += product
    total = full[:, top : full.shape[1] - bottom, left : full.shape[2] - right]
    total = total if bias is None else total + bias
    return (activate(total, op.act),)
