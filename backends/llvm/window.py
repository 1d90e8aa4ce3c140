"""Sliding windows without a sum over channels: depthwise convolution, max and average pools.

What their code does (`window_code`), as data. Output columns are split into register tiles;
neighbouring tiles with the same window columns inside the image (borders differ) share one loop.
Channel vectors are the innermost loop of a tile. Output rows are grouped likewise into classes. The
input may lie in several parts, runs of channels of different tensors; the output has them in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from math import gcd, lcm
from typing import Literal

import numpy as np

from mbc.backends.llvm.integer.codes import LARGEST_ROUNDED, ROUNDING_BITS, Finish
from mbc.backends.llvm.isa import Isa
from mbc.ir.activations import Activation
from mbc.ir.elements import Q8
from mbc.ops.quantized import LARGEST_CODE, LARGEST_WEIGHT, ratio
from mbc.records import dataclass

SHORT_SUM = 9  # taps; by the time that a strip of so few ends, the CPU has begun the next one
LONG_SUMS = 8  # that are computed side by side, since a multiply-add waits for the one before
FEWEST_LANES = 8  # of the vectors of AVX; shorter ones divide it


@dataclass(frozen=True)
class Part:
    """Consecutive channels of an input tensor."""

    channels: int
    """Number of channels."""
    pixel: int
    """Bytes from pixel to pixel."""
    room: int
    """Elements of a pixel that may be read, from the part's first channel on."""


@dataclass(frozen=True)
class InCodes:
    """How a window op computes with codes: with floats, which hold its sums exactly."""

    x: Q8
    """Element of the input."""
    finish: Finish
    """How steps become elements of the result."""
    to: Q8 | None = None
    """Element of the result of a mean."""
    far_bias: bool = False
    """Whether biases are so large that they are added in s32."""

    @property
    def zero(self) -> int:
        """What is subtracted from codes when they are read: nothing if their order alone counts."""
        return self.x.zero if self.finish.scales else 0

    def mean_ratio(self, counted: int) -> float:
        """Return the factor from a sum of so many codes to steps of their mean."""
        assert self.to is not None
        return float(ratio(self.x, self.to, counted))


MOST_EXACT_TAPS = LARGEST_ROUNDED // (LARGEST_CODE * LARGEST_WEIGHT)
"""Most taps whose sums of codes times weights are exact in f32, and can be made whole there."""


@dataclass(frozen=True)
class Window:
    """A window op on one image."""

    isa: Isa
    """The vector unit."""
    kind: Literal["depthwise", "max", "avg"]
    """Depthwise convolution, max pool or average pool."""
    height: int
    """Rows of the input."""
    width: int
    """Columns of the input."""
    out_height: int
    """Rows of the output."""
    out_width: int
    """Columns of the output."""
    parts: tuple[Part, ...]
    """Parts of the input, in the order of the output's channels."""
    kernel: tuple[int, int]
    """Window rows and columns."""
    stride: tuple[int, int]
    """Strides by row and column."""
    pad: tuple[int, int, int, int]
    """Padding above, below, left and right."""
    dilation: tuple[int, int]
    """Dilation by row and column."""
    out_pixel: int
    """Bytes from output pixel to output pixel."""
    out_room: int
    """Elements of an output pixel that may be overwritten. A part's last vector is processed whole
    if it fits here and in the part's room, else narrow; the next part overwrites the excess."""
    act: Activation | None = None
    """Activation of the result."""
    count_pad: bool = False
    """Whether average pools count padding."""
    overhang: tuple[int, int] = (0, 0)
    """Last rows and columns of the padding that are not counted."""
    filters: int = 1
    """Filters a channel: how many output channels, neighbours, each input channel has."""
    slopes: bool = False
    """Whether results are multiplied by a slope unless they are above 0, before the activation."""
    codes: InCodes | None = None
    """How it computes with codes; None for floats."""

    @property
    def in_bytes(self) -> int:
        """Size of an element of the input."""
        return self.isa.element.bytes if self.codes is None else self.codes.x.bytes

    @property
    def out_bytes(self) -> int:
        """Size of an element of the output."""
        return self.isa.element.bytes if self.codes is None else self.codes.finish.element.bytes

    @property
    def channels(self) -> int:
        """Output channels of all parts."""
        return self.filters * sum(part.channels for part in self.parts)

    @property
    def taps(self) -> int:
        """Number of window positions."""
        return self.kernel[0] * self.kernel[1]

    @property
    def weight_rows(self) -> int:
        """Rows of the packed weights: bias, taps, and slopes or multipliers if there are any; 0 for
        pools."""
        last = self.slopes or self.codes is not None
        return 1 + self.taps + last if self.kind == "depthwise" else 0

    @property
    def tile(self) -> int:
        """Output columns of a register tile."""
        if self.filters > 1:
            return _equal_tiles(self.out_width, self._most_columns)
        if self._has_long_sums:
            return _equal_tiles(self.out_width, LONG_SUMS)
        preferred = (4, 7, 5, 6, 3, 2)
        return next((t for t in preferred if self.out_width % t == 0), min(4, self.out_width))

    @property
    def _has_long_sums(self) -> bool:
        """Whether a tile should have many columns. At larger strides, which share fewer inputs,
        strips of several vectors have sums enough, and more columns would spill registers."""
        fits = self.stride[1] == 1 or self.isa.strip == 1
        return self.kind == "depthwise" and self.taps > SHORT_SUM and fits

    @property
    def _most_columns(self) -> int:
        """The most columns for which a tile's sums, the factors of a tap and as many inputs fit
        the registers, if there are several filters a channel; not more than make enough sums."""
        each = [strips(self, index) for index in range(len(self.parts))]
        vectors = max(s.vectors for part in each for _, run in part for s in run)
        return min(self.isa.registers // vectors - 2, -(-LONG_SUMS // vectors))

    def valid_rows(self, y: int) -> tuple[int, ...]:
        """Return the window rows inside the image for output row y."""
        first = y * self.stride[0] - self.pad[0]
        return tuple(
            ky for ky in range(self.kernel[0]) if 0 <= first + ky * self.dilation[0] < self.height
        )

    def valid_columns(self, x: int) -> tuple[int, ...]:
        """Return the window columns inside the image for output column x."""
        first = x * self.stride[1] - self.pad[2]
        return tuple(
            kx for kx in range(self.kernel[1]) if 0 <= first + kx * self.dilation[1] < self.width
        )

    def counted(self, rows: Sequence[int], columns: Sequence[int]) -> int:
        """Count the cells of a mean with these window rows and columns inside the image."""
        return self._counted(0, rows) * self._counted(1, columns)

    def _counted(self, axis: int, inside: Sequence[int]) -> int:
        kernel, size = self.kernel[axis], (self.height, self.width)[axis]
        if not self.count_pad or len(inside) == kernel:
            return len(inside)
        first = -inside[0] if inside[0] else size - 1 - inside[-1]
        end: int = size + self.pad[2 * axis + 1] - self.overhang[axis]
        return min(kernel, end - first)

    def row_classes(self) -> list[tuple[tuple[int, ...], list[int]]]:
        """List row classes (window rows inside the image, output rows), the largest class last."""
        rows: dict[tuple[int, ...], list[int]] = {}
        for y in range(self.out_height):
            rows.setdefault(self.valid_rows(y), []).append(y)
        return sorted(rows.items(), key=lambda item: len(item[1]))

    def tile_runs(self) -> list[TileRun]:
        """List the tiles of an output row, equal neighbours as one run."""
        starts = range(0, self.out_width, self.tile)
        shapes = [
            tuple(self.valid_columns(x) for x in range(x0, min(x0 + self.tile, self.out_width)))
            for x0 in starts
        ]
        runs, index = [], 0
        for shape, same in groupby(shapes):
            count = len(list(same))
            runs.append(TileRun(starts[index], shape, count))
            index += count
        return runs


def _equal_tiles(width: int, most: int) -> int:
    """Return the columns of tiles that are as equal as can be."""
    preferred = [t for t in (7, 8, 6) if t <= most and width % t == 0]
    return preferred[0] if preferred else -(-width // -(-width // most))


@dataclass(frozen=True)
class TileRun:
    """Equal tiles of an output row."""

    start: int
    """First output column."""
    columns: tuple[tuple[int, ...], ...]
    """For each output column of a tile, the window columns inside the image."""
    count: int
    """Number of tiles."""


@dataclass(frozen=True)
class Strip:
    """Channel vectors that are processed side by side."""

    vectors: int
    """Number of vectors."""
    lanes: int | None = None
    """Lanes of the only vector of a narrow strip; None for whole vectors."""
    step: int = 0
    """Input channels from this strip to the next one."""
    reads: int = 0
    """Input channels that it reads if there are several filters a channel."""
    sources: tuple[tuple[int, ...], ...] = ()
    """Which of these goes to each lane, by vector."""


Strips = tuple[int, list[Strip]]
"""Strips one after the other, and how many times they are repeated."""


def strips(window: Window, index: int) -> list[Strips]:
    """Split a part's channels into strips of several vectors, single vectors, and a narrow one if
    pixels have no room for a whole vector."""
    isa, part = window.isa, window.parts[index]
    before = window.filters * sum(part.channels for part in window.parts[:index])
    room = window.out_room - before
    if window.filters > 1:
        outputs = window.filters * part.channels
        return _multiplied(isa, window.filters, part.channels, isa.padded(outputs) <= room)
    fits = isa.padded(part.channels) <= min(part.room, room)
    whole = isa.vectors(part.channels) if fits else part.channels // isa.lanes
    several, single = divmod(whole, isa.strip)
    tail = max(part.channels - whole * isa.lanes, 0)
    found = [(several, isa.strip, None), (single, 1, None), (int(tail > 0), 1, tail)]
    return [
        (count, [Strip(vectors, lanes, vectors * isa.lanes)])
        for count, vectors, lanes in found
        if count
    ]


def most_vectors(isa: Isa) -> int:
    """Return the most vectors of a strip of several filters a channel."""
    return 3 if isa.registers < 24 else 4


def has_strips(filters: int) -> bool:
    """Return whether so many filters a channel are worth code of their own: that of some vectors,
    which end where those of a channel do."""
    return filters % FEWEST_LANES == 0 or filters // gcd(filters, FEWEST_LANES) < FEWEST_LANES


def _multiplied(isa: Isa, filters: int, channels: int, fits: bool) -> list[Strips]:
    """Split the output channels of several filters a channel. Strips are repeated that end with a
    vector and with an input channel; `fits` tells whether the last vector may be stored whole."""
    period = lcm(filters, isa.lanes)
    if period == isa.lanes:
        period *= isa.strip
    repeats, rest = divmod(channels, period // filters)
    found = [(repeats, _run(isa, filters, period // filters, fits))]
    found.append((int(rest > 0), _run(isa, filters, rest, fits)))
    return [(count, run) for count, run in found if count]


def _run(isa: Isa, filters: int, channels: int, fits: bool) -> list[Strip]:
    """Split the output channels of some input channels, which all its strips read."""
    outputs, lanes = filters * channels, isa.lanes
    whole = isa.vectors(outputs) if fits else outputs // lanes
    sources = [
        tuple(min((v * lanes + i) // filters, channels - 1) for i in range(lanes))
        for v in range(isa.vectors(outputs))
    ]
    count = -(-whole // most_vectors(isa))
    edges = [whole * i // count for i in range(count + 1)] if count else [0]
    found = [Strip(b - a, None, 0, channels, tuple(sources[a:b])) for a, b in pairwise(edges)]
    if whole < len(sources):
        found.append(Strip(1, outputs - whole * lanes, 0, channels, (sources[-1],)))
    return [*found[:-1], *(replace(last, step=channels) for last in found[-1:])]


def pack_depthwise(
    window: Window, weight: np.ndarray, bias: np.ndarray, last: np.ndarray | None = None
) -> np.ndarray:
    """Pack weight [kh,kw,1,o], bias [o] and the slopes or multipliers [o] as [strip][bias, taps,
    last][vectors of the strip][lanes], the outputs of each part padded to whole vectors."""
    isa, taps = window.isa, weight.reshape(-1, weight.shape[-1])
    if window.codes is not None and window.codes.far_bias:
        bias = (bias.astype(np.int64) - ROUNDING_BITS).astype(np.int32).view(np.float32)
    parts = [bias[None], taps, *([] if last is None else [last[None]])]
    rows = np.concatenate([part.astype(isa.element.numpy) for part in parts])
    packed, start = [], 0
    for index, part in enumerate(window.parts):
        outputs = window.filters * part.channels
        own = rows[:, start : start + outputs]
        own = np.pad(own, ((0, 0), (0, isa.padded(outputs) - outputs)))
        each = [s for count, run in strips(window, index) for _ in range(count) for s in run]
        edges = np.cumsum([strip.vectors * isa.lanes for strip in each])[:-1]
        packed += [strip.ravel() for strip in np.split(own, edges, axis=1)]
        start += outputs
    whole = np.concatenate(packed)
    # Biases in s32 look like subnormal floats, which are flushed.
    return whole if window.codes is None else whole.view(np.int32)
