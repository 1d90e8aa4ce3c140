"""Every golden case once more, with numbers: the oracle gives the same answer before and after.

Weights and inputs are small integers, so that sums are exact in any order: what passes only move
or regroup must come out bit for bit. Only those that fold into weights round.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from mbc.interp.run import run
from mbc.ir.graph import Constant, Graph
from mbc.ir.literals import weights_of
from mbc.ir.text.parser import parse
from mbc.passes.fold_affine import FoldAffine
from mbc.passes.fold_batch_norm import FoldBatchNorm
from mbc.passes.fold_constants import FoldConstants
from mbc.passes.pipelines import LEVELS
from mbc.passes.remap_channel_shuffle import RemapChannelShuffle
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext, Pipeline
from tests.fake_backend import FakeBackend
from tests.golden_cases import Case, cases
from tests.random_graphs import graphs

ROUNDING = {"fold-batch-norm": 1e-5, "fold-affine": 1e-5}  # of the largest output; others: none
CONTEXT = PassContext(FakeBackend())


def bind(graph: Graph, seed: int = 0) -> None:
    """Give every constant small integers; variances 1 or 4, of which the roots are exact."""
    rng = np.random.default_rng(seed)
    variances = {
        operand
        for node in graph.topo()
        for spec, operand in zip(node.op.operands, node.operands, strict=False)
        if spec.name == "variance"
    }
    for constant in weights_of(graph).values():
        choices = (1, 4) if constant in variances else range(-3, 4)
        data = rng.choice(choices, constant.type.shape)
        constant.data = Constant.of(constant.name, data, constant.type.element).data


def answer(graph: Graph, seed: int = 1, dtype: DTypeLike = np.float32) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = {v.name: rng.integers(-3, 4, v.type.shape).astype("f4") for v in graph.inputs}
    return run(graph, inputs, dtype=dtype)


def relative_error(before: np.ndarray, after: np.ndarray) -> float:
    return float(np.max(np.abs(before - after)) / np.max(np.abs(before)))


EXACT = [case for case in cases() if not case.is_error and not case.ranges]
"""All but `quantise`, which has a test of its own (test_quantise.py)."""


@pytest.mark.parametrize("case", EXACT, ids=str)
def test_passes_keep_the_answer(case: Case) -> None:
    graph = case.graph()
    bind(graph)
    before = answer(graph)
    records = case.run(graph)
    after = answer(graph)
    assert any(record.result.changed for record in records) != case.is_unchanged
    assert before.keys() == after.keys()
    assert all(np.any(y) for y in before.values()), "an answer of zeros shows nothing"
    tolerance = max(ROUNDING.get(record.step.name, 0.0) for record in records)
    for name, y in before.items():
        if tolerance:
            assert relative_error(y, after[name]) <= tolerance
        else:
            np.testing.assert_array_equal(after[name], y)


QUOTIENT = """
graph @g(%x: f32[1,2,2,4]) {
  const @w : f32[1,1,4,4]
  const @d : f32[4]
  %0 = conv2d(%x, @w) : f32[1,2,2,4]
  %1 = div(%0, @d) : f32[1,2,2,4]
  return %1
}
"""


@pytest.mark.parametrize("divisors", [(1, 2, 4, 8), (1, 2, 0, 8), None])
def test_only_known_divisors_other_than_zero_are_folded(divisors: tuple[int, ...] | None) -> None:
    graph = parse(QUOTIENT)
    if divisors:
        constant = graph.constants()["d"]
        constant.data = Constant.of("d", np.array(divisors)).data
    assert FoldAffine().run(graph, CONTEXT).changed == (divisors == (1, 2, 4, 8))


BATCH_NORM = """
graph @g(%x: f32[1,4,4,3]) {
  const @w : f32[1,1,3,5]
  const @b : f32[5]
  const @gamma : f32[5]
  const @beta : f32[5]
  const @mean : f32[5]
  const @variance : f32[5]
  %0 = conv2d(%x, @w, @b) : f32[1,4,4,5]
  %1 = batch_norm(%0, @gamma, @beta, @mean, @variance) {epsilon=0.25} : f32[1,4,4,5]
  return %1
}"""


def test_batch_norm_is_folded_in_double_precision() -> None:
    graph = parse(BATCH_NORM)
    bind(graph)
    c = {name: constant.array.astype("f8") for name, constant in graph.constants().items()}
    assert FoldBatchNorm().run(graph, CONTEXT).changed
    scale = c["gamma"] / np.sqrt(c["variance"] + 0.25)
    folded = graph.constants()
    np.testing.assert_array_equal(folded["w.folded"].array, (c["w"] * scale).astype("f4"))
    bias = ((c["b"] - c["mean"]) * scale + c["beta"]).astype("f4")
    np.testing.assert_array_equal(folded["b.folded"].array, bias)


@pytest.mark.parametrize(("gamma", "changed"), [(2.0, True), (2.001, False)])
def test_a_batch_norm_that_scales_nothing_is_folded(gamma: float, changed: bool) -> None:
    text = BATCH_NORM.replace("return %1", "%2 = relu(%1) : f32[1,4,4,5]\n  return %2")
    graph = parse(text.replace("epsilon=0.25", "epsilon=0.0"))
    bind(graph)
    values = {"gamma": gamma, "variance": 4.0, "mean": 3.0, "beta": 3.0}
    for name, value in values.items():
        graph.constants()[name].data = np.full(5, value, "f4")
    assert FoldConstants().run(graph, CONTEXT).changed == changed


@pytest.mark.parametrize(
    ("node", "dropped"),
    [
        ("reshape(%0) {shape=(1,4,4,6)}", True),
        ("transpose(%0) {perm=(0,1,2,3)}", True),
        ("transpose(%0) {perm=(0,2,1,3)}", False),
        ("split(%0) {sizes=(6)}", True),
        ("max_pool(%0) {kernel=(1,1), stride=(1,1)}", True),
        ("avg_pool(%0) {kernel=(1,1), stride=(1,1)}", True),
        ("avg_pool(%0) {kernel=(1,1), stride=(1,1), act=relu}", False),
        ("reduce_sum(%0) {axes=(0), keep=true}", True),
        ("reduce_max(%0) {axes=(0,1), keep=true}", False),
    ],
)
def test_what_gives_its_operand_is_dropped(node: str, dropped: bool) -> None:
    type = "f32[1,1,4,6]" if "axes=(0,1)" in node else "f32[1,4,4,6]"
    graph = parse(f"""graph @g(%x: f32[1,4,4,6]) {{
  %0 = sigmoid(%x) : f32[1,4,4,6]
  %1 = {node} : {type}
  %2 = sigmoid(%1) : {type}
  return %2
}}""")
    assert FoldConstants().run(graph, CONTEXT).changed == dropped


@given(
    groups=st.sampled_from([2, 3, 4, 6]),
    each=st.integers(2, 4),
    grouped=st.booleans(),
    views=st.booleans(),
)
def test_shuffles_are_remapped_bit_for_bit(
    groups: int, each: int, grouped: bool, views: bool
) -> None:
    channels = groups * each
    graph = parse(f"""
graph @g(%x: f32[1,5,5,{channels}]) {{
  const @dw.w : f32[3,3,1,{channels}]
  const @dw.b : f32[{channels}]
  const @pw.w : f32[1,1,{each if grouped else channels},{channels}]
  %0 = channel_shuffle(%x) {{groups={groups}}} : f32[1,5,5,{channels}]
  %1 = conv2d(%0, @dw.w, @dw.b) {{pad=(1,1,1,1), groups={channels}}} : f32[1,5,5,{channels}]
  %2 = max_pool(%1) {{kernel=(3,3), stride=(1,1)}} : f32[1,3,3,{channels}]
  %3 = conv2d(%2, @pw.w) {{groups={groups if grouped else 1}}} : f32[1,3,3,{channels}]
  return %3
}}""")
    bind(graph, seed=channels)
    before = answer(graph)
    changed = RemapChannelShuffle().run(graph, PassContext(FakeBackend(views=views))).changed
    assert changed == (views or not grouped)
    np.testing.assert_array_equal(answer(graph)["y"], before["y"])


@given(graph=graphs(max_nodes=12), views=st.booleans(), level=st.sampled_from(LEVELS[1:]))
def test_pipelines_keep_the_answer_of_any_graph(graph: Graph, views: bool, level: Pipeline) -> None:
    before = answer(graph, dtype=np.float64)
    run_pipeline(graph, level, PassContext(FakeBackend(views=views)), [Verify()])
    after = answer(graph, dtype=np.float64)
    for name, y in before.items():
        np.testing.assert_allclose(after[name], y, rtol=1e-5, atol=1e-5 * np.max(np.abs(y)))
