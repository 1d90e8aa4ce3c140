"""Editing graphs through their methods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from mbc.diag import Location
from mbc.interp import run
from mbc.ir.activations import RELU, RELU6
from mbc.ir.graph import Constant, Graph
from mbc.ir.op import OpError
from mbc.ir.text import print_graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ir.views import ChannelMap, ChannelView, Place, Value
from mbc.ops.elementwise import Activate, Add
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d
from mbc.ops.move import Split
from tests.random_graphs import graphs

IMAGE = TensorType((1, 4, 4, 8))
HERE = Location("net.py", 3)


def diamond() -> Graph:
    """x -> relu -> (relu6, relu) -> add."""
    graph = Graph("g")
    top = graph.add(Activate(RELU), [graph.add_input("x", IMAGE)], locations=[HERE]).result
    left, right = graph.add(Activate(RELU6), [top]).result, graph.add(Activate(RELU), [top]).result
    graph.set_outputs([graph.add(Add(), [left, right]).result])
    return graph


def mnemonics(graph: Graph) -> list[str]:
    return [node.op.label for node in graph.topo()]


def test_a_node_infers_its_results() -> None:
    graph = Graph("g")
    node = graph.add(Split(sizes=(3, 5)), [graph.add_input("x", IMAGE)])
    assert [result.type.channels for result in node.results] == [3, 5]
    with pytest.raises(ValueError, match="unpack"):
        _ = node.result


def test_a_node_that_does_not_fit_is_not_added() -> None:
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    with pytest.raises(OpError):
        graph.add(Split(sizes=(3, 4)), [x])
    assert graph.topo() == []
    assert graph.use_count(x) == 0


def test_values_of_other_graphs_are_refused() -> None:
    graph = Graph("g")
    with pytest.raises(ValueError, match="%s does not belong to graph @g"):
        graph.add(Activate(RELU), [Value("s", IMAGE)])


def test_producers_and_users() -> None:
    graph = diamond()
    relu, relu6, other, add = graph.topo()
    (x,) = graph.inputs
    assert graph.producer(x) is None
    assert graph.producer(relu.result) is relu
    assert graph.users(relu.result) == [relu6, other]
    assert graph.users(add.result) == []
    assert graph.use_count(relu.result) == 2
    assert graph.single_user(relu.result) is None
    assert graph.single_user(relu6.result) is add
    assert graph.is_output(add.result)
    assert not graph.is_output(relu.result)


def test_a_value_read_twice_by_a_node_has_one_user_and_two_uses() -> None:
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    add = graph.add(Add(), [x, x])
    assert graph.users(x) == [add]
    assert graph.use_count(x) == 2
    assert graph.single_user(x) is None


def test_an_output_is_a_use() -> None:
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    node = graph.add(Activate(RELU), [x])
    graph.set_outputs([node.result, x])
    assert graph.use_count(x) == 2
    assert graph.single_user(x) is None
    assert graph.output_names == ("y0", "y1")


def test_output_names_stay_when_outputs_change() -> None:
    graph = diamond()
    assert graph.output_names == ("y",)
    graph.set_outputs(graph.outputs, ["probabilities"])
    graph.set_outputs([graph.inputs[0]])
    assert graph.output_names == ("probabilities",)


def test_replace_uses_reaches_views_and_outputs() -> None:
    graph = diamond()
    relu, _, _, add = graph.topo()
    (x,) = graph.inputs
    turned = ChannelView.of(x).through(ChannelMap.shuffle(2, 8))
    graph.replace_uses(relu.result, turned)
    assert [view for node in graph.users(x) for view in node.views][1:] == [turned, turned]
    assert graph.use_count(relu.result) == 0
    graph.replace_uses(add.result, x)
    assert graph.outputs == (ChannelView.of(x),)
    verify(graph)


def test_erase_refuses_what_is_used() -> None:
    graph = diamond()
    relu, *_, add = graph.topo()
    for node in (relu, add):
        with pytest.raises(ValueError, match="is used"):
            graph.erase(node)
    graph.set_outputs(graph.inputs)
    graph.erase(add)
    assert mnemonics(graph) == ["relu", "relu6", "relu"]
    verify(graph)


def test_replace_keeps_place_and_locations() -> None:
    graph = diamond()
    relu = graph.topo()[0]
    new = graph.replace(relu, Activate(RELU6), relu.operands)
    assert mnemonics(graph) == ["relu6", "relu6", "relu", "add"]
    assert new.locations == (HERE,)
    assert graph.replace(new, Activate(RELU), new.operands, locations=[]).locations == ()
    verify(graph)


def test_replace_needs_as_many_results() -> None:
    graph = Graph("g")
    view = ChannelView.of(graph.add_input("x", IMAGE))
    split = graph.add(Split(sizes=(4, 4)), [view])
    graph.set_outputs(split.results)
    with pytest.raises(ValueError, match="zip"):
        graph.replace(split, Activate(RELU), [view.slice(0, 4)])


def test_nodes_can_be_put_before_others() -> None:
    graph = diamond()
    relu6 = graph.topo()[1]
    graph.add(Activate(RELU6), graph.inputs, before=relu6)
    assert mnemonics(graph) == ["relu", "relu6", "relu6", "relu", "add"]
    assert graph.topo()[2] is relu6


def test_set_operands_moves_the_edges() -> None:
    graph = diamond()
    relu, relu6, other, _ = graph.topo()
    graph.set_operands(other, [ChannelView.of(relu6.result)])
    assert graph.users(relu.result) == [relu6]
    assert other in graph.users(relu6.result)
    verify(graph)


def test_order_follows_dependencies_before_program_order() -> None:
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    first, second = graph.add(Activate(RELU), [x]), graph.add(Activate(RELU6), [x])
    graph.set_operands(first, [ChannelView.of(second.result)])
    assert graph.topo() == [second, first]
    assert graph.is_acyclic()
    graph.set_operands(second, [ChannelView.of(first.result)])
    assert not graph.is_acyclic()


def weighted() -> tuple[Graph, Constant, Constant]:
    """A network with a constant of its own and one in a fused body."""
    inner = Constant.of("inner", np.ones((1, 1, 8, 8)))
    outer = Constant.of("outer", np.ones((1, 1, 8, 8)))
    body = Graph("body")
    body.set_outputs([body.add(Conv2d(), [body.add_input("x", IMAGE), inner]).result])
    graph = Graph("g", {"network": "net"})
    conv = graph.add(Conv2d(act=RELU), [graph.add_input("x", IMAGE), outer])
    graph.set_outputs([graph.add(Fused(kind="f", body=body), [conv.result]).result], ["out"])
    return graph, outer, inner


def test_constants_are_found_in_bodies_too() -> None:
    graph, outer, inner = weighted()
    assert graph.constants() == {"outer": outer, "inner": inner}


def test_constants_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Constant.of("w", np.ones(3)).array[0] = 1


def test_unbound_constants_have_no_array() -> None:
    with pytest.raises(ValueError, match="@w has no data"):
        _ = Constant("w", IMAGE).array


def test_a_clone_is_equal_and_apart() -> None:
    graph, outer, _ = weighted()
    graph.arena_bytes, graph.topo()[0].result.place = 1024, Place(64)
    copy = graph.clone()
    assert print_graph(copy) == print_graph(graph)
    assert copy.constants()["outer"] is outer
    before = print_graph(graph)
    node = copy.topo()[0]
    copy.replace(node, Conv2d(), node.operands)
    copy.meta["network"] = "other"
    copy.arena_bytes = 0
    assert print_graph(graph) == before


@given(graphs(max_nodes=5))
@settings(max_examples=40, deadline=None)
def test_clones_of_random_graphs(graph: Graph) -> None:
    copy = graph.clone()
    verify(copy)
    assert print_graph(copy) == print_graph(graph)
    inputs = {v.name: np.arange(v.type.elements).reshape(v.type.shape) % 5 for v in graph.inputs}
    expected, found = run(graph, inputs), run(copy, inputs)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
