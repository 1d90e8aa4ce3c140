"""Conversion of the patches of an image to rows of A."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.integer.product import Product
from mbc.backends.llvm.integer.rows import Codes
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

        def patch(index: Count, at: list[str]) -> Sequence[str]:
            line, column = f.binary("udiv", index, width), f.binary("urem", index, width)
            image, y = f.binary("udiv", line, height), f.binary("urem", line, height)
            top = f.binary("sub", f.binary("mul", y, self.stride[0]), self.pad[0])
            left = f.binary("sub", f.binary("mul", column, self.stride[1]), self.pad[2])
            start = f.offset(x, f.binary("mul", image, rows * columns * self.pitch))
            for ky in range(self.kernel[0]):
                row = f.binary("add", top, ky * self.dilation[0])
                line_at = f.offset(start, f.binary("mul", row, columns * self.pitch))
                self._line(f, ky, (row, left), line_at, at[0])
            return [f.offset(at[0], self.product.a_pitch)]

        f.loop(first, last, [("ptr", target)], patch)

    def _line(
        self, f: Function, ky: int, place: tuple[Count, Count], line: str, target: str
    ) -> None:
        """Convert a row of a window at (row, column): all of it, or by pixels at the borders."""
        row, left = place
        taps = [kx * self.dilation[1] for kx in range(self.kernel[1])]
        pixels = [f.binary("add", left, tap) for tap in taps]
        addresses = [f.offset(line, f.binary("mul", pixel, self.pitch)) for pixel in pixels]

        def whole() -> None:
            if self.pitch == self.channels and self.dilation[1] == 1:
                length = self.kernel[1] * self.channels
                self.codes.run(f, addresses[0], f.offset(target, self._place(0, ky, 0)), length)
                return
            for kx, address in enumerate(addresses):
                self._pixel(f, address, target, (ky, kx))

        def part(kx: int) -> None:
            exists = _both(f, self._inside(f, row, 0), self._inside(f, pixels[kx], 1))
            pixel, padding = partial(self._pixel, f, addresses[kx]), partial(self._padding, f)
            _either(f, exists, *(partial(emit, target, (ky, kx)) for emit in (pixel, padding)))

        def parts() -> None:
            for kx in range(self.kernel[1]):
                part(kx)

        if not any(self.pad):
            whole()
            return
        inside = _both(f, self._inside(f, row, 0), self._inside(f, left, 1, taps[-1]))
        _either(f, inside, whole, parts)

    def _inside(self, f: Function, index: Count, axis: int, span: int = 0) -> str:
        """Test whether a row or column, and the one `span` beyond, are in the image."""
        limit = max(self.image[axis] - span, 0)
        return f.op(f"icmp ult {f.isa.word} {index}, {limit}")

    def _place(self, group: int, ky: int, kx: int) -> int:
        """Return the bytes of a pixel in a converted row."""
        tap = (ky * self.kernel[1] + kx) * self.channels
        return group * self.product.group_a + tap * self.product.dot.bytes

    def _pixel(self, f: Function, address: str, target: str, tap: tuple[int, int]) -> None:
        for group in range(self.product.groups):
            source = f.offset(address, group * self.channels)
            self.codes.run(f, source, f.offset(target, self._place(group, *tap)), self.channels)

    def _padding(self, f: Function, target: str, tap: tuple[int, int]) -> None:
        for group in range(self.product.groups):
            self.codes.fill(f, f.offset(target, self._place(group, *tap)), self.channels)


def _both(f: Function, a: str, b: str) -> str:
    return f.op(f"and i1 {a}, {b}")


def _either(
    f: Function, condition: str, then: Callable[[], None], otherwise: Callable[[], None]
) -> None:
    """Emit two blocks of code, of which one runs."""
    value = f.op(f"zext i1 {condition} to {f.isa.word}")
    f.switch(value, [((1,), then), ((), otherwise)])
