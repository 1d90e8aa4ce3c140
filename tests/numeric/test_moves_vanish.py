"""Random networks of units that split, join and shuffle: what the passes leave computes the same
bit for bit, and what still moves data has a remark that says why and how much."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

from mbc.backends.llvm.backend import LlvmBackend
from mbc.driver.platforms import resolve
from mbc.interp.run import run
from mbc.ir.graph import Graph
from mbc.ir.text.printer import print_graph
from mbc.ops.move import ChannelShuffle, Concat, Split
from mbc.passes.eliminate_concat import EliminateConcat
from mbc.passes.eliminate_split import EliminateSplit
from mbc.passes.pipelines import O2
from mbc.passes.remap_channel_shuffle import RemapChannelShuffle
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.passmgr.pipeline import single_stage
from mbc.targets.backend import Backend
from tests.exact import exact_inputs
from tests.fake_backend import FakeBackend
from tests.random_networks import networks

PASSES = (EliminateConcat(), EliminateSplit(), RemapChannelShuffle())
MOVES = Concat | Split | ChannelShuffle
BARE = FakeBackend(views=False)
BACKENDS: list[Backend] = [
    FakeBackend(),
    BARE,
    LlvmBackend(resolve("arm64")),
    LlvmBackend(resolve("x86_64")),
]


def same(graph: Graph, before: dict[str, np.ndarray]) -> None:
    after = run(graph, exact_inputs(graph))
    for name, y in before.items():
        np.testing.assert_array_equal(after[name], y)


def moves(graph: Graph) -> int:
    return sum(isinstance(node.op, MOVES) for node in graph.topo())


def check_order(graph: Graph, order: tuple[int, ...], backend: Backend) -> None:
    """Each pass keeps the answer, explains each op of its kind that is left, and is done, unless
    there is no kernel for any view: then each concat that goes may make way for another."""
    before = run(graph, exact_inputs(graph))
    kinds = (Concat, Split, ChannelShuffle)
    for index in order:
        pipeline = single_stage([PASSES[index]])
        (record,) = run_pipeline(graph, pipeline, PassContext(backend), [Verify()])
        same(graph, before)
        left = [node for node in graph.topo() if isinstance(node.op, kinds[index])]
        reasons = [r for r in record.result.remarks if r.message.startswith("not removed")]
        assert len(left) == len(reasons)
        if backend == BARE:
            continue
        text = print_graph(graph)
        (again,) = run_pipeline(graph, pipeline, PassContext(backend))
        assert (again.result.changed, print_graph(graph)) == (False, text)


def test_each_pass_keeps_the_answer_in_any_order(fuzz: bool) -> None:
    @settings(max_examples=4000 if fuzz else 80, deadline=None)
    @given(
        graph=networks(),
        order=st.permutations(range(len(PASSES))),
        backend=st.sampled_from(BACKENDS),
    )
    def check(graph: Graph, order: list[int], backend: Backend) -> None:
        note(print_graph(graph))
        check_order(graph, tuple(order), backend)

    check()


def test_the_pipeline_keeps_the_answer_and_explains_every_copy(fuzz: bool) -> None:
    found: Counter[str] = Counter()

    @settings(max_examples=4000 if fuzz else 80, deadline=None)
    @given(graph=networks(), backend=st.sampled_from(BACKENDS))
    def check(graph: Graph, backend: Backend) -> None:
        note(print_graph(graph))
        before = run(graph, exact_inputs(graph))
        written = moves(graph)
        records = run_pipeline(graph, O2, PassContext(backend), [Verify()])
        same(graph, before)
        messages = [r.message for record in records for r in record.result.remarks]
        copies = [m for m in messages if "a copy of" in m or m.startswith("copied")]
        assert moves(graph) <= len(copies)
        if isinstance(backend, LlvmBackend):
            found.update(networks=1, written=written, left=moves(graph))

    check()
    assert found["written"] > 2 * found["networks"], (
        f"the networks have too little to move: {found}"
    )
    assert found["left"] < found["written"] / 2, f"too much is still moved: {found}"
