"""Lines, discs and words on a picture, which is a PNG or an SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Literal, Protocol
from xml.sax.saxutils import escape

Colour = tuple[int, int, int]
INK: Colour = (40, 40, 40)
FAINT: Colour = (210, 210, 210)

Place = tuple[float, float]
Anchor = Literal["l", "m", "r"]
"""Which part of words is at their place: their beginning, middle or end."""


class Canvas(Protocol):
    """A picture that is drawn on."""

    def line(self, places: Sequence[Place], colour: Colour, width: int = 1) -> None:
        """Draw a line from place to place."""

    def disc(self, place: Place, radius: float, colour: Colour, *, filled: bool = True) -> None:
        """Draw a disc, or a circle."""

    def words(self, place: Place, text: str, size: int, anchor: Anchor = "l") -> None:
        """Write words, whose middle is at the height of their place."""

    def content(self) -> bytes:
        """Return the picture as a file."""


class PngCanvas:
    """A picture of pixels."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self._image = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self._image)

    def line(self, places: Sequence[Place], colour: Colour, width: int = 1) -> None:
        self._draw.line([*places], colour, width)

    def disc(self, place: Place, radius: float, colour: Colour, *, filled: bool = True) -> None:
        x, y = place
        box = (x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, colour if filled else None, colour)

    def words(self, place: Place, text: str, size: int, anchor: Anchor = "l") -> None:
        from PIL import ImageFont

        font = ImageFont.load_default(size)
        self._draw.text(place, text, INK, font, anchor=f"{anchor}m")

    def content(self) -> bytes:
        stream = BytesIO()
        self._image.save(stream, "PNG")
        return stream.getvalue()


ANCHORS = {"l": "start", "m": "middle", "r": "end"}


class SvgCanvas:
    """A picture of shapes."""

    def __init__(self, width: int, height: int) -> None:
        size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
        ]

    def line(self, places: Sequence[Place], colour: Colour, width: int = 1) -> None:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        style = f'fill="none" stroke="{_name(colour)}" stroke-width="{width}"'
        self._parts.append(f'<polyline points="{points}" {style}/>')

    def disc(self, place: Place, radius: float, colour: Colour, *, filled: bool = True) -> None:
        x, y = place
        fill = _name(colour) if filled else "none"
        at = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"'
        self._parts.append(f'<circle {at} fill="{fill}" stroke="{_name(colour)}"/>')

    def words(self, place: Place, text: str, size: int, anchor: Anchor = "l") -> None:
        x, y = place
        at = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{ANCHORS[anchor]}"'
        more = f'dominant-baseline="middle" fill="{_name(INK)}"'
        self._parts.append(f"<text {at} {more}>{escape(text)}</text>")

    def content(self) -> bytes:
        return "\n".join([*self._parts, "</svg>\n"]).encode("utf-8")


def _name(colour: Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


CANVASES: Mapping[str, Callable[[int, int], Canvas]] = {".png": PngCanvas, ".svg": SvgCanvas}
"""By the ends of files' names."""
