"""Quantised networks as text: they come back, passes keep every bit, and backends refuse them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.driver.platforms import resolve
from mbc.interp import run
from mbc.ir.activations import RELU
from mbc.ir.elements import F16
from mbc.ir.graph import Constant, Graph
from mbc.ir.text import parse, print_graph
from mbc.ir.types import TensorType
from mbc.ir.verify import verify
from mbc.ops import BatchNorm, ChannelShuffle, Conv2d
from mbc.ops.elementwise import Activate
from mbc.passes.eliminate_concat import EliminateConcat
from mbc.passes.eliminate_split import EliminateSplit
from mbc.passes.fold_batch_norm import FoldBatchNorm
from mbc.passes.fold_constants import FoldConstants
from mbc.passes.fuse_activation import FuseActivation
from mbc.passes.fuse_depthwise_mean import FuseDepthwiseMean
from mbc.passes.fuse_residual_add import FuseResidualAdd
from mbc.passes.pipelines import LEVELS, O2_MEMORY
from mbc.passes.remap_channel_shuffle import RemapChannelShuffle
from mbc.passes.use_strassen import UseStrassen
from mbc.passmgr.instruments import CheckPasses, Verify
from mbc.passmgr.manager import PassRecord, run_pipeline
from mbc.passmgr.passes import Pass, PassContext, Pipeline
from mbc.passmgr.pipeline import single_stage
from mbc.targets.backend import Backend
from mbc.targets.gpu import find_gpu
from tests.fake_backend import FakeBackend
from tests.quantised_graphs import bind, codes, random_graph

FOLDER = Path(__file__).resolve().parents[1] / "quantised"
NETWORKS = ("depthwise_separable", "shufflenet_v2_unit")
OPENCL = find_gpu("opencl")
assert OPENCL is not None
BACKENDS: dict[str, Backend] = {
    "x86_64": LlvmBackend(resolve("x86_64")),
    "arm64": LlvmBackend(resolve("arm64")),
    "opencl": GpuBackend(OPENCL.named(None)),
    "fake": FakeBackend(),
}


def network(name: str) -> Graph:
    text = (FOLDER / f"{name}.mbc").read_text()
    return bind(parse(text, f"{name}.mbc"))


def answers(graph: Graph) -> dict[str, np.ndarray]:
    return run(graph, {value.name: codes(1, value.type) for value in graph.inputs})


def after(
    graph: Graph, passes: tuple[Pass, ...] | Pipeline, backend: Backend
) -> tuple[Graph, list[PassRecord]]:
    """A copy after passes, each of which must leave every bit of every output."""
    copy = graph.clone()
    pipeline = passes if isinstance(passes, Pipeline) else single_stage(passes)
    records = run_pipeline(copy, pipeline, PassContext(backend), [Verify(), CheckPasses()])
    expected, found = answers(graph), answers(copy)
    for name, wanted in expected.items():
        np.testing.assert_array_equal(found[name], wanted)
        assert found[name].dtype == wanted.dtype
    return copy, records


def ops(graph: Graph) -> list[str]:
    return [node.op.label for node in graph.topo()]


def vectors(graph: Graph, layer: str, role: str) -> list[np.ndarray]:
    """The constants that passes have made of one."""
    names = [n for n in graph.constants() if n.startswith(f"{layer}.{role}")]
    return [graph.constants()[name].array for name in names]


BEHIND_CONCAT = """\
graph @g(%x: q8(0.5,3)[1,4,4,2], %y: q8(0.5,3)[1,4,4,6]) {
  const @dw.w : s8[3,3,1,8]
  const @dw.b : s32[8]
  const @dw.m : f32[8]
  %0 = concat(%x, %y) : q8(0.5,3)[1,4,4,8]
  %1 = channel_shuffle(%0) {groups=2} : q8(0.5,3)[1,4,4,8]
  %2 = conv2d(%1, @dw.w, @dw.b, @dw.m) {pad=(1,1,1,1), groups=8, to=q8(0.5,9)} : q8(0.5,9)[1,4,4,8]
  return %2
}
"""
FROM_PARTS = [0, 2, 4, 6, 1, 3, 5, 7]  # where the shuffle has put the channels of the parts


@pytest.mark.parametrize("name", NETWORKS)
def test_the_text_comes_back(name: str) -> None:
    graph = network(name)
    verify(graph)
    assert print_graph(graph) == (FOLDER / f"{name}.mbc").read_text()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_answers_use_many_codes(name: str) -> None:
    """Else passes could hardly go wrong."""
    (answer,) = answers(network(name)).values()
    assert len(np.unique(answer)) > min(answer.size // 2, 50)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_shuffle_goes_into_bias_and_multiplier(backend: str) -> None:
    graph = network("depthwise_separable")
    (found, _) = after(graph, (RemapChannelShuffle(),), BACKENDS[backend])
    assert ops(found) == ["quantize", "conv2d", "conv2d", "global_avg_pool", "dense"]
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    for role in ("weight", "bias", "multiplier"):
        (old,), (new,) = vectors(graph, "dw", role), vectors(found, "dw", role)
        np.testing.assert_array_equal(new, old[..., order])
        assert new.dtype == old.dtype


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_concat_goes(backend: str) -> None:
    graph = network("shufflenet_v2_unit")
    found, _ = after(graph, (EliminateConcat(),), BACKENDS[backend])
    assert "concat" not in ops(found)
    assert ops(found).count("relu") == 2


def test_a_depthwise_convolution_is_split_with_its_constants() -> None:
    """Where kernels read one value each."""
    graph = bind(parse(BEHIND_CONCAT))
    found, _ = after(graph, (EliminateConcat(),), FakeBackend(views=False))
    assert ops(found) == ["conv2d", "conv2d", "channel_shuffle"]
    for role in ("w", "b", "m"):
        (old,), parts = vectors(graph, "dw", role), vectors(found, "dw", role)
        assert [part.shape[-1] for part in parts] == [2, 6]
        assert all(part.dtype == old.dtype for part in parts)
        np.testing.assert_array_equal(np.concatenate(parts, axis=-1), old[..., FROM_PARTS])


@pytest.mark.parametrize("backend", BACKENDS)
def test_both_shuffles_and_concats_go(backend: str) -> None:
    graph = network("shufflenet_v2_unit")
    passes = (EliminateConcat(), EliminateSplit(), RemapChannelShuffle())
    found, _ = after(graph, passes, BACKENDS[backend])
    assert not {"channel_shuffle", "split"} & set(ops(found))
    assert ops(found).count("concat") <= 1  # relu reads half of the input only as it is stored


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_whole_pipelines_keep_every_bit(name: str, backend: str) -> None:
    for pipeline in (*LEVELS[:3], O2_MEMORY):
        found, _ = after(network(name), pipeline, BACKENDS[backend])
        assert found.arena_bytes is not None
        assert print_graph(parse(print_graph(found))) == print_graph(found)


@given(st.integers(0, 2**32), st.integers(3, 9), st.sampled_from(list(BACKENDS)))
@settings(max_examples=40, deadline=None)
def test_pipelines_keep_every_bit_of_random_networks(seed: int, nodes: int, backend: str) -> None:
    graph = random_graph(seed, nodes, wide=True)
    expected = answers(graph)
    for pipeline in (LEVELS[2], O2_MEMORY):
        copy = graph.clone()
        run_pipeline(copy, pipeline, PassContext(BACKENDS[backend]), [Verify()])
        for name, found in answers(copy).items():
            np.testing.assert_array_equal(found, expected[name])


def built(body: str) -> Graph:
    return bind(
        parse(
            "graph @g(%x: q8(0.5,3)[1,4,4,8]) {\n  const @w : s8[1,1,8,8]\n"
            f"  const @b : s32[8]\n  const @m : f32[8]\n{body}}}\n"
        )
    )


CONV = "  %0 = conv2d(%x, @w, @b, @m) {to=q8(0.5,3)} : q8(0.5,3)[1,4,4,8]\n"


def test_an_activation_becomes_a_clamp() -> None:
    graph = built(f"{CONV}  %1 = relu6(%0) : q8(0.5,3)[1,4,4,8]\n  return %1\n")
    found, _ = after(graph, (FuseActivation(),), FakeBackend())
    assert ops(found) == ["conv2d"]


def refusals(graph: Graph, step: Pass) -> list[str]:
    found, records = after(graph, (step,), FakeBackend())
    assert ops(found) == ops(graph)
    return [remark.message for record in records for remark in record.result.remarks]


def test_an_addition_is_not_fused() -> None:
    add = "  %1 = add(%0, %x) {to=q8(0.5,3)} : q8(0.5,3)[1,4,4,8]\n  return %1\n"
    message = "%0 is quantised: fused, one of two roundings would be left out"
    assert refusals(built(CONV + add), FuseResidualAdd()) == [f"not fused: %1: {message}"]


def test_integers_are_multiplied_directly() -> None:
    (remark,) = refusals(built(f"{CONV}  return %0\n"), UseStrassen())
    assert remark == "multiplied directly: %0: it multiplies q8(0.5,3)"


def test_a_batch_norm_behind_integers_stays() -> None:
    norm = "  const @n : f32[8]\n  %0 = conv2d(%x, @w, @b, @m) : f32[1,4,4,8]\n"
    norm += "  %1 = batch_norm(%0, @n, @n, @n, @n) : f32[1,4,4,8]\n  return %1\n"
    (remark,) = refusals(built(norm), FoldBatchNorm())
    assert remark == "not folded: %1 into %0, which multiplies q8(0.5,3)"


def test_rows_of_codes_are_not_averaged() -> None:
    body = "  const @d : s8[3,3,1,8]\n  %0 = conv2d(%x, @d, @b, @m) {pad=(1,1,1,1), groups=8, "
    body += "to=q8(0.5,3)} : q8(0.5,3)[1,4,4,8]\n"
    body += "  %1 = global_avg_pool(%0) {to=q8(0.5,3)} : q8(0.5,3)[1,8]\n  return %1\n"
    (remark,) = refusals(built(body), FuseDepthwiseMean())
    assert remark == "not fused: %0 gives q8(0.5,3)"


def test_passes_work_on_f16() -> None:
    """Results are rounded to f16 anyway, so that sums in another order may differ by a step."""
    type = TensorType((1, 4, 4, 8), F16)
    random, graph = np.random.default_rng(0), Graph("g")
    weights = [Constant.of(f"w{i}", random.normal(0, 0.5, (1, 1, 8, 8)), F16) for i in range(2)]
    norm = [Constant.of(f"n{i}", random.uniform(0.5, 1, 8), F16) for i in range(4)]
    y = graph.add(Conv2d(), [graph.add_input("x", type), weights[0]]).result
    y = graph.add(Activate(RELU), [graph.add(BatchNorm(), [y, *norm]).result]).result
    y = graph.add(ChannelShuffle(groups=2), [y]).result
    graph.set_outputs([graph.add(Conv2d(), [y, weights[1]]).result])
    expected = run(graph, {"x": np.ones(type.shape)})["y"]
    for backend in BACKENDS.values():
        found = graph.clone()
        check = CheckPasses()
        run_pipeline(found, LEVELS[2], PassContext(backend), [Verify(), check])
        assert {done.tolerance for done in check.checks} <= {2**-10, 2**-10 + 1e-4}
        assert "channel_shuffle" not in ops(found)
        assert "batch_norm" in print_graph(found)
        np.testing.assert_allclose(run(found, {"x": np.ones(type.shape)})["y"], expected, 2e-3)


def test_a_pool_that_changes_the_scale_is_no_copy() -> None:
    pool = "  %1 = avg_pool(%0) {kernel=(1,1), stride=(1,1), to=q8(0.25,3)} : q8(0.25,3)[1,4,4,8]\n"
    assert refusals(built(f"{CONV}{pool}  return %1\n"), FoldConstants()) == []
    same = pool.replace("0.25", "0.5")
    found, _ = after(built(f"{CONV}{same}  return %1\n"), (FoldConstants(),), FakeBackend())
    assert ops(found) == ["conv2d"]
