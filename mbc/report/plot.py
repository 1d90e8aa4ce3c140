"""The arena as a picture: steps from left to right, offsets from bottom to top."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from mbc.report.memory import Holding, Memory

WIDTH, HEIGHT = 1400, 800
LEFT, RIGHT, TOP, BOTTOM = 90, 20, 50, 60
INK, FAINT, PEAK = (40, 40, 40, 255), (210, 210, 210, 255), (200, 40, 40, 255)
SCRATCH = (150, 150, 150, 150)
COLOURS = (
    (66, 133, 190, 150),
    (222, 143, 5, 150),
    (2, 158, 115, 150),
    (204, 120, 188, 150),
    (202, 145, 97, 150),
    (86, 180, 233, 150),
)


def draw_arena(memory: Memory, title: str) -> bytes:
    """A PNG. Where a result lies over an operand both shine through."""
    canvas = _Canvas(memory)
    canvas.axes(title)
    for number, holding in enumerate(memory.holdings):
        colour = SCRATCH if holding.kind == "scratch" else COLOURS[number % len(COLOURS)]
        canvas.holding(holding, colour)
    canvas.peak()
    return canvas.png()


Colour = tuple[int, int, int, int]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Scale:
    """From steps and bytes to pixels."""

    steps: int
    bytes: int

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(self.steps, 1)

    def y(self, offset: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * offset / max(self.bytes, 1)


class _Canvas:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._scale = _Scale(len(memory.steps), memory.arena_bytes)
        self._image = Image.new("RGBA", (WIDTH, HEIGHT), "white")
        self._font = ImageFont.load_default(13)

    def axes(self, title: str) -> None:
        """Grid, numbers, title."""
        draw, scale, memory = ImageDraw.Draw(self._image), self._scale, self._memory
        draw.text((LEFT, 15), f"{title} (scratch is grey)", INK, ImageFont.load_default(16))
        for offset in range(0, memory.arena_bytes + 1, _tick(memory.arena_bytes)):
            y = scale.y(offset)
            draw.line((LEFT, y, WIDTH - RIGHT, y), FAINT)
            draw.text((LEFT - 8, y), f"{offset / 1e3:,.0f} KB", INK, self._font, anchor="rm")
        for step in range(0, len(memory.steps), _tick(len(memory.steps))):
            x = scale.x(step + 0.5)
            draw.text((x, HEIGHT - BOTTOM + 8), str(step), INK, self._font, anchor="mt")
        draw.text((WIDTH / 2, HEIGHT - 20), "step", INK, self._font, anchor="mm")

    def holding(self, holding: Holding, colour: Colour) -> None:
        """A box, with its name where there is room."""
        layer = Image.new("RGBA", self._image.size, (0, 0, 0, 0))
        draw, scale = ImageDraw.Draw(layer), self._scale
        right = scale.x(min(holding.last, len(self._memory.steps) - 1) + 1)
        box = (scale.x(holding.first), scale.y(holding.end), right, scale.y(holding.offset))
        draw.rectangle(box, colour, (*colour[:3], 255))
        self._label(draw, holding, box)
        self._image.alpha_composite(layer)

    def _label(self, draw: ImageDraw.ImageDraw, holding: Holding, box: Box) -> None:
        """The first name that fits."""
        scratch = holding.kind == "scratch"
        names = ("scratch",) if scratch else (holding.layers[0].split("+")[0], holding.values[0])
        left, top, right, bottom = box
        for name in names:
            if self._font.getlength(name) + 4 < right - left and bottom - top > 16:
                draw.text(((left + right) / 2, (top + bottom) / 2), name, INK, self._font, "mm")
                return

    def peak(self) -> None:
        """Where most is alive, and the lower bound."""
        draw, scale, memory = ImageDraw.Draw(self._image), self._scale, self._memory
        x, y = scale.x(memory.peak), scale.y(memory.bound_bytes)
        draw.rectangle((x, TOP, scale.x(memory.peak + 1), HEIGHT - BOTTOM), None, PEAK)
        draw.line((LEFT, y, WIDTH - RIGHT, y), PEAK)
        text = f"lower bound {memory.bound_bytes:,} bytes, alive at step {memory.peak}"
        draw.text((WIDTH - RIGHT, TOP - 8), text, PEAK, self._font, anchor="rb")

    def png(self) -> bytes:
        stream = BytesIO()
        self._image.convert("RGB").save(stream, "PNG")
        return stream.getvalue()


def _tick(extent: int) -> int:
    """A round distance of which there are some ten in the extent."""
    power = int("1" + "0" * (len(str(extent)) - 2))
    return next(power * times for times in (1, 2, 5, 10) if power * times * 12 >= extent)
