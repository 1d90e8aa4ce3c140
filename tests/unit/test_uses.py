"""The order of nodes: those of the program, but for what depends on later ones."""

from random import Random

import pytest

from mbc.ir.activations import RELU
from mbc.ir.graph import Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Value
from mbc.ops.elementwise import Activate, Add


def shuffled(seed: int) -> tuple[Graph, list[Node]]:
    """A graph of additions, with a program in which operands are replaced at random by others."""
    random, graph = Random(seed), Graph("net")
    values = [graph.add_input("x", TensorType((1, 1, 1, 4)))]
    nodes: list[Node] = []
    for _ in range(12):
        before = random.choice([None, *nodes])
        nodes.append(graph.add(Add(), random.choices(values, k=2), before=before))
        values.append(nodes[-1].result)
    graph.set_outputs([values[-1]])
    return graph, nodes


def first_ready(graph: Graph, program: list[Node]) -> list[Node]:
    """Sort naively: always the first node of the program whose operands are all known."""
    known: set[Value] = set(graph.inputs)
    left, order = list(program), list[Node]()
    while left:
        node = next(n for n in left if all(known.issuperset(view.values) for view in n.views))
        left.remove(node)
        order.append(node)
        known.update(node.results)
    return order


@pytest.mark.parametrize("seed", range(20))
def test_the_first_of_the_program_that_can_come_next(seed: int) -> None:
    graph, _ = shuffled(seed)
    assert graph.topo() == first_ready(graph, graph._program)


def test_some_programs_are_out_of_order() -> None:
    graphs = [shuffled(seed)[0] for seed in range(20)]
    assert any(graph.topo() != graph._program for graph in graphs)


def test_uses_are_counted_by_operand() -> None:
    graph = Graph("net")
    x = graph.add_input("x", TensorType((1, 1, 1, 4)))
    node = graph.add(Add(), [x, x])
    assert (graph.use_count(x), graph.users(x), graph.producer(x)) == (2, [node], None)
    other = graph.add(Activate(RELU), [x])
    graph.set_operands(node, [ChannelView.of(x), ChannelView.of(other.result)])
    assert (graph.use_count(x), graph.users(x)) == (2, [node, other])
    assert graph.producer(other.result) is other
    graph.erase(node)
    assert (graph.use_count(x), graph.users(x)) == (1, [other])
    with pytest.raises(ValueError, match="does not belong to graph @net"):
        graph.add(Activate(RELU), [node.result])


def test_a_cycle_has_no_order() -> None:
    graph, nodes = shuffled(0)
    graph.set_operands(nodes[0], [ChannelView.of(nodes[-1].result)] * 2)
    graph.set_operands(nodes[-1], [ChannelView.of(nodes[0].result)] * 2)
    assert not graph.is_acyclic()
    with pytest.raises(ValueError, match="@net has a cycle"):
        graph.topo()
