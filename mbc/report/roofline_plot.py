"""The roofline of a machine as a picture, with the layers under it: FLOP per byte from left to
right, GFLOP/s from bottom to top, both logarithmic. The area of a disc is a layer's share of the
time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor, log10, sqrt

from PIL import Image, ImageDraw, ImageFont

from mbc.report.profile import LayerTime, Limits, Profile

WIDTH, HEIGHT = 1400, 800
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 50, 60
INK, FAINT, ROOF = (40, 40, 40), (210, 210, 210), (200, 40, 40)
COLOURS = {"compute": (66, 133, 190), "memory": (222, 143, 5)}
WHOLE_RADIUS = 90  # of a layer that takes all of the time
LEAST_RADIUS = 3


def draw_roofline(profile: Profile, title: str) -> bytes:
    """A PNG. Layers without multiply-adds have no place in it; the title counts them."""
    layers = [layer for layer in profile.layers if layer.macs]
    canvas = _Canvas(_Scale.around(layers, profile.limits))
    canvas.grid(_title(profile, len(profile.layers) - len(layers), title))
    canvas.roofs(profile.limits)
    for layer in sorted(layers, key=lambda layer: -layer.ms):
        canvas.layer(layer, layer.ms / profile.ms_kernels)
    return canvas.png()


def _title(profile: Profile, left_out: int, title: str) -> str:
    also = f"; {left_out} layers without multiply-adds are not here" if left_out else ""
    threads = profile.limits.threads
    crew = f"{threads} thread{'s' * (threads > 1)}"
    return f"{title}, {crew}, {profile.ms_median:.2f} ms (areas are shares of the time{also})"


@dataclass(frozen=True)
class _Scale:
    """From FLOP per byte and GFLOP/s to pixels; extents are powers of ten."""

    left: int
    right: int
    bottom: int
    top: int

    @staticmethod
    def around(layers: list[LayerTime], limits: Limits) -> _Scale:
        """Whole decades around all layers, the ridge and the peak."""
        x = [limits.ridge, *(layer.intensity for layer in layers)]
        y = [limits.gflops, *(layer.gflops for layer in layers if layer.gflops > 0)]
        below, above = floor(log10(min(x))), ceil(log10(max(x)))
        return _Scale(below, max(above, below + 1), floor(log10(min(y))), ceil(log10(1.2 * max(y))))

    def x(self, intensity: float) -> float:
        share = (log10(intensity) - self.left) / (self.right - self.left)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def y(self, gflops: float) -> float:
        share = (log10(max(gflops, 1e-9)) - self.bottom) / (self.top - self.bottom)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


class _Canvas:
    def __init__(self, scale: _Scale) -> None:
        self._scale = scale
        self._image = Image.new("RGB", (WIDTH, HEIGHT), "white")
        self._draw = ImageDraw.Draw(self._image, "RGBA")
        self._font = ImageFont.load_default(13)

    def grid(self, title: str) -> None:
        """Lines at 1, 2 and 5 of each decade, with numbers."""
        draw, scale, font = self._draw, self._scale, self._font
        draw.text((LEFT, 15), title, INK, ImageFont.load_default(16))
        for value in _ticks(scale.left, scale.right):
            x = scale.x(value)
            draw.line((x, TOP, x, HEIGHT - BOTTOM), FAINT)
            draw.text((x, HEIGHT - BOTTOM + 8), f"{value:g}", INK, font, anchor="mt")
        for value in _ticks(scale.bottom, scale.top):
            y = scale.y(value)
            draw.line((LEFT, y, WIDTH - RIGHT, y), FAINT)
            draw.text((LEFT - 8, y), f"{value:g}", INK, font, anchor="rm")
        draw.text((WIDTH / 2, HEIGHT - 20), "FLOP per byte", INK, font, anchor="mm")
        draw.text((LEFT - 8, TOP - 12), "GFLOP/s", INK, font, anchor="rm")

    def roofs(self, limits: Limits) -> None:
        """What memory allows up to the ridge, what multiply-adds allow from there on."""
        draw, scale, font = self._draw, self._scale, self._font
        foot = max(10.0**scale.left, 10.0**scale.bottom / limits.memory_gbs)
        ridge = (scale.x(limits.ridge), scale.y(limits.gflops))
        start = (scale.x(foot), scale.y(foot * limits.memory_gbs))
        draw.line((*start, *ridge, WIDTH - RIGHT, ridge[1]), ROOF, 2)
        peak, memory = f"{limits.gflops:.1f} GFLOP/s", f"{limits.memory_gbs:.1f} GB/s"
        draw.text((ridge[0], ridge[1] - 8), peak, ROOF, font, anchor="lb")
        draw.text((start[0] + 30, start[1] - 4), memory, ROOF, font, anchor="lb")

    def layer(self, layer: LayerTime, share: float) -> None:
        """A disc, with the layer's name where that has room."""
        x, y = self._scale.x(layer.intensity), self._scale.y(layer.gflops)
        radius = max(WHOLE_RADIUS * sqrt(share), LEAST_RADIUS)
        colour, box = COLOURS[layer.bound], (x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, (*colour, 150), (*colour, 255))
        name = layer.name.split("+")[0]
        if self._font.getlength(name) < 3 * radius:
            self._draw.text((x, y), name, INK, self._font, anchor="mm")

    def png(self) -> bytes:
        stream = BytesIO()
        self._image.save(stream, "PNG")
        return stream.getvalue()


def _ticks(first: int, last: int) -> Iterator[float]:
    """1, 2 and 5 times each power of ten, from the first up to the last."""
    for power in range(first, last):
        yield from (times * 10.0**power for times in (1, 2, 5))
    yield 10.0**last
