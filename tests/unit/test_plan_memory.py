"""Memory plans of random graphs, run in an arena whose bytes know to what they belong."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbc.ir.activations import RELU
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.text.printer import print_graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ir.views import ChannelView, Place, Value
from mbc.memory.facts import Facts
from mbc.memory.needs import needs_of
from mbc.ops.elementwise import Activate, Add
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d
from mbc.passes.plan_memory import PlanMemory
from mbc.passmgr.passes import PassContext
from tests.arena import Arena
from tests.fake_backend import FakeBackend

CHANNELS = (1, 3, 8, 17, 40)
IMAGE = TensorType((1, 5, 5, 8))


@dataclass(frozen=True)
class Backend(FakeBackend):
    """What a node reads first it may overlap more than what it reads second."""

    stubborn: bool = False

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        distance = super().overlap_bytes(node, role)
        index = [other for other, _ in node.items()].index(role)
        if distance is None or (index and self.stubborn):
            return None
        return distance * (index + 1)


BACKENDS = st.builds(
    Backend,
    stubborn=st.booleans(),
    alias=st.booleans(),
    overlap=st.sampled_from([None, 0, 1, 64, 100, 700, 10**6]),
    scratch=st.sampled_from([0, 50, 3000]),
)


class RandomGraph:
    """Convolutions between random channel counts (alone, fused, with a residual of one value or of
    two), adds and relus."""

    def __init__(self, seed: int, nodes: int) -> None:
        self.random = random.Random(seed)
        self.graph = Graph("random")
        self.values = [self.graph.add_input("x", IMAGE)]
        self.beside: set[Value] = set()
        for number in range(nodes):
            x = self.random.choice(self.values[-6:])
            makers = (self.relu, self.add, self.conv, self.residual, self.fused, self.joined)
            self.values.append(self.random.choice(makers)(x, f"w{number}").result)
        results = self.values[1:]
        chosen = self.random.sample(results, self.random.randint(1, min(2, len(results))))
        self.graph.set_outputs(
            [value for value in chosen if value not in self.beside] or [results[-1]]
        )

    def relu(self, x: Value, name: str) -> Node:
        return self.graph.add(Activate(RELU), [x])

    def add(self, x: Value, name: str) -> Node:
        return self.graph.add(Add(), [x, self.alike(x)])

    def conv(self, x: Value, name: str) -> Node:
        return self.graph.add(Conv2d(), [x, self.weight(name, x, self.random.choice(CHANNELS))])

    def residual(self, x: Value, name: str) -> Node:
        weight = self.weight(name, x, x.type.channels)
        return self.graph.add(Conv2d(), [x, weight, None, self.alike(x)])

    def fused(self, x: Value, name: str) -> Node:
        body, with_residual = Graph("rows"), self.random.random() < 0.5
        channels = x.type.channels if with_residual else self.random.choice(CHANNELS)
        operands = [x, self.alike(x)] if with_residual else [x]
        inputs = [body.add_input(n, o.type) for n, o in zip("xr", operands, strict=False)]
        weight = self.weight(name, x, channels)
        body.set_outputs([body.add(Conv2d(), [inputs[0], weight, None, *inputs[1:]]).result])
        return self.graph.add(Fused("rows", body), operands)

    def joined(self, x: Value, name: str) -> Node:
        """A residual of two values, neither of which has neighbours yet."""
        free = [v for v in self.values[1:] if v not in self.beside]
        if len(free) < 2:
            return self.relu(x, name)
        pair = self.random.sample(free, 2)
        self.beside |= {*pair}
        view = ChannelView.concat(map(ChannelView.of, pair))
        weight = self.weight(name, x, view.type.channels)
        return self.graph.add(Conv2d(), [x, weight, None, view])

    def alike(self, x: Value) -> Value:
        return self.random.choice([v for v in self.values if v.type == x.type])

    def weight(self, name: str, x: Value, channels: int) -> Constant:
        return Constant(name, TensorType((1, 1, x.type.channels, channels)))


def random_graph(seed: int, nodes: int) -> Graph:
    return RandomGraph(seed, nodes).graph


def plan(graph: Graph, backend: FakeBackend, *, alone: bool = True) -> str:
    planner = PlanMemory(threads="one" if alone else "many")
    result = planner.run(graph, PassContext(backend))
    (remark,) = result.remarks
    return remark.message


def ratio(message: str) -> float:
    return float(message.split(", ")[1].split(" times")[0])


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 30), backend=BACKENDS)
def test_nothing_is_overwritten_while_it_is_needed(
    seed: int, nodes: int, backend: FakeBackend
) -> None:
    graph = random_graph(seed, nodes)
    plan(graph, backend)
    verify(graph)
    Arena(graph, backend).run()
    outputs = {view.value for view in graph.outputs}
    for value in (result for node in graph.topo() for result in node.results):
        assert (value.place is None) == (value in outputs)
    assert all(value.place is None for value in graph.inputs)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 30), backend=BACKENDS)
def test_a_plan_for_several_threads_overlaps_nothing(
    seed: int, nodes: int, backend: FakeBackend
) -> None:
    graph = random_graph(seed, nodes)
    plan(graph, backend, alone=False)
    Arena(graph, backend, alone=False).run()
    text = print_graph(graph)
    plan(graph, backend)
    kept = graph.placed_for_threads()
    assert kept is not None
    assert print_graph(kept) == text


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 30), backend=BACKENDS)
def test_planning_again_changes_nothing(seed: int, nodes: int, backend: FakeBackend) -> None:
    graph, context = random_graph(seed, nodes), PassContext(backend)
    PlanMemory().run(graph, context)
    assert not PlanMemory().run(graph, context).changed


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), backend=BACKENDS)
def test_what_overlaps_and_what_is_in_place_saves_memory(seed: int, backend: FakeBackend) -> None:
    """Compared by the lower bounds, since luck in placing may go either way."""

    def bound(backend: FakeBackend) -> int:
        return int(plan(random_graph(seed, 20), backend).rpartition("(")[2].rstrip(")"))

    assert bound(backend) <= bound(replace(backend, overlap=None))


def spoil_offsets(graph: Graph) -> None:
    for value in (result for node in graph.topo() for result in node.results):
        value.place = None if value.place is None else Place(0, value.place.pitch)


def spoil_scratch(graph: Graph) -> None:
    """Into what the node reads."""
    for node in graph.topo():
        read = [value.offset for view in node.views for value in view.values if value.place]
        if node.scratch is not None and read:
            node.scratch = read[0]


@pytest.mark.parametrize("spoil", [spoil_offsets, spoil_scratch])
def test_the_judge_notices_a_bad_plan(spoil: Callable[[Graph], None]) -> None:
    graph, backend = random_graph(3, 20), FakeBackend(alias=False, overlap=64, scratch=200)
    plan(graph, backend)
    Arena(graph, backend).run()
    spoil(graph)
    with pytest.raises(AssertionError):
        Arena(graph, backend).run()


def test_plans_are_close_to_the_lower_bound() -> None:
    for backend in (FakeBackend(), FakeBackend(overlap=128, scratch=500)):
        ratios = [ratio(plan(random_graph(seed, 30), backend)) for seed in range(60)]
        assert np.mean(ratios) < 1.02
        assert max(ratios) < 1.15


def test_sizes_are_those_of_the_backend() -> None:
    class Padded(FakeBackend):
        def buffer_bytes(self, type: TensorType) -> int:
            return 1000

    graph = chain(8, 8, 8, 8)
    plan(graph, Padded())
    assert graph.arena_bytes == 2 * 1024


def chain(*channels: int) -> Graph:
    """Convolutions from 8 channels to each of these in turn."""
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    for number, outputs in enumerate(channels):
        weight = Constant(f"w{number}", TensorType((1, 1, x.type.channels, outputs)))
        x = graph.add(Conv2d(), [x, weight]).result
    graph.set_outputs([x])
    return graph


class Lax(FakeBackend):
    """Lets every result take the place of its operand."""

    def may_alias(self, node: Node, role: str) -> bool:
        return True


def test_a_result_that_is_larger_does_not_go_over_its_operand() -> None:
    graph = chain(8, 40, 3, 3)
    plan(graph, Lax())
    Arena(graph, Lax()).run()
    first, second, third, _ = (node.result for node in graph.topo())
    assert first.offset != second.offset
    assert third.offset == second.offset


class Sliding(FakeBackend):
    """Lets every result begin a little before its operand."""

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        return 100


def test_a_chain_of_overlaps_slides() -> None:
    graph, backend = chain(8, 8, 8, 8, 8), Sliding(alias=False)
    plan(graph, backend)
    Arena(graph, backend).run()
    assert [node.result.offset for node in graph.topo()] == [384, 256, 128, 0, None]
    assert graph.arena_bytes == 384 + 832


def test_an_overlap_of_a_whole_result_saves_nothing() -> None:
    class Distant(Sliding):
        def overlap_bytes(self, node: Node, role: str) -> int | None:
            return 800

    graph, backend = chain(8, 8, 8), Distant(alias=False)
    plan(graph, backend)
    assert graph.arena_bytes == 2 * 832


@pytest.mark.parametrize(("stubborn", "distances"), [(False, [256]), (True, [])])
def test_a_value_that_is_read_in_two_roles(stubborn: bool, distances: list[int]) -> None:
    """The greater distance counts, and a role without one forbids the overlap."""
    body = Graph("rows")
    x, residual = (body.add_input(name, IMAGE) for name in "xr")
    weight = Constant("w", TensorType((1, 1, 8, 8)))
    body.set_outputs([body.add(Conv2d(), [x, weight, None, residual]).result])
    graph = chain(8)
    (value,) = (view.value for view in graph.outputs)
    graph.set_outputs([graph.add(Fused("rows", body), [value, value]).result])
    last = graph.add(Conv2d(), [graph.outputs[0].value, weight]).result
    graph.set_outputs([last])
    needs = needs_of(graph, Facts(Backend(overlap=100, stubborn=stubborn)))
    assert [overlap.distance for overlap in needs.overlaps] == distances
