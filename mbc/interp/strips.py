"""Evaluation of large tensors in strips of rows, so that an op's temporaries stay small.

These ops compute each element of the result from nearby elements only. So the op's function
(mbc/interp/kernels.py) computes a strip of the result from the parts of its operands that the
strip needs. Strips of one image give the same bits as the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import gcd
from typing import TypeAlias

import numpy as np

from mbc.interp.kernels import KERNELS, Results
from mbc.ir.op import Op
from mbc.ops.linear import Conv2d
from mbc.ops.pool import AvgPool, MaxPool
from mbc.ops.window import Pad, Pair, window_extent
from mbc.records import dataclass

Array: TypeAlias = np.ndarray
Windowed: TypeAlias = Conv2d | MaxPool | AvgPool

STRIP_BYTES = 4 * 2**20  # of one temporary: large enough for BLAS, small enough for caches
BLOCK = 48  # divides the pixels of a strip: BLAS sums partial blocks in another order


def compute(op: Op, operands: Sequence[Array | None]) -> Results:
    """Apply the op's function to the operands, in strips if they are large."""
    x, *others = operands
    if x is not None and op.per_pixel and not op.moves_data_only and _are_pixels(x, others):
        return (_by_pixel(op, x, others),)
    if x is not None and isinstance(op, Conv2d | MaxPool | AvgPool):
        return (_windowed(op, x, others),)
    return _call(op, operands)


def _are_pixels(x: Array, others: Sequence[Array | None]) -> bool:
    """Whether x has several pixels, and each other operand these or the same for all."""
    return x.ndim > 1 and all(a is None or a.ndim == 1 or a.shape == x.shape for a in others)


def _call(op: Op, operands: Sequence[Array | None]) -> Results:
    return KERNELS[type(op)](op, *operands)


def _spans(rows: int, row_bytes: int, multiple: int = 1) -> list[slice]:
    """Divide the rows into strips of about STRIP_BYTES, each a multiple of `multiple` rows."""
    step = STRIP_BYTES // max(1, row_bytes)
    step = max(step - step % multiple, multiple)
    return [slice(first, min(rows, first + step)) for first in range(0, rows, step)]


def _by_pixel(op: Op, x: Array, others: Sequence[Array | None]) -> Array:
    """Compute in strips along the longest axis but the last, over which softmax sums."""
    axis = int(np.argmax(x.shape[:-1]))
    spans = _spans(x.shape[axis], x.nbytes // x.shape[axis])
    if len(spans) < 2:
        return _call(op, (x, *others))[0]
    result: Array | None = None
    for span in spans:
        part = (slice(None),) * axis + (span,)
        cut = [a[part] if a is not None and a.ndim == x.ndim else a for a in others]
        (made,) = _call(op, (x[part], *cut))
        if result is None:
            result = np.empty_like(x, dtype=made.dtype)
        result[part] = made
    assert result is not None  # no tensor is empty
    return result


def _windowed(op: Windowed, x: Array, others: Sequence[Array | None]) -> Array:
    """Compute in strips of the result's rows, image by image; a residual is cut likewise."""
    window = _Window.of(op, x, op.by_role((x, *others)).get("weight"))
    cuts = [not op.spec(i).constant for i, _ in enumerate(others, 1)]
    if x.shape[0] * window.rows * window.row_bytes <= STRIP_BYTES:
        return _call(op, (x, *others))[0]
    result: Array | None = None
    for image, span in window.strips():
        part, pad = window.part(image, span)
        cut = [
            a[image, span] if is_cut and a is not None else a
            for a, is_cut in zip(others, cuts, strict=True)
        ]
        (made,) = _call(_padded(op, pad), (part, *cut))
        if result is None:
            result = np.empty((x.shape[0], window.rows, *made.shape[2:]), made.dtype)
        result[image, span] = made
    assert result is not None  # no tensor is empty
    return result


def _padded(op: Windowed, pad: Pad) -> Windowed:
    """Return the op of a strip, which has another padding above and below."""
    if isinstance(op, AvgPool) and any(op.overhang):
        down = max(0, pad[1] - (op.pad[1] - op.overhang[0]))
        return replace(op, pad=pad, overhang=(down, op.overhang[1]))
    return replace(op, pad=pad)


@dataclass(frozen=True)
class _Window:
    """How rows of the result depend on rows of x, and the size of the strips."""

    x: Array
    kernel: Pair
    stride: Pair
    pad: Pad
    dilation: Pair
    rows: int
    """Rows of the result."""
    row_bytes: int
    """Bytes of the largest temporary, for one row of one image."""
    multiple: int
    """Divisor of the number of rows in a strip."""

    @staticmethod
    def of(op: Windowed, x: Array, weight: Array | None) -> _Window:
        """Derive the window of an op; a pool's temporary holds the elements under all taps."""
        if isinstance(op, Conv2d):
            assert weight is not None
            kernel, made = (weight.shape[0], weight.shape[1]), weight.shape[3]
            dilation = op.dilation
        else:
            kernel, made = op.kernel, op.kernel[0] * op.kernel[1] * x.shape[3]
            dilation = op.spacing
        rows, width = (
            window_extent(
                x.shape[1 + a], kernel[a], op.stride[a], sum(op.pad[2 * a : 2 * a + 2]), dilation[a]
            )
            for a in (0, 1)
        )
        read = op.stride[0] * (x.shape[2] + sum(op.pad[2:])) * x.shape[3]
        row_bytes = x.itemsize * max(read, width * made)
        multiple = BLOCK // gcd(BLOCK, width) if isinstance(op, Conv2d) else 1
        return _Window(x, kernel, op.stride, op.pad, dilation, rows, row_bytes, multiple)

    def strips(self) -> Iterator[tuple[slice, slice]]:
        """Yield each image with each span of rows."""
        spans = _spans(self.rows, self.row_bytes, self.multiple)
        for image in range(self.x.shape[0]):
            for span in spans:
                yield slice(image, image + 1), span

    def part(self, image: slice, rows: slice) -> tuple[Array, Pad]:
        """Return the rows of x that the given rows of the result read, and their padding."""
        first = rows.start * self.stride[0] - self.pad[0]
        end = (rows.stop - 1) * self.stride[0] - self.pad[0]
        end += (self.kernel[0] - 1) * self.dilation[0] + 1
        height = self.x.shape[1]
        top, bottom = max(0, min(end, 0) - first), max(0, end - max(first, height))
        part = self.x[image, max(first, 0) : max(end, 0)]
        return part, (top, bottom, self.pad[2], self.pad[3])
