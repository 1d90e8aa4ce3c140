"""Windows of convolutions and pools: kernel, stride, padding, in the IR's form.

The IR's are of height and width. One of a row is of height 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.problems import Unsupported
from mbc.frontends.lowering.rules.attributes import Ints, text, whole, wholes
from mbc.ops.window import MAX_STEP, Pad, Pair, ceil_overhang, same_padding
from mbc.records import dataclass


@dataclass(frozen=True)
class Span:
    """A sliding window along one axis."""

    kernel: int = 1
    """Extent."""
    stride: int = 1
    """Step."""
    dilation: int = 1
    """Distance of taps."""
    before: int = 0
    """Padding at the begin."""
    after: int = 0
    """Padding at the end, with `overhang`."""
    overhang: int = 0
    """What `ceil_mode` has added at the end."""

    def is_all_of(self, size: int) -> bool:
        """Whether it is one window over a whole axis."""
        return self.kernel == size and not (self.before or self.after)


@dataclass(frozen=True)
class Window:
    """A sliding window over height and width."""

    down: Span
    """That along the height."""
    across: Span
    """That along the width."""

    @property
    def kernel(self) -> Pair:
        """Extents."""
        return self.down.kernel, self.across.kernel

    @property
    def stride(self) -> Pair:
        """Steps."""
        return self.down.stride, self.across.stride

    @property
    def dilation(self) -> Pair:
        """Distances of taps."""
        return self.down.dilation, self.across.dilation

    @property
    def pad(self) -> Pad:
        """Top, bottom, left, right."""
        return self.down.before, self.down.after, self.across.before, self.across.after

    @property
    def overhang(self) -> Pair:
        """Rows and columns that `ceil_mode` has added to the padding at the end."""
        return self.down.overhang, self.across.overhang


def window_of(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> Window:
    """Read the window of a node over an image, or a row, of that size; `kernel` is that of the
    weights."""
    spans = spans_of(node, sizes, kernel)
    if len(spans) not in (1, 2):
        raise Unsupported(f"it has {len(spans)} dimensions, mbc's have 1 or 2")
    return Window(spans[0] if len(spans) == 2 else Span(), spans[-1])


def spans_of(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> tuple[Span, ...]:
    """Read the window of a node along each axis."""
    ones = (1,) * len(sizes)
    kernel = wholes(node, "kernel_shape", tuple(kernel))
    stride, dilation = wholes(node, "strides", ones), wholes(node, "dilations", ones)
    if not all(1 <= number <= MAX_STEP for number in (*kernel, *stride, *dilation)):
        raise Unsupported("its window has extents, strides or dilations that are not positive")
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    pads = _padding(node, sizes, reach, stride)
    more = [0] * len(sizes)
    if whole(node, "ceil_mode", 0):
        more = [ceil_overhang(*axis) for axis in zip(sizes, reach, stride, pads, strict=True)]
    return tuple(
        Span(k, s, d, before, after + extra, extra)
        for k, s, d, (before, after), extra in zip(
            kernel, stride, dilation, pads, more, strict=True
        )
    )


def _padding(node: Node, sizes: Sequence[int], reach: Ints, stride: Ints) -> list[Pair]:
    """Return the padding at the begin and at the end of each axis."""
    mode = text(node, "auto_pad", "NOTSET")
    if mode == "VALID":
        return [(0, 0)] * len(sizes)
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        same = [same_padding(*axis) for axis in zip(sizes, reach, stride, strict=True)]
        return [(after, before) for before, after in same] if mode == "SAME_LOWER" else same
    pads = wholes(node, "pads", (0, 0) * len(sizes))
    if min(pads) < 0:
        raise Unsupported("its padding is negative")
    return [*zip(pads[: len(sizes)], pads[len(sizes) :], strict=True)]
