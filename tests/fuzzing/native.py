"""Compile a network in some configuration, run it on this machine, and judge the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mbc.backends.llvm.backend import LlvmBackend, builder_of
from mbc.backends.llvm.jit import JitNet
from mbc.backends.llvm.lower import LoweredNet, lower
from mbc.ir.graph import Graph, Node
from mbc.ops import Fused
from mbc.passmgr.instruments import Verify
from mbc.passmgr.manager import run_pipeline
from mbc.passmgr.passes import PassContext
from mbc.runtime.pool import Pool
from tests.fuzzing.bounds import expected
from tests.fuzzing.configuration import Configuration
from tests.fuzzing.known import Known
from tests.scatter import Scatter

CANARY = np.uint32(0x7FCA_CA00)  # a NaN, so that what reads it shows
ZONE = 65  # floats before and after a tensor, which so is aligned to no more than a float

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Made:
    """A compiled network, and what its kernels are: families, kinds of fusion, "strassen"."""

    lowered: LoweredNet
    kinds: Counter[str]


def compiled(graph: Graph, how: Configuration) -> Made:
    """From a network whose constants are bound, and which stays as it is."""
    graph, target = graph.clone(), how.resolved()
    run_pipeline(graph, how.pipeline, PassContext(LlvmBackend(target)), [Verify()])
    lowered = lower(graph, target)
    kinds = Counter(kind for node in graph.topo() for kind in _kinds(node))
    if "_strassen_" in lowered.ir:
        kinds["strassen"] += 1
    return Made(lowered, kinds)


def _kinds(node: Node) -> Iterator[str]:
    yield builder_of(node).__name__.removeprefix("build_")
    if isinstance(node.op, Fused):
        yield node.op.kind


def try_natively(graph: Graph, how: Configuration) -> Counter[str]:
    """Compile a network, run it, and hold the answer against what it may be; what kernels it had.

    The first run is on what is not a number, and leaves that wherever it writes."""
    how.bind(graph)
    made, inputs = compiled(graph, how), how.inputs(graph)
    net = JitNet(made.lowered, pool(how.threads))
    answer(net, {name: np.full_like(x, np.nan) for name, x in inputs.items()})
    judge(answer(net, inputs), graph, how, made.kinds)
    return made.kinds


def pool(threads: int) -> Pool | None:
    """So many threads among which tasks are dealt out at random, or None for one."""
    return Scatter(threads) if threads > 1 else None


class _Room:
    """A tensor in the middle of memory that nobody may touch."""

    def __init__(self, shape: tuple[int, ...], array: np.ndarray | None = None) -> None:
        size = int(np.prod(shape))
        self._words = np.full(size + 2 * ZONE, CANARY, np.uint32)
        self.array = self._words[ZONE:-ZONE].view(np.float32).reshape(shape)
        if array is not None:
            self.array[...] = array

    def check(self, name: str) -> None:
        """Whether all around is as it was."""
        around = np.concatenate([self._words[:ZONE], self._words[-ZONE:]])
        assert np.all(around == CANARY), f"memory around {name} was written"


def answer(net: JitNet, inputs: Arrays) -> dict[str, np.ndarray]:
    """Run on tensors that lie as badly as they may."""
    given = {spec.name: _Room(spec.shape, inputs[spec.name]) for spec in net.spec.inputs}
    made = {spec.name: _Room(spec.shape) for spec in net.spec.outputs}
    net.time_once([room.array for room in (*given.values(), *made.values())])
    for name, room in (*given.items(), *made.items()):
        room.check(name)
    for name, room in given.items():
        np.testing.assert_array_equal(room.array, inputs[name], f"input {name} was written")
    kinds = {spec.name: spec.element.numpy for spec in net.spec.outputs}
    return {name: room.array.view(kinds[name]) for name, room in made.items()}


def judge(actual: Arrays, graph: Graph, how: Configuration, kinds: Counter[str]) -> None:
    """All outputs are as exact as they must be. Strassen's method may spoil what is in one image
    with what is no number, which only the first has."""
    mixing = kinds["strassen"] > 0
    begin = 1 if mixing and how.numbers == "special" else 0
    for name, known in expected(graph, how.inputs(graph), mixing=mixing).items():
        wrong = known.misses(actual[name])
        if np.any(wrong[begin:]):
            raise AssertionError(_told(name, wrong, actual[name], known))


def _told(name: str, wrong: np.ndarray, actual: np.ndarray, known: Known) -> str:
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    found, exact, error = actual[index], known.exact[index], known.error[index]
    return (
        f"output {name} is wrong in {int(wrong.sum())} of {wrong.size} elements, first at {index}: "
        f"{found!r}, expected {exact!r} +- {error:.3g}"
    )
