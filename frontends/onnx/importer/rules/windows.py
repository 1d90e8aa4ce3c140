"""Windows of convolutions and pools: kernel, stride, padding, in the IR's form."""

from __future__ import annotations

from dataclasses import dataclass

from mbc.frontends.onnx.importer.model import OnnxNode
from mbc.frontends.onnx.importer.problems import Unsupported
from mbc.frontends.onnx.importer.rules.attributes import text, whole, wholes
from mbc.ops.window import MAX_STEP, Pad, Pair, same_padding


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
    beyond: bool = False
    """Whether `ceil_mode` has added cells to the padding at the end."""


def window_of(node: OnnxNode, size: Pair, kernel: Pair) -> Window:
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
    more = [_beyond(*axis) for axis in zip(size, reach, stride, sides, strict=True)]
    wider = pad[0], pad[1] + more[0], pad[2], pad[3] + more[1]
    return Window(kernel, stride, dilation, wider, beyond=any(more))


def _pair(numbers: tuple[int, ...]) -> Pair:
    first, second = numbers
    return first, second


def _padding(node: OnnxNode, size: Pair, reach: Pair, stride: Pair) -> Pad:
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


def _beyond(size: int, reach: int, stride: int, pad: Pair) -> int:
    """Return the cells after the padding that the last window reads where extents are rounded up;
    a window that would begin after the data and the first padding is left out."""
    free = size + sum(pad) - reach
    count = -(-free // stride)
    if count * stride >= size + pad[0]:
        count -= 1
    return max(count * stride - free, 0)
