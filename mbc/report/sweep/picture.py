"""The picture of a sweep: what networks are good for over each of their costs, with the front of
each target as a line."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

from mbc.records import dataclass
from mbc.report.canvas import FAINT, INK, Canvas, Colour, Place
from mbc.report.sweep.front import COSTS, Goal, front, worth
from mbc.report.sweep.rows import COLUMNS, Row, known, swept

PANEL_WIDTH, PANEL_HEIGHT = 460, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 60, 30, 50
HEAD = 60
PER_LINE = 3
TICKS = 5
LABEL_HEIGHT, LABEL_WIDTH = 10, 6  # of a letter
COLOURS: tuple[Colour, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
)


@dataclass(frozen=True)
class Axis:
    """The range of a panel's axis."""

    first: float
    step: float
    count: int

    @staticmethod
    def around(values: Sequence[float]) -> Axis:
        """Return round ticks around values."""
        least, most = min(values), max(values)
        span = (most - least) or abs(most) or 1.0
        power = 10.0 ** floor(log10(span / TICKS))
        step = next(power * times for times in (1, 2, 5, 10) if power * times * TICKS >= span)
        first = floor(least / step)
        return Axis(first * step, step, max(1, ceil(most / step) - first))

    def share(self, value: float) -> float:
        """Return the share of the axis below a value."""
        return (value - self.first) / (self.step * self.count)

    @property
    def ticks(self) -> list[float]:
        """The values with a label."""
        return [self.first + i * self.step for i in range(self.count + 1)]

    def label(self, value: float) -> str:
        """Return a value in as many digits as the ticks need."""
        return f"{value:,.{max(0, -floor(log10(self.step)))}f}"


@dataclass(frozen=True)
class Panel:
    """One cost."""

    origin: Place
    cost: Goal
    worth: Goal
    x: Axis
    y: Axis

    def place(self, row: Row) -> Place:
        """Return where a row is."""
        return self.at(_value(row, self.cost), _value(row, self.worth))

    def at(self, x: float, y: float) -> Place:
        """Return where a pair of values is."""
        width, height = PANEL_WIDTH - LEFT - RIGHT, PANEL_HEIGHT - TOP - BOTTOM
        left, top = self.origin[0] + LEFT, self.origin[1] + TOP
        return left + width * self.x.share(x), top + height * (1 - self.y.share(y))


def _value(row: Row, goal: Goal) -> float:
    return row.figures[goal.column] / COLUMNS[goal.column].divisor


def size_of(rows: Sequence[Row]) -> tuple[int, int]:
    """Return the width and height of the picture of rows."""
    count = len(_costs(rows))
    columns = max(1, min(count, PER_LINE))
    return columns * PANEL_WIDTH, HEAD + ceil(count / PER_LINE) * PANEL_HEIGHT


def _costs(rows: Sequence[Row]) -> list[str]:
    good = worth(rows).column
    found = [name for name in known(rows) if name in COSTS and name != good]
    return [name for name in COSTS if name in found and _of(rows, good, name)]


def _of(rows: Sequence[Row], *names: str) -> list[Row]:
    return [row for row in rows if all(name in row.figures for name in names)]


def draw_sweep(canvas: Canvas, rows: Sequence[Row], title: str) -> None:
    """Draw a panel for each cost."""
    good, targets = worth(rows), list(dict.fromkeys(row.point.target for row in rows))
    colours = {target: COLOURS[i % len(COLOURS)] for i, target in enumerate(targets)}
    names = swept(rows)
    canvas.words((LEFT, 20), f"{title} by {', '.join(names)}" if names else title, 16)
    for i, target in enumerate(targets):
        canvas.disc((LEFT + 6 + i * 150, 45), 5, colours[target])
        canvas.words((LEFT + 18 + i * 150, 45), target, 13)
    for i, name in enumerate(_costs(rows)):
        origin = (i % PER_LINE * PANEL_WIDTH, HEAD + i // PER_LINE * PANEL_HEIGHT)
        _panel(canvas, rows, Goal(name), good, origin, colours)


def _panel(
    canvas: Canvas,
    rows: Sequence[Row],
    cost: Goal,
    good: Goal,
    origin: Place,
    colours: dict[str, Colour],
) -> None:
    own = _of(rows, cost.column, good.column)
    x, y = (Axis.around([_value(row, goal) for row in own]) for goal in (cost, good))
    panel = Panel(origin, cost, good, x, y)
    _axes(canvas, panel)
    names, labels = swept(rows), list[tuple[Place, str]]()
    for target, colour in colours.items():
        of_target = [row for row in own if row.point.target == target]
        best = sorted(front(of_target, (cost, good)), key=lambda row: row.figures[cost.column])
        _staircase(canvas, panel, best, colour)
        for row in of_target:
            canvas.disc(panel.place(row), 4, colour, filled=row in best)
        labels += [(panel.place(row), _label(row, names)) for row in best]
    _names(canvas, labels)


def _axes(canvas: Canvas, panel: Panel) -> None:
    x, y = panel.x, panel.y
    for value in x.ticks:
        foot = panel.at(value, y.ticks[0])
        canvas.line([foot, panel.at(value, y.ticks[-1])], FAINT)
        canvas.words((foot[0], foot[1] + 12), x.label(value), 11, "m")
    for value in y.ticks:
        foot = panel.at(x.ticks[0], value)
        canvas.line([foot, panel.at(x.ticks[-1], value)], FAINT)
        canvas.words((foot[0] - 6, foot[1]), y.label(value), 11, "r")
    corner = panel.at(x.ticks[0], y.ticks[0])
    canvas.line([panel.at(x.ticks[0], y.ticks[-1]), corner], INK)
    canvas.line([corner, panel.at(x.ticks[-1], y.ticks[0])], INK)
    middle = panel.at((x.ticks[0] + x.ticks[-1]) / 2, y.ticks[0])
    canvas.words((middle[0], middle[1] + 30), COLUMNS[panel.cost.column].title, 13, "m")
    head = panel.at(x.ticks[0], y.ticks[-1])
    canvas.words((head[0] - 40, head[1] - 16), COLUMNS[panel.worth.column].title, 13)


def _staircase(canvas: Canvas, panel: Panel, best: Sequence[Row], colour: Colour) -> None:
    """Draw the front: to the right of each point nothing better is to be had until the next."""
    places = [panel.place(row) for row in best]
    corners = [
        (after[0], before[1])
        for before, after in zip(places, places[1:] + places[-1:], strict=True)
    ]
    line = [place for pair in zip(places, corners, strict=True) for place in pair]
    if len(line) > 1:
        canvas.line(line, colour)


def _label(row: Row, names: Sequence[str]) -> str:
    values = dict(row.point.parameters)
    return " ".join(values[name] for name in names)


def _names(canvas: Canvas, labels: Sequence[tuple[Place, str]]) -> None:
    """Write the labels that are clear of each other, from top to bottom."""
    taken: list[Place] = []
    for (x, y), text in sorted(labels, key=lambda label: label[0][1]):
        at = (x + 6, y + 9)
        clear = all(
            abs(y - at[1]) > LABEL_HEIGHT or abs(x - at[0]) > LABEL_WIDTH * len(text)
            for x, y in taken
        )
        if clear:
            canvas.words(at, text, LABEL_HEIGHT)
            taken.append(at)
