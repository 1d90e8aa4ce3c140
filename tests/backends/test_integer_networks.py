"""Example networks on codes against the oracle, bit for bit, up to their logits.

Everyday runs try one network of each kind here, and one on another CPU; `make fuzz` all.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.lower import lower
from mbc.ir.graph import Graph
from mbc.ops import Dense, Fused, MaxPool
from mbc.passes.pipelines import GOALS, LEVELS, with_fuse_mode
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext, Pipeline
from mbc.targets.target import Target
from tests.backends.emulated import build, output_of
from tests.backends.test_integer_kernels import OTHERS, TARGETS, check_placed
from tests.everyday import part_of
from tests.example_networks import EXAMPLE_NETWORKS, LEADING, Example
from tests.quantised_networks import quantised

PIPELINES = {f"O{level}": LEVELS[level] for level in (0, 1, 2)} | {"memory": GOALS["memory"][2]}
BEST = next(iter(TARGETS))


def planned(example: Example, target: Target, pipeline: Pipeline) -> tuple[Graph, np.ndarray]:
    """The network up to its logits, after passes, and its logits."""
    network = quantised(example)
    graph = network.copy()
    (logits,) = [node.result for node in graph.topo() if isinstance(node.op, Dense)]
    graph.set_outputs([logits])
    run_pipeline(graph, pipeline, PassContext(LlvmBackend(target)), [])
    return graph, network.values[logits.name]


def _everyday(example: Example, isa: str, level: str) -> bool:
    levels = ("O2", "memory")
    if isa == "avxvnni":
        return example == LEADING[1] and level == "O2"
    return example in LEADING and isa == BEST and level == levels[LEADING.index(example) % 2]


@pytest.mark.parametrize(
    ("example", "isa", "level"),
    part_of(product(EXAMPLE_NETWORKS, TARGETS, PIPELINES), _everyday, "{}-{}-{}".format),
)
def test_logits_equal_the_oracle(example: Example, isa: str, level: str) -> None:
    graph, logits = planned(example, TARGETS[isa], PIPELINES[level])
    (name,) = graph.output_names
    inputs = quantised(example).inputs
    check_placed(graph, {name: logits}, TARGETS[isa], inputs)


def test_depthwise_separable_layers_are_fused() -> None:
    always = with_fuse_mode(LEVELS[2], "always")
    graph, _ = planned(LEADING[0], TARGETS[BEST], always)
    assert sum(isinstance(node.op, Fused) for node in graph.topo()) >= 3


def test_the_pool_behind_a_stem_is_streamed_with_it() -> None:
    graph, _ = planned(LEADING[2], TARGETS[BEST], PIPELINES["O2"])
    inner = [n for node in graph.topo() for body in node.op.bodies for n in body.topo()]
    assert any(isinstance(node.op, MaxPool) for node in inner)


@pytest.mark.parametrize(
    ("example", "name"),
    part_of(
        product(EXAMPLE_NETWORKS, OTHERS),
        lambda example, name: name == "dotprod" and str(example) == "shufflenet_v2-scale0.5",
        "{}-{}".format,
    ),
)
def test_other_machines_compute_the_same_logits(
    tmp_path: Path, example: Example, name: str
) -> None:
    machine = OTHERS[name]
    graph, logits = planned(example, machine.target, PIPELINES["O2"])
    net = lower(graph, machine.target)
    program = build([net], [net], tmp_path, machine)
    data = b"".join(array.tobytes() for array in quantised(example).inputs.values())
    np.testing.assert_array_equal(output_of(program, machine, data), logits.ravel())
