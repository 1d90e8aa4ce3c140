"""The verifier finds what a careless pass could leave behind."""

from __future__ import annotations

import numpy as np
import pytest

from mbc.diag import Location, MbcError
from mbc.ir.activations import RELU
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ir.views import ChannelMap, ChannelView, Place, Segment, Value
from mbc.ops.elementwise import Activate, Add
from mbc.ops.fused import Fused
from mbc.ops.linear import Conv2d

IMAGE = TensorType((1, 4, 4, 8))


def chain(nodes: int = 2) -> tuple[Graph, list[Node]]:
    """The graph x -> relu -> relu -> … and its nodes."""
    graph = Graph("g")
    value = graph.add_input("x", IMAGE)
    made: list[Node] = []
    for _ in range(nodes):
        made.append(graph.add(Activate(RELU), [value], locations=[Location("net.py", 7)]))
        value = made[-1].result
    graph.set_outputs([value])
    return graph, made


def problems(graph: Graph) -> list[str]:
    with pytest.raises(MbcError) as caught:
        verify(graph)
    return [f"{d.code}: {d.message}" for d in caught.value.diagnostics]


def test_a_sound_graph_passes() -> None:
    verify(chain()[0])


def test_a_value_of_another_graph() -> None:
    graph, (first, _) = chain()
    stranger = Value("s", IMAGE)
    first.operands = (ChannelView.of(stranger),)
    assert problems(graph) == ["E0310: %0 = relu: %s is not defined before this use in this graph"]


def test_the_place_is_the_users_line() -> None:
    graph, (first, _) = chain()
    first.operands = ()
    with pytest.raises(MbcError) as caught:
        verify(graph)
    assert caught.value.diagnostics[0].location == Location("net.py", 7)


def test_a_use_behind_the_back_of_the_graph() -> None:
    graph, (first, second) = chain()
    first.operands = (ChannelView.of(second.result),)
    assert problems(graph) == ["E0310: %0 = relu: %1 is not defined before this use in this graph"]


def test_a_cycle() -> None:
    graph, (first, second) = chain()
    graph.set_operands(first, [ChannelView.of(second.result)])
    assert problems(graph) == ["E0310: @g has a cycle: a value depends on itself"]


def test_a_type_that_is_not_what_the_op_gives() -> None:
    graph, (first, _) = chain()
    first.result.type = TensorType((1, 4, 4, 9))
    found = problems(graph)
    assert found[0] == "E0307: %0 = relu: has type f32[1,4,4,9], but the op gives f32[1,4,4,8]"


def test_operands_that_the_op_refuses() -> None:
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    add = graph.add(Add(), [x, x])
    graph.set_outputs([add.result])
    add.operands = (add.operands[0], ChannelView.of(x).slice(0, 4))
    (found,) = problems(graph)
    assert found.startswith("E0202: %0 = add: add needs equal shapes, or")


def test_roles_of_operands() -> None:
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    weight = Constant("w", TensorType((1, 1, 8, 8)))
    conv = graph.add(Conv2d(), [x, weight])
    graph.set_outputs([conv.result])
    plain = conv.operands[0]
    expected = {
        (plain,): ["operand 'weight' is missing"],
        (plain, None): ["operand 'weight' is missing"],
        (plain, plain): ["operand 'weight' must be a constant, found a value"],
        (plain, weight, None, weight): ["operand 'residual' must be a value, found constant @w"],
        (plain, weight, *[None] * 5): ["takes at most 6 operands, found 7"],
        (weight, plain): [
            "operand 'x' must be a value, found constant @w",
            "operand 'weight' must be a constant, found a value",
        ],
    }
    for operands, messages in expected.items():
        conv.operands = operands
        assert problems(graph) == [f"E0308: %0 = conv2d: {message}" for message in messages]


def test_views_that_are_none() -> None:
    graph, (first, _) = chain()
    x = graph.inputs[0]
    identity = ChannelMap.identity
    expected = {
        ChannelView(
            (Segment(x, 4, 8),), identity(8)
        ): "%x[4:12] does not lie within its 8 channels",
        ChannelView(
            (Segment(x, -1, 8),), identity(8)
        ): "%x[-1:7] does not lie within its 8 channels",
        ChannelView((Segment(x, 0, 0),), identity(8)): "%x[0:0] does not lie within its 8 channels",
        ChannelView((Segment(x, 0, 8),), ChannelMap((0, 8))): (
            "the order of a view must name channels below 8, found perm 0 8"
        ),
        ChannelView((Segment(x, 0, 8),), ChannelMap(())): (
            "the order of a view must name channels below 8, found perm "
        ),
        ChannelView((Segment(x, 0, 4), Segment(x, 4, 4)), identity(8)): (
            "a view is not in normal form; build it with ChannelView.of and its methods"
        ),
        ChannelView((Segment(x, 0, 8),), identity(4)): (
            "a view is not in normal form; build it with ChannelView.of and its methods"
        ),
    }
    for view, message in expected.items():
        first.operands = (view,)
        assert problems(graph)[0] == f"E0309: %0 = relu: {message}"


def test_a_view_of_different_shapes() -> None:
    graph, (first, _) = chain()
    other = graph.add_input("z", TensorType((1, 2, 2, 8)))
    first.operands = (ChannelView.concat([ChannelView.of(graph.inputs[0]), ChannelView.of(other)]),)
    assert problems(graph)[0].startswith("E0309: %0 = relu: a view joins values of different types")


def test_outputs() -> None:
    graph, _ = chain()
    graph.outputs = (ChannelView.of(Value("s", IMAGE)),)
    assert problems(graph) == [
        "E0310: return of @g: %s is not defined before this use in this graph"
    ]
    graph.outputs = ()
    assert problems(graph) == [
        "E0310: @g returns nothing",
        "E0310: @g has 0 outputs, 1 names for them",
    ]
    graph.set_outputs([graph.inputs[0]] * 2, ["y", "y"])
    assert problems(graph) == ["E0305: @g has two outputs named y"]


def test_two_inputs_of_one_name() -> None:
    graph, _ = chain()
    graph.add_input("x", IMAGE)
    assert problems(graph) == ["E0305: @g has two values %x"]


def test_two_constants_of_one_name_even_in_a_body() -> None:
    def conv(graph: Graph, value: Value) -> Value:
        weight = Constant.of("w", np.zeros((1, 1, 8, 8)))
        return graph.add(Conv2d(), [value, weight]).result

    body = Graph("body")
    body.set_outputs([conv(body, body.add_input("x", IMAGE))])
    graph = Graph("g")
    value = conv(graph, graph.add_input("x", IMAGE))
    graph.set_outputs([graph.add(Fused(kind="f", body=body), [value]).result])
    assert problems(graph) == ["E0311: two constants are named @w"]


def test_data_of_another_shape() -> None:
    graph = Graph("g")
    weight = Constant("w", TensorType((1, 1, 8, 8)), np.zeros((8, 8), np.float32))
    graph.set_outputs([graph.add(Conv2d(), [graph.add_input("x", IMAGE), weight]).result])
    assert problems(graph) == ["E0307: @w has type f32[1,1,8,8], its data float32[8, 8]"]


def test_data_of_another_element() -> None:
    graph = Graph("g")
    weight = Constant("w", TensorType((1, 1, 8, 8)), np.zeros((1, 1, 8, 8), np.int8))
    graph.set_outputs([graph.add(Conv2d(), [graph.add_input("x", IMAGE), weight]).result])
    assert problems(graph) == ["E0307: @w has type f32[1,1,8,8], its data int8[1, 1, 8, 8]"]


def test_bodies_are_verified() -> None:
    body, (first, _) = chain()
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    graph.set_outputs([graph.add(Fused(kind="f", body=body), [x]).result])
    verify(graph)
    first.operands = ()
    assert problems(graph) == ["E0308: %0 = relu: operand 'x' is missing"]


def test_operands_of_a_body() -> None:
    body, _ = chain()
    graph = Graph("g")
    x = graph.add_input("x", IMAGE)
    node = graph.add(Fused(kind="f", body=body), [x])
    graph.set_outputs([node.result])
    graph.set_operands(node, [ChannelView.of(x).slice(0, 4)])
    (found,) = problems(graph)
    assert found.startswith("E0201: %0 = fused: operands do not match the fused body (found f32[1,")


def test_the_arena() -> None:
    graph, (first, second) = chain()
    first.result.place, second.result.place = Place(0), Place(IMAGE.bytes)
    graph.arena_bytes = 2 * IMAGE.bytes
    verify(graph)
    graph.arena_bytes -= 1
    assert problems(graph) == ["E0313: %1: f32[1,4,4,8] at 512 lies outside an arena of 1023 bytes"]
    graph.arena_bytes, first.result.place = None, Place(-4)
    assert problems(graph) == ["E0313: %0: f32[1,4,4,8] at -4 lies outside any arena"]


def test_scratch_lies_in_the_arena() -> None:
    graph, (first, _) = chain()
    graph.arena_bytes, first.scratch = 128, 128
    verify(graph)
    graph.arena_bytes = 64
    assert problems(graph) == ["E0313: %0 = relu: its scratch at 128 lies outside the arena"]


def test_all_problems_come_at_once() -> None:
    graph, (first, second) = chain()
    first.operands = ()
    second.result.type = TensorType((8,))
    assert [found[:5] for found in problems(graph)] == ["E0308", "E0307"]
