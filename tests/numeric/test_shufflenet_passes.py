"""ShuffleNetV1 loses its shuffles on real targets, and every pass keeps its answer."""

from pathlib import Path

import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.driver.platforms import resolve
from mbc.frontends.dsl import load_network
from mbc.frontends.weights import initialise
from mbc.ir.graph import Graph
from mbc.ops.fused import Fused
from mbc.passes.pipelines import O2
from mbc.passmgr.instruments import CheckPasses, Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.passmgr.pipeline import stop_after

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "shufflenet_v1.py"


def shufflenet(groups: int, resolution: int) -> Graph:
    parameters = {"groups": str(groups), "resolution": str(resolution)}
    return load_network(EXAMPLE, None).trace(parameters, 1)


def context(target: str) -> PassContext:
    return PassContext(LlvmBackend(resolve(target)))


@pytest.mark.parametrize("target", ["arm64", "x86_64"])
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_after_fuse_no_shuffle_is_left(groups: int, target: str) -> None:
    graph = shufflenet(groups, 224)
    run_pipeline(graph, stop_after(O2, "fuse"), context(target), [Verify()])
    left = {node.op.label for node in graph.topo()}
    assert not left & {"channel_shuffle", "reshape", "transpose", "batch_norm", "add", "relu"}
    fused = [node.op.body.topo() for node in graph.topo() if isinstance(node.op, Fused)]
    assert fused
    nodes = [*graph.topo(), *(node for body in fused for node in body)]
    assert not any(node.op.moves_data_only for node in nodes)


@pytest.mark.parametrize("groups", [1, 3, 8])
def test_every_pass_keeps_the_answer(groups: int) -> None:
    graph, checker = shufflenet(groups, 64), CheckPasses()
    initialise(graph, 0)
    run_pipeline(graph, O2, context("arm64"), [checker])
    changed = {check.name for check in checker.checks}
    assert {"fold-batch-norm", "fuse-activation", "fuse-residual-add"} <= changed
    assert ("remap-channel-shuffle" in changed) == (groups > 1)
