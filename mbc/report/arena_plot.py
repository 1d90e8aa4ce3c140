"""A chart of the arena: steps from left to right, offsets from bottom to top."""

from __future__ import annotations

from mbc.report.canvas import INK
from mbc.report.chart import BOTTOM, HEIGHT, LEFT, RED, RIGHT, TOP, WIDTH, Chart, Linear
from mbc.report.memory import Holding, Memory

SCRATCH = (150, 150, 150)
COLOURS = (
    (66, 133, 190),
    (222, 143, 5),
    (2, 158, 115),
    (204, 120, 188),
    (202, 145, 97),
    (86, 180, 233),
)
ALPHA = 150  # of 255, so that a result and the operand that it overlaps both show

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]


def draw_arena(memory: Memory, title: str) -> bytes:
    """Return the chart as a PNG."""
    steps = len(memory.steps)
    chart = Chart(f"{title} (scratch is grey)", Linear(steps), Linear(memory.arena_bytes))
    _axes(chart, memory)
    for number, holding in enumerate(memory.holdings):
        colour = SCRATCH if holding.kind == "scratch" else COLOURS[number % len(COLOURS)]
        _holding(chart, holding, steps, colour)
    _peak(chart, memory)
    return chart.png()


def _axes(chart: Chart, memory: Memory) -> None:
    for offset in range(0, memory.arena_bytes + 1, _tick(memory.arena_bytes)):
        chart.y_tick(offset, f"{offset / 1e3:,.0f} KB")
    for step in range(0, len(memory.steps), _tick(len(memory.steps))):
        chart.x_tick(step + 0.5, str(step))
    chart.x_title("step")


def _holding(chart: Chart, holding: Holding, steps: int, colour: Colour) -> None:
    """Draw a box, with its name if that fits."""
    right = chart.x(min(holding.last, steps - 1) + 1)
    box = (chart.x(holding.first), chart.y(holding.end), right, chart.y(holding.offset))
    chart.draw.rectangle(box, (*colour, ALPHA), (*colour, 255))
    _label(chart, holding, box)


def _label(chart: Chart, holding: Holding, box: Box) -> None:
    """Write the first name that fits."""
    scratch = holding.kind == "scratch"
    names = ("scratch",) if scratch else (holding.values[0], holding.layers[0])
    left, top, right, bottom = box
    for name in names:
        if chart.fits(name, right - left - 4) and bottom - top > 16:
            chart.draw.text(((left + right) / 2, (top + bottom) / 2), name, INK, chart.font, "mm")
            return


def _peak(chart: Chart, memory: Memory) -> None:
    """Mark the step at which most is alive, and the lower bound."""
    x, y = chart.x(memory.peak), chart.y(memory.bound_bytes)
    chart.draw.rectangle((x, TOP, chart.x(memory.peak + 1), HEIGHT - BOTTOM), None, RED)
    chart.draw.line((LEFT, y, WIDTH - RIGHT, y), RED)
    text = f"lower bound {memory.bound_bytes:,} bytes, alive at step {memory.peak}"
    chart.draw.text((WIDTH - RIGHT, TOP - 8), text, RED, chart.font, anchor="rb")


def _tick(extent: int) -> int:
    """Return a round distance that divides the extent into some ten parts."""
    power = int("1" + "0" * (len(str(extent)) - 2))
    return next(power * times for times in (1, 2, 5, 10) if power * times * 12 >= extent)
