"""Slopes that are part of a layer: who takes them, and who refuses."""

from __future__ import annotations

import numpy as np
import pytest

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.backends.tvm.gpu.planner import plan_launches
from mbc.diag import MbcError
from mbc.driver.platforms import resolve
from mbc.frontends.weights import initialise
from mbc.interp import run
from mbc.ir.graph import Graph, Node
from mbc.ir.literals import weights_of
from mbc.ir.text.parser import parse
from mbc.ir.types import TensorType
from mbc.passes.fuse_activation import FuseActivation
from mbc.passes.pipelines import O2, PLAN
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext, Pipeline
from mbc.passmgr.pipeline import single_stage
from mbc.schedules import Strassen
from mbc.targets.gpu import Gpu

CPU, GPU = LlvmBackend(resolve("arm64")), GpuBackend(Gpu("opencl"))

SLOPED = """
graph @sloped(%x: f32[1,8,8,16]) {
  const @w : f32[1,1,16,32]
  const @s : f32[32]
  %0 = conv2d(%x, @w) {slope=@s} : f32[1,8,8,32]
  return %0
}
"""
APART = SLOPED.replace("{slope=@s}", "").replace(
    "  return %0", "  %1 = prelu(%0, @s) : f32[1,8,8,32]\n  return %1"
)
SCALED = """
graph @scaled(%x: f32[1,8,8,16], %g: f32[1,16]) {
  const @w : f32[1,1,16,32]
  const @s : f32[32]
  %0 = fused scaled(%x = %x, %g = %g) {
    %0 = mul(%x, %g) : f32[1,8,8,16]
    %1 = conv2d(%0, @w) {slope=@s} : f32[1,8,8,32]
    return %1
  } : f32[1,8,8,32]
  return %0
}
"""
BLOCK = """
graph @block(%x: f32[1,8,8,16]) {
  const @d : f32[3,3,1,16]
  const @w : f32[1,1,16,32]
  const @s : f32[32]
  %0 = fused block(%x = %x) {
    %0 = conv2d(%x, @d) {groups=16, pad=(1,1,1,1)} : f32[1,8,8,16]
    %1 = conv2d(%0, @w) {slope=@s} : f32[1,8,8,32]
    return %1
  } : f32[1,8,8,32]
  return %0
}
"""


def node_of(text: str) -> Node:
    """The only node of a text."""
    (node,) = parse(text).topo()
    return node


def planned(graph: Graph, backend: GpuBackend) -> Graph:
    """With a place for each value."""
    run_pipeline(graph, Pipeline((PLAN,)), PassContext(backend))
    return graph


def test_gpus_refuse_slopes() -> None:
    assert GPU.supports(node_of(SLOPED)).reason == "no kernel multiplies by slopes"
    graph = planned(parse(SLOPED), GPU)
    with pytest.raises(MbcError, match=r"no kernel for conv2d: no kernel multiplies by slopes"):
        plan_launches(graph, Gpu("opencl"))


def test_gpus_refuse_slopes_in_bodies() -> None:
    assert GPU.supports(node_of(BLOCK.replace(" {slope=@s}", "").replace("const @s", "//")))
    assert GPU.supports(node_of(BLOCK)).reason == "no kernel multiplies by slopes"


@pytest.mark.parametrize(("backend", "fused"), [(CPU, True), (GPU, False)])
def test_slopes_are_fused_where_there_are_kernels(
    backend: LlvmBackend | GpuBackend, fused: bool
) -> None:
    graph = parse(APART)
    run_pipeline(graph, single_stage([FuseActivation()]), PassContext(backend))
    assert [node.op.label for node in graph.topo()] == ["conv2d", *([] if fused else ["prelu"])]


def test_multiplied_weights_have_no_slopes() -> None:
    assert CPU.supports(node_of(SCALED.replace(" {slope=@s}", "").replace("const @s", "//")))
    support = CPU.supports(node_of(SCALED))
    assert support.reason == "multiplied weights have no slopes beside them"


def test_slopes_are_multiplied_directly() -> None:
    assert Strassen() in CPU.candidates(node_of(SLOPED.replace(" {slope=@s}", "")))
    assert Strassen() not in CPU.candidates(node_of(SLOPED))


def test_quantised_layers_have_no_slopes() -> None:
    text = """
    graph @codes(%x: q8(0.1,0)[1,4]) {
      const @w : s8[4,8]
      const @m : f32[8]
      const @s : f32[8]
      %0 = dense(%x, @w) {multiplier=@m, slope=@s} : f32[1,8]
      return %0
    }
    """
    with pytest.raises(MbcError, match="dense of quantised operands has no slope"):
        parse(text)


def test_slopes_are_drawn_as_those_of_a_prelu() -> None:
    graph = parse(SLOPED)
    initialise(graph)
    slopes = weights_of(graph)["s"].array
    assert slopes.shape == (32,)
    assert (np.abs(slopes) < 1).all()
    assert TensorType((1, 8, 8, 32)) == graph.outputs[0].type


def test_a_network_computes_the_same_with_slopes_in_its_layers() -> None:
    graph = parse(APART)
    initialise(graph)
    x = {"x": np.random.default_rng(1).standard_normal((1, 8, 8, 16), np.float32)}
    (before,) = run(graph, x).values()
    run_pipeline(graph, O2, PassContext(CPU))
    (after,) = run(graph, x).values()
    np.testing.assert_array_equal(before, after)
