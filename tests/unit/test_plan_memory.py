"""Memory plans of random graphs, judged by a simulation that shares no code with the planner."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ir.views import ChannelView, Place, Value
from mbc.ops.elementwise import Add, Relu
from mbc.ops.linear import Conv2d
from mbc.passes.plan_memory import PlanMemory
from mbc.passmgr.passes import PassContext
from tests.fake_backend import FakeBackend

CHANNELS = (1, 3, 8, 17, 40)


def random_graph(seed: int, nodes: int) -> Graph:
    """Convolutions between random channel counts (some with a residual), adds and relus."""
    rng = random.Random(seed)
    graph = Graph("random")
    values = [graph.add_input("x", TensorType((1, 5, 5, 8)))]
    for number in range(nodes):
        x = rng.choice(values[-6:])
        alike = rng.choice([v for v in values if v.type == x.type])
        weight = Constant(f"w{number}", TensorType((1, 1, x.type.channels, rng.choice(CHANNELS))))
        square = Constant(f"v{number}", TensorType((1, 1, x.type.channels, x.type.channels)))
        choices: list[tuple[Op, list[Value | Constant | None]]] = [
            (Relu(), [x]),
            (Add(), [x, alike]),
            (Conv2d(), [x, weight]),
            (Conv2d(), [x, square, None, alike]),
        ]
        values.append(graph.add(*rng.choice(choices)).result)
    results = values[1:]
    graph.set_outputs(rng.sample(results, rng.randint(1, min(2, len(results)))))
    return graph


class Arena:
    """Memory whose bytes know to which value they belong."""

    def __init__(self, graph: Graph, backend: FakeBackend) -> None:
        self.graph, self.backend = graph, backend
        self.owner = np.full(graph.arena_bytes or 0, -1)
        self.numbers: dict[Value, int] = {}

    def run(self) -> None:
        """Run the graph; an assertion fails where a value is gone when it is needed."""
        for node in self.graph.topo():
            self.check_reads(node)
            for result in node.results:
                if result.offset is not None:
                    assert result.offset % 64 == 0
                    assert result.offset + result.type.bytes <= len(self.owner)
                    self.numbers[result] = len(self.numbers)
                    self.bytes_of(result)[:] = self.numbers[result]
        for view in self.graph.outputs:
            self.check_intact(view)

    def check_reads(self, node: Node) -> None:
        for slot, operand in enumerate(node.operands):
            if not isinstance(operand, ChannelView):
                continue
            self.check_intact(operand)
            if self.overlap(operand.value, node.result):
                # Written while it is read: only element by element, and by this operand alone.
                assert operand.value.offset == node.result.offset
                assert self.backend.may_alias(node, slot)
                assert sum(operand.value in view.values for view in node.views) == 1

    def check_intact(self, view: ChannelView) -> None:
        if view.value.offset is not None:
            assert np.all(self.bytes_of(view.value) == self.numbers[view.value])

    def bytes_of(self, value: Value) -> np.ndarray:
        assert value.offset is not None
        return self.owner[value.offset : value.offset + value.type.bytes]

    @staticmethod
    def overlap(a: Value, b: Value) -> bool:
        if a.offset is None or b.offset is None:
            return False
        return a.offset < b.offset + b.type.bytes and b.offset < a.offset + a.type.bytes


def plan(graph: Graph, backend: FakeBackend) -> str:
    result = PlanMemory().run(graph, PassContext(backend))
    (remark,) = result.remarks
    return remark.message


@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 30), alias=st.booleans())
def test_nothing_is_overwritten_while_it_is_needed(seed: int, nodes: int, alias: bool) -> None:
    graph, backend = random_graph(seed, nodes), FakeBackend(alias=alias)
    plan(graph, backend)
    verify(graph)
    Arena(graph, backend).run()
    callers = {*graph.inputs, *(view.value for view in graph.outputs)}
    for value in (result for node in graph.topo() for result in node.results):
        assert (value.offset is None) == (value in callers)


@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 30))
def test_planning_again_changes_nothing(seed: int, nodes: int) -> None:
    graph, context = random_graph(seed, nodes), PassContext(FakeBackend())
    PlanMemory().run(graph, context)
    assert not PlanMemory().run(graph, context).changed


def test_the_judge_notices_a_bad_plan() -> None:
    graph = random_graph(3, 12)
    plan(graph, FakeBackend(alias=False))
    for value in (result for node in graph.topo() for result in node.results):
        value.place = None if value.place is None else Place(0)
    with pytest.raises(AssertionError):
        Arena(graph, FakeBackend(alias=False)).run()


def test_plans_are_close_to_the_lower_bound() -> None:
    ratios = []
    for seed in range(60):
        message = plan(random_graph(seed, 30), FakeBackend())
        ratios.append(float(message.split(", ")[1].split(" times")[0]))
    assert np.mean(ratios) < 1.02
    assert max(ratios) < 1.15


def test_sizes_are_those_of_the_backend() -> None:
    class Padded(FakeBackend):
        def buffer_bytes(self, type: TensorType) -> int:
            return 1000

    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 5, 5, 8)))
    weight = Constant("w", TensorType((1, 1, 8, 8)))
    for _ in range(3):
        x = graph.add(Conv2d(), [x, weight]).result
    graph.set_outputs([x])
    plan(graph, Padded())
    assert graph.arena_bytes == 2 * 1024


def test_a_result_that_is_larger_does_not_go_over_its_operand() -> None:
    class Lax(FakeBackend):
        def may_alias(self, node: Node, slot: int) -> bool:
            return True

    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 5, 5, 8)))
    for number, (inputs, outputs) in enumerate([(8, 8), (8, 40), (40, 3), (3, 3)]):
        weight = Constant(f"w{number}", TensorType((1, 1, inputs, outputs)))
        x = graph.add(Conv2d(), [x, weight]).result
    graph.set_outputs([x])
    plan(graph, Lax())
    Arena(graph, Lax()).run()
    first, second, third, _ = (node.result for node in graph.topo())
    assert not Arena.overlap(first, second)
    assert third.offset == second.offset
