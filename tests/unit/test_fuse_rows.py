"""What fuse-rows chooses. Whether its result is right, golden files and tests/numeric say."""

from dataclasses import dataclass

from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.types import TensorType
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d
from mbc.passes.fuse_rows import FuseRows
from mbc.passes.pipelines import FuseMode
from mbc.passes.plan_memory import PlanMemory
from mbc.passes.row_streaming import descend
from mbc.passmgr.passes import PassContext, PassResult
from mbc.targets.backend import Prediction, Support
from tests.fake_backend import FakeBackend


class Kernels(FakeBackend):
    """Fused bodies of at most `longest` ops; time grows with the square of their number."""

    longest = 8

    def supports(self, node: Node) -> Support:
        return Support(len(ops(node)) <= self.longest, "too long")

    def predict(self, node: Node) -> Prediction:
        return Prediction(1000.0 * len(ops(node)) ** 2)


class Single(Kernels):
    longest = 1


class Pairs(Kernels):
    longest = 2


def ops(node: Node) -> list[Node]:
    return node.op.body.topo() if isinstance(node.op, Fused) else [node]


def chain(*channels: int) -> Graph:
    """Convolutions from 8 channels to each of these in turn."""
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 8, 8, 8)))
    for number, outputs in enumerate(channels):
        weight = Constant(f"w{number}", TensorType((1, 1, x.type.channels, outputs)))
        x = graph.add(Conv2d(), [x, weight]).result
    graph.set_outputs([x])
    return graph


def run(graph: Graph, backend: FakeBackend, mode: FuseMode = "always") -> list[str]:
    found = FuseRows(mode).run(graph, PassContext(backend))
    assert found.changed == any(message.startswith("fused") for message in messages(found))
    return messages(found)


def messages(result: PassResult) -> list[str]:
    return [remark.message for remark in result.remarks]


def lengths(graph: Graph) -> list[int]:
    """How many ops each fused node has, 0 for nodes that are not fused."""
    return [len(ops(node)) if isinstance(node.op, Fused) else 0 for node in graph.topo()]


def test_one_op_alone_is_streamed_for_the_sake_of_its_overlap() -> None:
    graph = chain(32, 32, 8)
    messages = run(graph, Single(overlap=1000))
    assert lengths(graph) == [0, 1, 0]
    assert messages == [
        "fused: %1: arena from 16384 to 9216 bytes, predicted time of the network +0.0 %"
    ]


def test_without_an_overlap_it_is_not() -> None:
    graph = chain(32, 32, 8)
    assert run(graph, Single()) == ["not fused: nothing lowers the 16384 bytes of arena"]
    assert lengths(graph) == [0, 0, 0]


@dataclass(frozen=True)
class Walled(Kernels):
    """Streams one node never."""

    wall: Node | None = None

    def supports(self, node: Node) -> Support:
        assert self.wall is not None
        if not isinstance(node.op, Fused):
            return Support(True)
        inside = any(step["weight"] is self.wall["weight"] for step in ops(node))
        return Support(not inside and len(ops(node)) <= self.longest)


def test_of_equal_peaks_the_cheapest_is_taken() -> None:
    """Behind the first peak there is another, so the first need not be cut down to nothing."""
    graph = chain(8, 96, 8, 40, 40, 8)
    run(graph, Walled(wall=graph.topo()[4]))
    assert lengths(graph) == [0, 2, 0, 0, 0]


def test_what_in_the_end_saves_nothing_is_not_done() -> None:
    """The first peak can be lowered, the second one, as high, cannot."""
    graph = chain(8, 64, 64, 8, 64, 64, 8)
    backend = Walled(wall=graph.topo()[5])
    states = list(descend(graph, backend))
    assert len(states) > 1
    assert len({state.bytes for state in states}) == 1
    assert run(graph, backend) == [f"not fused: nothing lowers the {2 * 64 * 256} bytes of arena"]
    assert lengths(graph) == [0] * 7


def test_scratch_counts() -> None:
    """A chain whose rings need more than the values between its ops is no gain."""
    for scratch, expected in ((1000, [0, 2, 0]), (20000, [0, 0, 0, 0])):
        graph = chain(8, 64, 8, 8)
        run(graph, Pairs(scratch=scratch))
        assert lengths(graph) == expected


def test_the_arena_is_what_the_remarks_say() -> None:
    graph, backend = chain(8, 64, 8, 8, 40, 8), Pairs(scratch=100)
    (*_, last) = run(graph, backend)
    PlanMemory().run(graph, PassContext(backend))
    assert f"to {graph.arena_bytes} bytes" in last


class Cheap(Pairs):
    """Time grows with the number of ops, whoever computes them."""

    def predict(self, node: Node) -> Prediction:
        return Prediction(1000.0 * len(ops(node)))


def test_what_costs_time_can_be_left_out() -> None:
    graph = chain(8, 64, 8, 8)
    assert run(graph, Pairs(), "auto") == [
        "not fused: nothing lowers the 18432 bytes of arena at no cost in time"
    ]
    assert lengths(graph) == [0, 0, 0, 0]
    assert run(graph, Cheap(), "auto") == [
        "fused: %1, %2: arena from 18432 to 4096 bytes, predicted time of the network +0.0 %"
    ]
    assert lengths(graph) == [0, 2, 0]


def test_of_several_chains_those_that_cost_nothing_are_taken() -> None:
    """A pair is free, a chain of one costs half its time."""

    class Half(Cheap):
        def predict(self, node: Node) -> Prediction:
            alone = isinstance(node.op, Fused) and len(ops(node)) == 1
            return Prediction(1500.0 if alone else super().predict(node).cycles)

    graph = chain(32, 32, 8)
    assert lengths(graph) == [0, 0, 0]
    run(graph, Half(overlap=1000), "auto")
    assert 1 not in lengths(graph)


def test_what_two_threads_would_compute_twice_is_not_free() -> None:
    """A pair has no cost for one thread."""

    class Overlapping(Cheap):
        again = 0.05

        def predict(self, node: Node) -> Prediction:
            cycles = super().predict(node).cycles
            return Prediction(cycles, again=self.again * cycles if len(ops(node)) > 1 else 0.0)

    class More(Overlapping):
        again = 0.06

    graph = chain(8, 64, 8, 8)
    run(graph, More(), "auto")
    assert lengths(graph) == [0, 0, 0, 0]
    run(graph, Overlapping(), "auto")
    assert lengths(graph) == [0, 2, 0]
    graph = chain(8, 64, 8, 8)
    run(graph, More(), "always")
    assert lengths(graph) == [0, 2, 0]


def test_it_can_be_switched_off() -> None:
    graph = chain(8, 64, 8, 8)
    assert run(graph, Cheap(), "never") == []
    assert lengths(graph) == [0, 0, 0, 0]
