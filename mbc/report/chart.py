"""A chart: a title, two axes with ticks, and the mapping from values to pixels."""

from __future__ import annotations

from io import BytesIO
from math import log10
from typing import Protocol

from PIL import Image, ImageDraw, ImageFont

from mbc.records import dataclass
from mbc.report.canvas import FAINT, INK

WIDTH, HEIGHT = 1400, 800
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 50, 60
RED = (200, 40, 40)


class Scale(Protocol):
    """Maps the values of an axis to its length."""

    def share(self, value: float) -> float:
        """Return the share of the axis below a value."""


@dataclass(frozen=True)
class Linear:
    """An axis from zero to `end`."""

    end: float

    def share(self, value: float) -> float:
        """Return the share of the axis below a value."""
        return value / max(self.end, 1)


@dataclass(frozen=True)
class Logarithmic:
    """An axis from 10^`low` to 10^`high`."""

    low: int
    high: int

    def share(self, value: float) -> float:
        """Return the share of the axis below a value."""
        return (log10(max(value, 1e-9)) - self.low) / (self.high - self.low)


class Chart:
    """A canvas on which translucent colours (red, green, blue, alpha) blend."""

    def __init__(self, title: str, x: Scale, y: Scale) -> None:
        self._x, self._y = x, y
        self._image = Image.new("RGB", (WIDTH, HEIGHT), "white")
        self.draw = ImageDraw.Draw(self._image, "RGBA")
        self.font = ImageFont.load_default(13)
        self.draw.text((LEFT, 15), title, INK, ImageFont.load_default(16))

    def x(self, value: float) -> float:
        """Return the column of a value."""
        return LEFT + (WIDTH - LEFT - RIGHT) * self._x.share(value)

    def y(self, value: float) -> float:
        """Return the row of a value."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * self._y.share(value)

    def x_title(self, text: str) -> None:
        """Name the x axis."""
        self.draw.text((WIDTH / 2, HEIGHT - 20), text, INK, self.font, anchor="mm")

    def x_tick(self, value: float, label: str) -> None:
        """Label a value on the x axis."""
        self.draw.text((self.x(value), HEIGHT - BOTTOM + 8), label, INK, self.font, anchor="mt")

    def x_line(self, value: float) -> None:
        """Draw a grid line at a value of x."""
        self.draw.line((self.x(value), TOP, self.x(value), HEIGHT - BOTTOM), FAINT)

    def y_tick(self, value: float, label: str) -> None:
        """Label a value on the y axis and draw its grid line."""
        y = self.y(value)
        self.draw.line((LEFT, y, WIDTH - RIGHT, y), FAINT)
        self.draw.text((LEFT - 8, y), label, INK, self.font, anchor="rm")

    def fits(self, text: str, width: float) -> bool:
        """Whether a text is narrower than so many pixels."""
        return self.font.getlength(text) < width

    def png(self) -> bytes:
        """Return the chart as a PNG."""
        stream = BytesIO()
        self._image.save(stream, "PNG")
        return stream.getvalue()
