"""A chart of the roofline of a machine with the layers under it: FLOP per byte from left to right,
GFLOP/s from bottom to top, both logarithmic. The area of a disc is a layer's share of the time.

With several peaks each has a roof, and discs under other roofs than that of most multiply-adds have
a dark edge."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, log10, sqrt

from mbc.report.canvas import INK
from mbc.report.chart import LEFT, RED, RIGHT, TOP, WIDTH, Chart, Logarithmic
from mbc.report.profile import LayerTime, Limits, Profile

COLOURS = {"compute": (66, 133, 190), "memory": (222, 143, 5)}
WHOLE_RADIUS = 90  # of a layer that takes all of the time
LEAST_RADIUS = 3


def draw_roofline(profile: Profile, title: str) -> bytes:
    """Return the chart as a PNG. The title counts the layers without multiply-adds, left out."""
    layers = [layer for layer in profile.layers if layer.macs]
    x, y = _axes(layers, profile.limits)
    chart = Chart(_title(profile, len(profile.layers) - len(layers), title), x, y)
    _grid(chart, x, y)
    _roofs(chart, profile.limits, max(10.0**x.low, 10.0**y.low / profile.limits.memory_gbs))
    for layer in sorted(layers, key=lambda layer: -layer.ms):
        _layer(chart, layer, layer.ms / profile.ms_kernels, profile.limits)
    return chart.png()


def _title(profile: Profile, left_out: int, title: str) -> str:
    also = f"; {left_out} layers without multiply-adds are not here" if left_out else ""
    threads = profile.limits.threads
    crew = f"{threads} thread{'s' * (threads > 1)}"
    return f"{title}, {crew}, {profile.ms_median:.2f} ms (areas are shares of the time{also})"


def _axes(layers: list[LayerTime], limits: Limits) -> tuple[Logarithmic, Logarithmic]:
    """Return axes of whole decades around all layers, the ridge and the peak."""
    x = [*map(limits.ridge, limits.peaks), *(layer.intensity for layer in layers)]
    y = [
        *map(limits.gflops, limits.peaks),
        *(layer.gflops for layer in layers if layer.gflops > 0),
    ]
    left, right = floor(log10(min(x))), ceil(log10(max(x)))
    bottom, top = floor(log10(min(y))), ceil(log10(1.2 * max(y)))
    return Logarithmic(left, max(right, left + 1)), Logarithmic(bottom, top)


def _grid(chart: Chart, x: Logarithmic, y: Logarithmic) -> None:
    """Draw lines at 1, 2 and 5 of each decade, with numbers."""
    for value in _ticks(x):
        chart.x_line(value)
        chart.x_tick(value, f"{value:g}")
    for value in _ticks(y):
        chart.y_tick(value, f"{value:g}")
    chart.x_title("FLOP per byte")
    chart.draw.text((LEFT - 8, TOP - 12), "GFLOP/s", INK, chart.font, anchor="rm")


def _roofs(chart: Chart, limits: Limits, foot: float) -> None:
    """Draw the memory limit from `foot` (FLOP per byte) to the last ridge, and from their ridges on
    the compute limits."""
    start = (chart.x(foot), chart.y(foot * limits.memory_gbs))
    for kind in limits.peaks:
        ridge = (chart.x(limits.ridge(kind)), chart.y(limits.gflops(kind)))
        chart.draw.line((*start, *ridge, WIDTH - RIGHT, ridge[1]), RED, 2)
        text = f"{kind}: {limits.gflops(kind):.1f} GFLOP/s{_edged(kind, limits)}"
        chart.draw.text((ridge[0], ridge[1] - 8), text, RED, chart.font, anchor="lb")
    memory = f"{limits.memory_gbs:.1f} GB/s"
    chart.draw.text((start[0] + 30, start[1] - 4), memory, RED, chart.font, anchor="lb")


def _edged(kind: str, limits: Limits) -> str:
    return "" if kind == limits.kind else " (discs with a dark edge)"


def _layer(chart: Chart, layer: LayerTime, share: float, limits: Limits) -> None:
    """Draw a disc, with the layer's name if that fits."""
    x, y = chart.x(layer.intensity), chart.y(layer.gflops)
    radius = max(WHOLE_RADIUS * sqrt(share), LEAST_RADIUS)
    colour, box = COLOURS[layer.bound], (x - radius, y - radius, x + radius, y + radius)
    edge = colour if layer.peak == limits.kind else INK
    chart.draw.ellipse(box, (*colour, 150), (*edge, 255))
    name = layer.name
    if chart.fits(name, 3 * radius):
        chart.draw.text((x, y), name, INK, chart.font, anchor="mm")


def _ticks(axis: Logarithmic) -> Iterator[float]:
    """Yield 1, 2 and 5 times each power of ten of an axis, and its end."""
    for power in range(axis.low, axis.high):
        yield from (times * 10.0**power for times in (1, 2, 5))
    yield 10.0**axis.high
