"""What becomes of the values of a network as written: each is accounted for by a value that there
is after passes, and one that there still is has its shape."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from mbc.ir.graph import Graph
from mbc.ir.text import parse, print_graph
from mbc.ir.verify import verify
from mbc.ir.views import Value
from mbc.passes.eliminate_dead_nodes import EliminateDeadNodes
from mbc.passes.fuse_rows import FuseRows
from mbc.passes.materialize_views import MaterializeViews
from mbc.passes.pipelines import FUSE_MODES, GOALS, LEVELS, PASSES, with_fuse_mode
from mbc.passes.plan_memory import PlanMemory
from mbc.passes.quantise import Quantise
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import Pass, PassContext, Pipeline
from mbc.passmgr.pipeline import single_stage
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, PAIR, Example
from tests.fake_backend import FakeBackend
from tests.golden_cases import Case, cases
from tests.random_graphs import graphs

PIPELINES: dict[str, Pipeline] = {
    **{f"O{level}": pipeline for level, pipeline in enumerate(LEVELS)},
    **{f"memory-O{level}": pipeline for level, pipeline in GOALS["memory"].items()},
    **{f"fuse-{mode}": with_fuse_mode(GOALS["speed"][2], mode) for mode in FUSE_MODES},
}
EVERYDAY = "memory-O2"
BACKENDS = (FakeBackend(), FakeBackend(views=False), FakeBackend(fusions=False, residuals=False))


def results(graph: Graph) -> Iterator[Value]:
    """The results of nodes, those in bodies too."""
    for node in graph.topo():
        yield from node.results
        for body in node.op.bodies:
            yield from results(body)


def values(graph: Graph) -> list[Value]:
    """The values that have origins; the inputs of bodies have none."""
    return [*graph.inputs, *results(graph)]


def shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    return {value.name: value.type.shape for value in values(graph)}


def origins(graph: Graph) -> set[str]:
    return {name for value in values(graph) for name in value.origins}


def check(graph: Graph, written: dict[str, tuple[int, ...]]) -> None:
    """All values as written are accounted for, and no others."""
    assert origins(graph) == set(written)
    for value in values(graph):
        assert value.is_added == (value.name not in written)
        if not value.is_added:
            assert value.type.shape == written[value.name], value
    again = parse(print_graph(graph))
    assert [v.origins for v in values(again)] == [v.origins for v in values(graph)]
    assert [v.origins for v in values(graph.clone())] == [v.origins for v in values(graph)]


@pytest.mark.parametrize(
    ("example", "pipeline"),
    part_of(
        ((example, name) for example in EXAMPLE_NETWORKS for name in PIPELINES),
        lambda example, name: example in PAIR or name == EVERYDAY,
        lambda example, name: f"{example}-{name}",
    ),
)
def test_examples_are_accounted_for(example: Example, pipeline: str) -> None:
    graph = example.graph(resolution="64")
    written = shapes(graph)
    run_pipeline(graph, PIPELINES[pipeline], PassContext(FakeBackend()))
    check(graph, written)


OTHERS = (EliminateDeadNodes, Quantise)
"""What drops nodes, and what needs ranges (tests/numeric/test_quantise.py)."""

LOSSLESS = [pass_class() for pass_class in PASSES if pass_class not in OTHERS]
PLANNING = (FuseRows, PlanMemory)
"""They take views that the memory plan can serve alone."""


@pytest.mark.parametrize("instance", LOSSLESS, ids=lambda instance: str(instance.name))
@given(graph=graphs())
@settings(max_examples=10, deadline=None)
def test_each_pass_accounts_for_random_graphs(instance: Pass, graph: Graph) -> None:
    name_apart(graph)
    written = shapes(graph)
    passes = [MaterializeViews(), instance] if isinstance(instance, PLANNING) else [instance]
    for backend in BACKENDS:
        copy = graph.clone()
        run_pipeline(copy, single_stage(passes), PassContext(backend))
        verify(copy)
        check(copy, written)


def name_apart(graph: Graph) -> None:
    """Give all results names that no other graph or body has."""
    for number, value in enumerate(results(graph)):
        value.name = f"v.{number}"


@pytest.mark.parametrize("case", [case for case in cases() if not case.is_error], ids=str)
def test_golden_cases_are_accounted_for(case: Case) -> None:
    graph = case.graph()
    written = shapes(graph)
    case.run(graph)
    assert origins(graph) <= set(written)
    if "eliminate-dead-nodes" not in case.passes:
        assert origins(graph) == set(written)


def test_what_is_dead_is_accounted_for_by_nothing() -> None:
    graph = parse(
        "graph @g(%x: f32[4]) {\n  %a = relu(%x) : f32[4] from (%b)\n"
        "  %c = relu(%x) : f32[4]\n  return %c\n}"
    )
    run_pipeline(graph, single_stage([EliminateDeadNodes()]), PassContext(FakeBackend()))
    assert origins(graph) == {"x", "c"}
