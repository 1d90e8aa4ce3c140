"""Runs a small graph through the LLVM backend and the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.llvm.isa import isa_of
from mbc.backends.llvm.jit import JitNet, aligned_bytes
from mbc.backends.llvm.kernels.base import Buffer
from mbc.backends.llvm.lower import lower
from mbc.driver.platforms import resolve
from mbc.interp import run
from mbc.ir.graph import Constant, Graph
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Place, Value
from mbc.runtime.pool import Pool
from mbc.targets.target import Target
from tests.schedules import keep_possible


def host_target() -> Target:
    """A CPU that this machine can stand for; on x86-64 any with AVX2."""
    native = resolve("native")
    if native.family == "aarch64":
        return Target("native", native.triple, native.cpu, "neon")
    return Target("native", native.triple, "haswell", "avx2")


def host_targets() -> dict[str, Target]:
    """By vector unit, all that this machine has: AVX-512 beside AVX2 where it is there."""
    best = resolve("native")
    return {target.isa: target for target in (host_target(), best)}


class Net:
    """A graph under construction with random constants."""

    def __init__(self, seed: int = 0) -> None:
        self.graph = Graph("net")
        self.rng = np.random.default_rng(seed)

    def input(self, *shape: int, name: str = "x") -> Value:
        """A graph input."""
        return self.graph.add_input(name, TensorType(shape))

    def constant(self, *shape: int) -> Constant:
        """A random constant."""
        data = self.rng.standard_normal(shape, np.float32)
        return Constant.of(f"c{len(self.graph.constants())}_{self.rng.integers(1 << 30)}", data)

    def positive(self, *shape: int) -> Constant:
        """A constant of variances."""
        data = self.rng.uniform(0.5, 2.0, shape).astype(np.float32)
        return Constant.of(f"v_{self.rng.integers(1 << 30)}", data)

    def outputs(self, *values: Value | ChannelView) -> Graph:
        """Finish the graph."""
        self.graph.set_outputs(values)
        return self.graph


def place_without_overlap(graph: Graph, target: Target) -> None:
    """The simplest memory plan: every value has a place of its own. Schedules that the target's
    kernels cannot have go."""
    keep_possible(graph, LlvmBackend(target))
    outputs = {value for view in graph.outputs for value in view.values if view.is_plain}
    offset = 0
    for node in graph.topo():
        for value in node.results:
            if value not in outputs:
                value.place = Place(offset)
                size = Buffer.in_arena(value.type, isa_of(target)).bytes
                offset += -(-size // 64) * 64
    graph.arena_bytes = offset


@contextmanager
def poisoned() -> Iterator[None]:
    """What networks allocate here is full of NaN: scratch, arena and padding between pixels."""

    def filled(size: int) -> np.ndarray:
        memory = aligned_bytes(size)
        memory[:] = 0xFF
        return memory

    with patch("mbc.backends.llvm.jit.aligned_bytes", filled):
        yield


def compare(
    graph: Graph,
    check: Callable[[np.ndarray, np.ndarray], None],
    pools: Sequence[Pool | None] = (None,),
    target: Target | None = None,
) -> None:
    """Run a graph through both on seeded input, on each pool, and check all outputs."""
    target = target or host_target()
    rng = np.random.default_rng(7)
    inputs = {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}
    expected = run(graph, inputs)
    place_without_overlap(graph, target)
    net = JitNet(lower(graph, target))
    for pool in pools:
        with poisoned():
            actual = net.on(pool)(inputs)
        for name, want in expected.items():
            check(actual[name], want)


TOLERANCE = 1e-5


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to the largest finite magnitude; equal infinities have none."""
    scale = max(float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)), 1.0)
    apart = actual != expected
    return float(np.abs(actual[apart] - expected[apart]).max(initial=0.0)) / scale


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    """Within 1e-5 of the largest magnitude; not-a-number is never close."""
    assert actual.shape == expected.shape
    assert relative_error(actual, expected) <= TOLERANCE


def equal(actual: np.ndarray, expected: np.ndarray) -> None:
    """Bit for bit."""
    np.testing.assert_array_equal(actual, expected)
