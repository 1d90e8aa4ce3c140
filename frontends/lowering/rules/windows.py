"""Windows of convolutions and pools: kernel, stride, padding, in the IR's form."""

from __future__ import annotations

from dataclasses import dataclass

from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import text, whole, wholes
from mbc.ops.window import MAX_STEP, Pad, Pair, ceil_overhang, same_padding, wider


@dataclass(frozen=True)
class Window:
    """A sliding window."""

    kernel: Pair
    """Extents."""
    stride: Pair
    """Steps."""
    dilation: Pair
    """Distances of taps."""
    pad: Pad
    """Top, bottom, left, right."""
    overhang: Pair = (0, 0)
    """Rows and columns that `ceil_mode` has added to the padding at the end."""


def window_of(node: Node, size: Pair, kernel: Pair) -> Window:
    """Read the window of a node over an image of that size; `kernel` is that of the weights."""
    kernel = _pair(wholes(node, "kernel_shape", kernel))
    stride = _pair(wholes(node, "strides", (1, 1)))
    dilation = _pair(wholes(node, "dilations", (1, 1)))
    if not all(1 <= number <= MAX_STEP for number in (*kernel, *stride, *dilation)):
        raise Unsupported("its window has extents, strides or dilations that are not positive")
    reach = _pair(tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)))
    pad = _padding(node, size, reach, stride)
    if not whole(node, "ceil_mode", 0):
        return Window(kernel, stride, dilation, pad)
    sides = pad[:2], pad[2:]
    axes = zip(size, reach, stride, sides, strict=True)
    more = _pair(tuple(ceil_overhang(*axis) for axis in axes))
    return Window(kernel, stride, dilation, wider(pad, more), more)


def _pair(numbers: tuple[int, ...]) -> Pair:
    first, second = numbers
    return first, second


def _padding(node: Node, size: Pair, reach: Pair, stride: Pair) -> Pad:
    mode = text(node, "auto_pad", "NOTSET")
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        top, left = (same_padding(*axis) for axis in zip(size, reach, stride, strict=True))
        if mode == "SAME_LOWER":
            top, left = top[::-1], left[::-1]
        return (*top, *left)
    begin, start, end, stop = wholes(node, "pads", (0, 0, 0, 0))
    if min(begin, start, end, stop) < 0:
        raise Unsupported("its padding is negative")
    return begin, end, start, stop
