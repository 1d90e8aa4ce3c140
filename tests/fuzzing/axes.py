"""One axis of a window that slides over an input: kernel, stride, dilation and padding, in any
combination that leaves an output."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from mbc.ops.window import same_padding, window_extent

KERNELS = (1, 1, 2, 3, 3, 3, 3, 4, 5, 5, 6, 7)
STRIDES = (1, 1, 1, 1, 1, 2, 2, 3, 4)
DILATIONS = (1, 1, 1, 1, 1, 2, 3)


@dataclass(frozen=True)
class Axis:
    """How a window slides along an axis, and how many outputs that makes."""

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    out: int

    @property
    def extent(self) -> int:
        """Inputs that the window spans."""
        return (self.kernel - 1) * self.dilation + 1

    def over(self, size: int) -> Axis | None:
        """The same window over another axis, if it fits."""
        padding = self.before + self.after
        out = window_extent(size, self.kernel, self.stride, padding, self.dilation)
        return replace(self, out=out) if out >= 1 else None


def still(size: int) -> Axis:
    """Of 1x1 convolutions."""
    return Axis(1, 1, 1, 0, 0, size)


@st.composite
def axes(draw: st.DrawFn, size: int, *, pool: bool = False) -> Axis:
    """Over an axis of some size. Pools have no dilation, and less padding than their window."""
    kernel = draw(st.sampled_from(KERNELS))
    stride = draw(st.sampled_from(STRIDES))
    dilation = 1 if pool else draw(st.sampled_from(DILATIONS))
    extent = (kernel - 1) * dilation + 1
    most = kernel - 1 if pool else extent + 3
    before, after = _padding(draw, size, extent, stride, most)
    if size + before + after < extent:
        kernel, dilation, before, after = 1, 1, 0, 0
    out = window_extent(size, kernel, stride, before + after, dilation)
    return Axis(kernel, stride, dilation, before, after, out)


def _padding(draw: st.DrawFn, size: int, extent: int, stride: int, most: int) -> tuple[int, int]:
    match draw(st.sampled_from(["none", "same", "half", "any", "beyond", "beyond"])):
        case "none":
            return 0, 0
        case "same":
            before, after = same_padding(size, extent, stride)
            return min(before, most), min(after, most)
        case "half":
            return min(extent // 2, most), min(extent // 2, most)
        case "any":
            return draw(st.integers(0, most)), draw(st.integers(0, most))
        case _:
            beyond = st.integers(min(extent, most), most)
            return draw(beyond), draw(beyond)
