"""The sliding window that convolutions and pools share."""

from __future__ import annotations

from typing import TypeAlias

from mbc.ir.op import OpError, require
from mbc.ir.types import TensorType

MAX_STEP = 2**20  # of kernel, stride, dilation and padding; so offsets have 63 bits

Pair: TypeAlias = tuple[int, int]
Pad: TypeAlias = tuple[int, int, int, int]  # top, bottom, left, right


def window_extent(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Output extent along one axis: floor((size + pad - (kernel-1)*dilation - 1) / stride) + 1."""
    return (size + pad - (kernel - 1) * dilation - 1) // stride + 1


def same_padding(size: int, kernel: int, stride: int) -> Pair:
    """Pad as TensorFlow's SAME: output ceil(size/stride), an odd cell after the data."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def ceil_overhang(size: int, reach: int, stride: int, pad: Pair) -> int:
    """Return the cells after the padding that the last window reads where extents are rounded up
    (`ceil_mode`). A window that would begin after the data and the first padding is left out."""
    free = size + sum(pad) - reach
    count = -(-free // stride)
    if count * stride >= size + pad[0]:
        count -= 1
    return max(count * stride - free, 0)


def wider(pad: Pad, overhang: Pair) -> Pad:
    """Return a padding with more rows at the bottom and columns at the right."""
    return pad[0], pad[1] + overhang[0], pad[2], pad[3] + overhang[1]


def window_output(
    x: TensorType, kernel: Pair, stride: Pair, pad: Pad, dilation: Pair = (1, 1)
) -> Pair:
    """Output height and width.

    Raises OpError E0205 for an empty result, E0206 for too large attributes, and for invalid ones.
    """
    require(x.rank == 4, f"a window needs an NHWC tensor, not {x}", f"x is {x}")
    require(min(*kernel, *stride, *dilation) >= 1, "kernel, stride and dilation must be positive")
    require(min(pad) >= 0, f"padding must not be negative, found {pad}")
    if (largest := max(*kernel, *stride, *pad, *dilation)) > MAX_STEP:
        raise OpError(f"a window has {largest}, at most {MAX_STEP:,} is possible", code="E0206")
    _, height, width, _ = x.shape
    out = (
        window_extent(height, kernel[0], stride[0], pad[0] + pad[1], dilation[0]),
        window_extent(width, kernel[1], stride[1], pad[2] + pad[3], dilation[1]),
    )
    if min(out) < 1:
        raise OpError(
            f"the result would be empty: {out[0]}x{out[1]}",
            f"x is {height}x{width}, the window {kernel[0]}x{kernel[1]}",
            "use a higher resolution or more padding",
            code="E0205",
        )
    return out
