"""The windows of a convolution over an image of codes, as rows of A.

Windows inside the image are copied row by row, in pieces of powers of two: what a piece has beyond
a row of the window is overwritten by the next one. Those at the borders, and those whose pieces
would leave their row of the image, are copied pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.product import Product
from mbc.backends.llvm.integer.rows import PIECE, Codes
from mbc.records import dataclass


@dataclass(frozen=True)
class Patches:
    """The windows of a convolution over an image, converted as rows of A."""

    product: Product
    """The product that reads them."""
    codes: Codes
    """How codes are converted."""
    image: tuple[int, int]
    """Rows and columns of the image."""
    out: tuple[int, int]
    """Rows and columns of the result."""
    kernel: tuple[int, int]
    """Rows and columns of the filter."""
    stride: tuple[int, int]
    """Strides by row and column."""
    pad: tuple[int, int, int, int]
    """Padding above, below, left and right."""
    dilation: tuple[int, int]
    """Dilation by row and column."""
    channels: int
    """Channels of a group."""
    pitch: int
    """Bytes from pixel to pixel of the image."""

    def emit(self, x: str, f: Function, first: Count, last: Count, target: str) -> None:
        """Convert the windows of pixels first … last-1 of the result, of all images at x."""
        (height, width), (rows, columns) = self.out, self.image

        def line(index: Count, at: list[str]) -> Sequence[str]:
            start = f.binary("mul", index, width)
            edges = (f.binary("sub", f.clamp("max", e, start), start) for e in (first, last))
            begin, end = (f.clamp("min", edge, width) for edge in edges)
            image, y = f.binary("udiv", index, height), f.binary("urem", index, height)
            top = f.binary("sub", f.binary("mul", y, self.stride[0]), self.pad[0])
            row = f.binary("add", f.binary("mul", image, rows), top)
            source = f.offset(x, f.binary("mul", row, columns * self.pitch))
            _Line(f, self, source, top, at[0], begin).emit(end)
            step = f.binary("mul", f.binary("sub", end, begin), self.product.a_pitch)
            return [f.offset(at[0], step)]

        stop = f.binary("udiv", f.binary("add", last, width - 1), width)
        f.loop(f.binary("udiv", first, width), stop, [("ptr", target)], line)

    @property
    def dense(self) -> bool:
        """Whether a row of a window lies in one piece."""
        return self.pitch == self.channels and self.dilation[1] == 1

    @property
    def reach(self) -> int:
        """Codes that are copied of a dense row of a window."""
        whole, rest = divmod(self.kernel[1] * self.channels, PIECE)
        return whole * PIECE + (1 << (rest - 1).bit_length() if rest else 0)

    @property
    def inner(self) -> range:
        """Columns of the result whose windows, and what is copied of them, are in the columns of
        the image."""
        stride, pad, columns = self.stride[1], self.pad[2], self.image[1]
        span = (self.kernel[1] - 1) * self.dilation[1] + 1
        if self.dense:
            span = max(span, -(-self.reach // self.pitch))
        first, end = -(-pad // stride), (columns - span + pad) // stride + 1
        return range(first, max(min(end, self.out[1]), first))

    @property
    def padded_rows(self) -> bool:
        """Whether windows may reach above or below the image."""
        return any(self.pad[:2])

    def place(self, group: int, ky: int, kx: int) -> int:
        """Return the bytes of a pixel in a converted row."""
        tap = (ky * self.kernel[1] + kx) * self.channels
        return group * self.product.group_a + tap * self.product.dot.bytes


@dataclass(frozen=True)
class _Line:
    """Windows side by side."""

    f: Function
    """The function that they are converted in."""
    patches: Patches
    """All windows."""
    source: str
    """The first pixel of their first row, which may be above the image."""
    top: Count
    """The number of that row."""
    target: str
    """Where the first one goes."""
    begin: Count
    """The column of the result that it belongs to."""

    def emit(self, end: Count) -> None:
        """Convert windows up to column `end` of the result: those inside the image, then others,
        since the last piece of a window may write to the next one."""
        f, inner = self.f, self.patches.inner
        if not inner:
            self._edges(self.begin, self.begin, end)
            return
        low = f.clamp("max", self.begin, inner.start)
        high = f.clamp("max", f.clamp("min", end, inner.stop), low)
        if self.patches.padded_rows:
            span = (self.patches.kernel[0] - 1) * self.patches.dilation[0]
            inside, word = self._inside(self.top, 0, span), f.isa.word
            high = f.op(f"select i1 {inside}, {word} {high}, {word} {low}")
        self._inner(low, high)
        if self.patches.padded_rows or len(inner) < self.patches.out[1]:
            self._edges(low, high, end)

    def _inner(self, low: Count, high: Count) -> None:
        """Convert windows inside the image."""
        patches, f = self.patches, self.f
        across, down = patches.stride[1] * patches.pitch, patches.product.a_pitch

        def window(_: Count, at: list[str]) -> Sequence[str]:
            for ky in range(patches.kernel[0]):
                self._whole(ky, *at)
            return [f.offset(at[0], across), f.offset(at[1], down)]

        at = self._pixel_at(self._left(low)), self._row_at(low)
        f.loop(low, high, [("ptr", address) for address in at], window)

    def _whole(self, ky: int, window: str, target: str) -> None:
        """Convert a row of a window."""
        f, patches = self.f, self.patches
        row = f.offset(window, self._down(ky))
        if patches.dense:
            target = f.offset(target, patches.place(0, ky, 0))
            patches.codes.run(f, row, target, patches.reach)
            return
        for kx in range(patches.kernel[1]):
            across = kx * patches.dilation[1] * patches.pitch
            self._pixel(f.offset(row, across), target, (ky, kx))

    def _edges(self, low: Count, high: Count, end: Count) -> None:
        """Convert all windows but those of columns low … high-1, pixel by pixel."""
        f, word = self.f, self.f.isa.word
        skipped = f.binary("sub", high, low)

        def edge(number: Count, _: list[str]) -> Sequence[str]:
            column = f.binary("add", self.begin, number)
            before = f.op(f"icmp ult {word} {column}, {low}")
            after = f.binary("add", column, skipped)
            column = f.op(f"select i1 {before}, {word} {column}, {word} {after}")
            left, target = self._left(column), self._row_at(column)
            for ky in range(self.patches.kernel[0]):
                for kx in range(self.patches.kernel[1]):
                    self._tap(left, (ky, kx), target)
            return []

        count = f.binary("sub", f.binary("sub", end, self.begin), skipped)
        f.loop(0, count, [], edge)

    def _tap(self, left: Count, tap: tuple[int, int], target: str) -> None:
        """Convert a pixel of a window, or its padding."""
        f, patches = self.f, self.patches
        row = f.binary("add", self.top, tap[0] * patches.dilation[0])
        column = f.binary("add", left, tap[1] * patches.dilation[1])
        inside = (self._inside(row, 0), self._inside(column, 1))
        address = f.offset(self._pixel_at(column), self._down(tap[0]))
        pixel = partial(self._pixel, address, target, tap)
        exists = f.op(f"and i1 {inside[0]}, {inside[1]}")
        _either(f, exists, pixel, partial(self._padding, target, tap))

    def _left(self, column: Count) -> Count:
        """Return the first column of the image under a window, which may be before it."""
        f, patches = self.f, self.patches
        return f.binary("sub", f.binary("mul", column, patches.stride[1]), patches.pad[2])

    def _pixel_at(self, column: Count) -> str:
        """Return the address of a column of the image, in the first row under the windows."""
        return self.f.offset(self.source, self.f.binary("mul", column, self.patches.pitch))

    def _down(self, ky: int) -> int:
        """Bytes from the first row under the windows to another."""
        return ky * self.patches.dilation[0] * self.patches.image[1] * self.patches.pitch

    def _row_at(self, column: Count) -> str:
        """Return where the window of a column of the result goes."""
        f, pitch = self.f, self.patches.product.a_pitch
        return f.offset(self.target, f.binary("mul", f.binary("sub", column, self.begin), pitch))

    def _inside(self, index: Count, axis: int, span: int = 0) -> str:
        """Test whether a row or column, and the one `span` beyond, are in the image."""
        limit = max(self.patches.image[axis] - span, 0)
        return self.f.op(f"icmp ult {self.f.isa.word} {index}, {limit}")

    def _pixel(self, address: str, target: str, tap: tuple[int, int]) -> None:
        f, channels = self.f, self.patches.channels
        for group in range(self.patches.product.groups):
            place = f.offset(target, self.patches.place(group, *tap))
            self.patches.codes.run(f, f.offset(address, group * channels), place, channels)

    def _padding(self, target: str, tap: tuple[int, int]) -> None:
        for group in range(self.patches.product.groups):
            place = self.f.offset(target, self.patches.place(group, *tap))
            self.patches.codes.fill(self.f, place, self.patches.channels)


def _either(
    f: Function, condition: str, then: Callable[[], None], otherwise: Callable[[], None]
) -> None:
    """Emit two blocks of code, of which one runs."""
    value = f.op(f"zext i1 {condition} to {f.isa.word}")
    f.switch(value, [((1,), then), ((), otherwise)])
