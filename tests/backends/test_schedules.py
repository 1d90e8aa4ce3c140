"""Every schedule that a backend offers gives the oracle's answer, by code of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.lower import lower
from mbc.diag import MbcError
from mbc.ir.graph import Graph, Node
from mbc.ir.schedule import Schedule
from mbc.ir.text import parse, print_graph
from mbc.ops import Conv2d, Dense, Fused, MaxPool
from mbc.schedules import ChannelBlocks, Panels, Strassen, Turns
from tests.backends.chain_cases import chain
from tests.backends.kernel_check import Net, close, compare, host_target, place_without_overlap
from tests.schedules import scheduled


def pointwise() -> Graph:
    net = Net()
    x = net.input(1, 6, 5, 32)
    return net.outputs(net.graph.add(Conv2d(), [x, net.constant(1, 1, 32, 96)]).result)


def grouped() -> Graph:
    net = Net()
    x = net.input(1, 6, 5, 32)
    return net.outputs(net.graph.add(Conv2d(groups=2), [x, net.constant(1, 1, 16, 120)]).result)


def dense() -> Graph:
    net = Net()
    return net.outputs(net.graph.add(Dense(), [net.input(2, 40), net.constant(40, 100)]).result)


def patches() -> Graph:
    net = Net()
    x = net.input(2, 8, 9, 5)
    op = Conv2d(pad=(1, 1, 1, 1))
    return net.outputs(net.graph.add(op, [x, net.constant(3, 3, 5, 24)]).result)


def depthwise() -> Graph:
    net = Net()
    x = net.input(2, 6, 50, 512)
    op = Conv2d(groups=512, pad=(1, 1, 1, 1))
    return net.outputs(net.graph.add(op, [x, net.constant(3, 3, 1, 512)]).result)


def pool() -> Graph:
    net = Net()
    x = net.input(1, 7, 40, 256)
    return net.outputs(net.graph.add(MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), [x]).result)


def streamed() -> Graph:
    ((_, build), *_) = chain(8, 8, 16, (("pw", 32, 1), ("dw", 32, 1)))
    return build()


BUILDS: dict[Callable[[], Graph], set[type[Schedule]]] = {
    pointwise: {Panels, Strassen},
    grouped: {Panels},
    dense: {Panels},
    patches: {Turns},
    depthwise: {ChannelBlocks},
    pool: {ChannelBlocks},
    streamed: {Turns},
}


def code(build: Callable[[], Graph], schedule: Schedule | None) -> str:
    graph = scheduled(build(), schedule)
    place_without_overlap(graph, host_target())
    return lower(graph, host_target()).ir


def found(build: Callable[[], Graph]) -> list[Schedule]:
    (node,) = build().topo()
    return list(LlvmBackend(host_target()).candidates(node))


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_each_candidate_is_right_and_has_code_of_its_own(build: Callable[[], Graph]) -> None:
    schedules = found(build)
    assert {type(schedule) for schedule in schedules} == BUILDS[build]
    for schedule in schedules:
        compare(scheduled(build(), schedule), close)
    texts = [code(build, schedule) for schedule in schedules]
    assert len({*texts}) == len(texts) > 1
    assert texts[0] == code(build, None), "the first one is taken where the node carries none"


def test_panels_may_be_any_that_hold_all_columns() -> None:
    (first, *_) = (each for each in found(pointwise) if isinstance(each, Panels))
    vectors = sum(first.each)
    schedule = Panels.of([1, *[2] * ((vectors - 2) // 2), 1])
    assert schedule not in found(pointwise)
    compare(scheduled(pointwise(), schedule), close)
    assert schedule.each == (1, *[2] * ((vectors - 2) // 2), 1)


@pytest.mark.parametrize(
    ("build", "schedule", "reason"),
    [
        (pointwise, Panels((1,), (1,)), "its panels have 1 vectors, a group has"),
        (pointwise, Panels((0, 96), (1, 1)), "panels have 1 to 8 vectors each"),
        (pointwise, Panels((1, 2), (1,)), "panels have as many counts as widths"),
        (pointwise, Panels((1,), (2**30,)), "its panels have 1073741824 vectors"),
        (pointwise, Panels((1, 2), (-1, 5)), "panels have 1 to 8 vectors each"),
        (pointwise, Panels((), ()), "its panels have 0 vectors, a group has"),
        (pointwise, Turns(2), r"conv2d cannot be computed as turns\{rows=2\}"),
        (grouped, Strassen(), "conv2d cannot be computed as strassen"),
        (patches, Turns(3), "conv2d cannot be computed as turns"),
        (depthwise, ChannelBlocks(3), "conv2d cannot be computed as blocks"),
        (streamed, Strassen(), "fused cannot be computed as strassen"),
    ],
)
def test_others_are_refused(build: Callable[[], Graph], schedule: Schedule, reason: str) -> None:
    with pytest.raises(MbcError, match=f"E0516: {reason}"):
        lower(scheduled(build(), schedule), host_target())


def test_ops_within_fused_ones_have_none() -> None:
    graph = streamed()
    (node,) = graph.topo()
    assert isinstance(node.op, Fused)
    node.op.body.topo()[0].schedule = Strassen()
    with pytest.raises(MbcError, match="E0516: ops of a fused body have no schedules"):
        lower(graph, host_target())


def test_the_prediction_and_the_scratch_follow_the_schedule() -> None:
    backend = LlvmBackend(host_target())

    def with_each(build: Callable[[], Graph]) -> list[Node]:
        (node,) = build().topo()
        return [replace(node, schedule=schedule) for schedule in backend.candidates(node)]

    scratch = {backend.scratch_bytes(node) for node in with_each(streamed)}
    assert len(scratch) == len(found(streamed))
    assert len({backend.predict(node).cycles for node in with_each(streamed)}) > 1
    direct, *_, halved = with_each(pointwise)
    assert backend.predict(direct) != backend.predict(halved)


def test_text_keeps_a_schedule() -> None:
    for build in BUILDS:
        for schedule in found(build):
            text = print_graph(scheduled(build(), schedule))
            (node,) = parse(text).topo()
            assert node.schedule == schedule
            assert print_graph(parse(text)) == text


def test_a_fused_body_without_a_kernel_has_no_schedules() -> None:
    text = """
graph @g(%x: f32[1,4,4,8]) {
  %y = fused rows(%x = %x) {
    %m = global_avg_pool(%x) : f32[1,8]
    return %m
  } : f32[1,8]
  return %y
}
"""
    (node,) = parse(text).topo()
    assert LlvmBackend(host_target()).candidates(node) == ()
