"""Draw networks and ways to compile them, and try them: one by one on this machine, many together
under emulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from mbc.ir.graph import Graph
from mbc.ir.text.printer import print_graph
from tests.fuzzing.configuration import Configuration, configurations, native_targets
from tests.fuzzing.emulated import Trial, try_together
from tests.fuzzing.native import try_natively
from tests.fuzzing.wide import EMULATED, NATIVE, Limits, wide_networks
from tests.random_networks import networks

Check = Callable[[Graph, Configuration], None]


def any_networks(limits: Limits, units: int) -> st.SearchStrategy[Graph]:
    """Of any layers or, one in four, of so many units that split, join and shuffle."""
    wide = wide_networks(limits)
    return st.one_of(wide, wide, wide, networks(max_units=units).map(_without_data))


def _without_data(graph: Graph) -> Graph:
    for constant in graph.constants().values():
        constant.data = None
    return graph


def as_text(graph: Graph, how: Configuration) -> str:
    """As kept networks are written."""
    return f"// {how}\n{print_graph(graph)}"


def hunt_natively(count: int, number: int) -> Counter[str]:
    """Try so many networks; in how many of them each kind of kernel was."""
    found: Counter[str] = Counter()

    def check(graph: Graph, how: Configuration) -> None:
        found.update(try_natively(graph, how).keys())

    _draw(any_networks(NATIVE, 3), configurations(native_targets()), count, number, check)
    return found


def hunt_emulated(target: str, count: int, number: int, folder: Path) -> Counter[str]:
    """The same on an emulated CPU; after a failure each network is tried alone, to find which it is
    and what is left of it when it is made smaller."""
    trials: list[Trial] = []
    graphs, ways = any_networks(EMULATED, 1), configurations([target], threads=3)

    def collect(graph: Graph, how: Configuration) -> None:
        trials.append(Trial(graph, how))

    def check(graph: Graph, how: Configuration) -> None:
        try_together([Trial(graph, how)], folder)

    _draw(graphs, ways, count, number, collect)
    try:
        return try_together(trials, folder)
    except Exception:
        _draw(graphs, ways, count, number, check)
        raise


def _draw(
    graphs: st.SearchStrategy[Graph],
    ways: st.SearchStrategy[Configuration],
    count: int,
    number: int,
    check: Check,
) -> None:
    """Check so many networks, the same for the same number."""

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(graph=graphs, how=ways)
    def one(graph: Graph, how: Configuration) -> None:
        note(as_text(graph, how))
        check(graph, how)

    one()
