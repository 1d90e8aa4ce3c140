"""What is compiled of MobileNets and ShuffleNets computes; nothing in it only moves data."""

from collections.abc import Iterator
from itertools import product

import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.driver.platforms import resolve
from mbc.ir.graph import Graph, Node
from mbc.ops.cost import bytes_moved_by_data_movement
from mbc.ops.fused import Fused
from mbc.passes.pipelines import GOALS, O2, Goal
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import PassRecord, run_pipeline
from mbc.passmgr.passes import PassContext, Pipeline
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, Example

COMPUTING = ["conv2d", "fused", "max_pool", "avg_pool", "global_avg_pool", "dense", "softmax"]
STREAMED = ["conv2d", "max_pool", "avg_pool"]
MOVING = ("eliminate-concat", "eliminate-split", "remap-channel-shuffle", "materialize-views")


def compiled(
    example: Example, target: str, pipeline: Pipeline = O2, **parameters: str
) -> tuple[Graph, list[PassRecord]]:
    graph = example.graph(**parameters)
    context = PassContext(LlvmBackend(resolve(target)))
    return graph, run_pipeline(graph, pipeline, context, [Verify()])


def bodies(graph: Graph) -> Iterator[Node]:
    for node in graph.topo():
        if isinstance(node.op, Fused):
            yield from node.op.body.topo()


TARGETS = ("native", "arm64")
"""Everyday runs compile each network for one of them, in turn."""


@pytest.mark.parametrize(
    ("example", "target"),
    part_of(
        product(EXAMPLE_NETWORKS, TARGETS),
        lambda example, target: EXAMPLE_NETWORKS.index(example) % 2 == TARGETS.index(target),
        lambda example, target: f"{example}-{target}",
    ),
)
def test_after_plan_every_node_computes(example: Example, target: str) -> None:
    graph, records = compiled(example, target)
    assert {node.op.label for node in graph.topo()} <= {*COMPUTING}
    assert {node.op.label for node in bodies(graph)} <= {*STREAMED}
    assert bytes_moved_by_data_movement(graph) == 0
    remarks = [m for r in records if r.step.name in MOVING for m in r.result.remarks]
    assert not [remark for remark in remarks if "a copy of" in remark.message]


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("example", EXAMPLE_NETWORKS[2::8], ids=str)
def test_for_either_goal_and_on_a_32_bit_machine(example: Example, goal: Goal) -> None:
    graph, _ = compiled(example, "armv7", GOALS[goal][2], resolution="64")
    assert bytes_moved_by_data_movement(graph) == 0


def test_as_written_the_networks_move_megabytes() -> None:
    """So that the zero above says something."""
    moved = {str(e): bytes_moved_by_data_movement(e.graph()) for e in EXAMPLE_NETWORKS}
    assert {name for name, size in moved.items() if size == 0} == {"mobilenet_v1", "mobilenet_v2"}
    assert all(size > 1e6 for name, size in moved.items() if "shuffle" in name)


def test_shufflenet_v2_never_touches_what_a_unit_keeps() -> None:
    """A unit computes half of its channels. The other half is read where it was made, by whoever
    reads it next: through views of as many values as there were units."""
    example = Example("shufflenet_v2", (("scale", "1.0"),))
    graph, _ = compiled(example, "arm64", resolution="64")
    stage3 = [view for node in graph.topo() for view in node.views if len(view.values) == 9]
    assert [len(view.order) for view in stage3] == [232, 232], "two readers in the next stage"
    assert all(view.order.is_identity for node in graph.topo() for view in node.views)
