"""Conversion of A to the form that a dot unit reads: rows of pixels, and patches of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.gemm_runs import Run
from mbc.backends.llvm.integer.codes import pieces, repeated
from mbc.backends.llvm.integer.dots import Dot
from mbc.backends.llvm.integer.product import Product
from mbc.records import dataclass

PIECE = 16  # codes that are converted at a time


@dataclass(frozen=True)
class Codes:
    """How codes are converted."""

    dot: Dot
    """The unit that reads them."""
    zero: int
    """Their zero point."""

    @property
    def padding(self) -> int:
        """What stands for a code that represents 0."""
        return self.zero - self.dot.subtracted(self.zero)

    def run(self, f: Function, source: str, target: str, length: int) -> None:
        """Convert consecutive codes."""
        whole = length // PIECE * PIECE

        def body(_: Count, at: list[str]) -> Sequence[str]:
            self._piece(f, at[0], at[1], PIECE)
            return [f.offset(at[0], PIECE), f.offset(at[1], PIECE * self.dot.bytes)]

        at = f.loop(0, whole, [("ptr", source), ("ptr", target)], body, step=PIECE)
        for start, count in pieces(length - whole):
            here = f.offset(at[0], start), f.offset(at[1], start * self.dot.bytes)
            self._piece(f, *here, count)

    def _piece(self, f: Function, source: str, target: str, count: int) -> None:
        codes = f.op(f"load <{count} x i8>, ptr {source}, align 1")
        word, less = f"i{self.dot.bits}", self.dot.subtracted(self.zero)
        kind = f"<{count} x {word}>"
        if self.dot.bits > 8:
            codes = f.op(f"zext <{count} x i8> {codes} to {kind}")
        if less:
            codes = f.op(f"sub {kind} {codes}, {repeated(word, less, count)}")
        f.emit(f"store {kind} {codes}, ptr {target}, align 1")

    def fill(self, f: Function, target: str, length: int) -> None:
        """Store paddings."""
        word = f"i{self.dot.bits}"
        for start, count in pieces(length):
            kind, place = f"<{count} x {word}>", f.offset(target, start * self.dot.bytes)
            f.emit(f"store {kind} {repeated(word, self.padding, count)}, ptr {place}, align 1")


def emit_rows(
    product: Product,
    codes: Codes,
    groups: Sequence[Sequence[Run]],
    sources: Sequence[tuple[str, int]],
    f: Function,
    first: Count,
    last: Count,
    target: str,
) -> None:
    """Convert rows first … last-1, whose elements are runs of the sources (address, pitch)."""
    starts = [f.offset(a, f.binary("mul", first, pitch)) for a, pitch in sources]

    def row(_: Count, at: list[str]) -> Sequence[str]:
        target, *here = at
        for group, runs in enumerate(groups):
            done = group * product.group_a
            for run in runs:
                source = f.offset(here[run.source], run.offset)
                codes.run(f, source, f.offset(target, done), run.length)
                done += run.length * product.dot.bytes
        moved = [f.offset(p, pitch) for p, (_, pitch) in zip(here, sources, strict=True)]
        return [f.offset(target, product.a_pitch), *moved]

    f.loop(first, last, [("ptr", target), *(("ptr", p) for p in starts)], row)


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
