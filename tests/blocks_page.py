"""What docs/blocks.md shows, as the compiler gives it; its blocks are marked like those of
docs/views.md."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from mbc.frontends.dsl import load_network
from mbc.ir.graph import Graph
from mbc.ops.cost import node_cost
from tests.views_page import GIVEN, after, columns, passes, statements

PAGE = Path(__file__).resolve().parents[1] / "docs" / "blocks.md"

STEPS = {
    "folded": ("fold-batch-norm",),
    "activated": ("fuse-activation",),
    "added": ("fuse-residual-add",),
    "bottleneck": ("fuse-inverted-residual",),
    "pair": ("fuse-depthwise-pointwise",),
    "planned": ("materialize-views", "choose-schedules", "plan-memory"),
}
"""The passes of each step, one after the other."""


@cache
def traced(name: str) -> Graph:
    """A network of the page as imported."""
    found: dict[str, str] = dict(GIVEN.findall(PAGE.read_text()))
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(found[name])
        return load_network(path).trace({}, 1)


@cache
def left(name: str) -> dict[str, tuple[str, Graph]]:
    """What each step leaves of a network: remarks and statements, and the graph."""
    graph, found = traced(name).clone(), {}
    for step, wanted in STEPS.items():
        found[step] = (after(graph, passes(*wanted)), graph.clone())
    return found


def imported(name: str) -> str:
    return statements(traced(name))


def step(name: str, wanted: str) -> str:
    return left(name)[wanted][0]


def layers(name: str, wanted: str) -> str:
    """The kernels of a step beside what they compute and move."""
    rows: list[tuple[str, ...]] = [("layer", "MFLOP", "KB read", "KB written", "FLOP a byte")]
    for node in left(name)[wanted][1].topo():
        cost = node_cost(node)
        flop, moved = 2 * cost.macs, cost.bytes_read + cost.bytes_written
        numbers = (flop / 1e6, cost.bytes_read / 1e3, cost.bytes_written / 1e3, flop / moved)
        rows.append((f"%{node.results[0].name}", *(f"{number:.1f}" for number in numbers)))
    return columns(rows)


SHOWS: dict[str, Callable[[], str]] = {
    "separable": partial(imported, "separable.py"),
    "separable-folded": partial(step, "separable.py", "folded"),
    "separable-activated": partial(step, "separable.py", "activated"),
    "separable-layers": partial(layers, "separable.py", "activated"),
    "separable-pair": partial(step, "separable.py", "pair"),
    "separable-kernels": partial(layers, "separable.py", "pair"),
    "inverted-added": partial(step, "inverted.py", "added"),
    "inverted-layers": partial(layers, "inverted.py", "added"),
    "inverted-bottleneck": partial(step, "inverted.py", "bottleneck"),
    "inverted-kernels": partial(layers, "inverted.py", "bottleneck"),
    "inverted-planned": partial(step, "inverted.py", "planned"),
}
"""What makes each block, in the order of the page."""
