"""GPU kernels against the oracle, over ragged shapes, on an OpenCL device: the CPU, with PoCL.

Everyday runs try some cases of each kind, with one of the schedules in turn; `make fuzz` each with
each. Nothing is padded here, so of the cases that come twice one is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tvm", reason="the extra tvm is not installed")
pytest.importorskip("pyopencl", reason="the extra opencl is not installed")

import pyopencl as cl

from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.ir.graph import Graph
from mbc.ops import OPS, AvgPool, Conv2d, MaxPool
from mbc.targets.gpu import Gpu
from tests.backends.cases import Case, some_of_each_kind
from tests.backends.kernel_cases import arithmetic_cases, exact_cases
from tests.backends.kernel_check import Net, close, equal
from tests.backends.tvm.gpu_check import SCHEDULES, Device, Guarded, Job, compare, compare_all
from tests.backends.window_cases import window_cases
from tests.everyday import part_of

WINDOWS = [case for case in window_cases() if "padded" not in case[0]]
ARITHMETIC = [
    case
    for case in arithmetic_cases()
    if not any(word in case[0] for word in ("chain", "padded", *(name for name, _ in WINDOWS)))
]
EXACT = [case for case in exact_cases() if "padded" not in case[0]]
REFUSED = (
    *("means", "scaled", "slopes"),
    *(op.mnemonic for op in OPS if not GpuBackend(SCHEDULES[0]).has_kernel(op)),
)
"""How the names of cases begin that have no kernels on GPUs."""


BATCH = 16  # cases that are compiled together


def batches(cases: Sequence[Case]) -> list[tuple[int, Sequence[Case]]]:
    """Cases that are tried together, and the number of the first."""
    return [(start, cases[start : start + BATCH]) for start in range(0, len(cases), BATCH)]


Row = tuple[bool, int, Sequence[Case], int]
"""Whether everyday runs try these cases, the number of the first, and by how much their schedules
are turned."""


def rows(cases: Sequence[Case], turns: int = 1) -> Iterator[Row]:
    """Those of everyday runs, and the rest."""
    some, rest = some_of_each_kind(cases)
    for everyday, part in ((True, some), (False, rest)):
        for first, batch in batches(part):
            yield from ((everyday, first, batch, turn) for turn in range(turns))


def is_everyday(everyday: bool, first: int, cases: Sequence[Case], turn: int) -> bool:
    """Some of each kind with one schedule each."""
    return everyday and turn == 0


def row_name(everyday: bool, first: int, cases: Sequence[Case], turn: int) -> str:
    """As the tests are called: by the first case."""
    return f"{'some' if everyday else 'rest'}-{turn}-{first}-{cases[0][0]}"


def schedule(number: int) -> Gpu:
    """That of a case: another for the next."""
    return SCHEDULES[number % len(SCHEDULES)]


@pytest.mark.parametrize(
    ("everyday", "first", "cases", "turn"),
    part_of(rows(ARITHMETIC, len(SCHEDULES)), is_everyday, row_name),
)
def test_arithmetic(everyday: bool, first: int, cases: Sequence[Case], turn: int) -> None:
    jobs = {}
    for number, (name, build) in enumerate(cases, first + turn):
        graph, gpu = build(), schedule(number)
        backend = GpuBackend(gpu)  # which has other schedules than the cases
        supported = all(backend.supports(replace(node, schedule=None)) for node in graph.topo())
        assert supported != name.startswith(REFUSED), name
        if supported:
            jobs[f"{name} for {gpu.arch or 'OpenCL'}"] = Job(graph, gpu)
    if jobs:
        compare_all(jobs, close)


@pytest.mark.parametrize(
    ("everyday", "first", "cases", "turn"), part_of(rows(WINDOWS), is_everyday, row_name)
)
def test_windows(everyday: bool, first: int, cases: Sequence[Case], turn: int) -> None:
    jobs = {name: Job(build(), schedule(n)) for n, (name, build) in enumerate(cases, first + turn)}
    compare_all(jobs, close)


@pytest.mark.parametrize(
    ("everyday", "first", "cases", "turn"), part_of(rows(EXACT), is_everyday, row_name)
)
def test_exact(everyday: bool, first: int, cases: Sequence[Case], turn: int) -> None:
    compare_all({name: Job(build(), SCHEDULES[0]) for name, build in cases}, equal)


@pytest.mark.parametrize("place", [-1, 6])
def test_a_store_beside_a_tensor_is_noticed(place: int) -> None:
    queue = Device().queue
    tensor = Guarded(queue, 24).put(np.zeros(6, np.float32))
    source = f"__kernel void k(__global float* x) {{ x[{place}] = 1.0f; }}"
    program = cl.Program(queue.context, source).build(cache_dir=False)
    kernel = cl.Kernel(program, "k")
    kernel.set_arg(0, tensor.memory)
    cl.enqueue_nd_range_kernel(queue, kernel, (1,), None)
    with pytest.raises(AssertionError, match="before" if place < 0 else "behind"):
        tensor.get((6,))


def test_a_load_beside_a_tensor_spoils_the_result() -> None:
    queue = Device().queue
    x, y = (Guarded(queue, 24).put(np.zeros(6, np.float32)) for _ in range(2))
    source = "__kernel void k(__global float* x, __global float* y) { y[0] = x[6] + x[-1]; }"
    program = cl.Program(queue.context, source).build(cache_dir=False)
    kernel = cl.Kernel(program, "k")
    kernel.set_arg(0, x.memory)
    kernel.set_arg(1, y.memory)
    cl.enqueue_nd_range_kernel(queue, kernel, (1,), None)
    with pytest.raises(AssertionError):
        close(y.get((6,)), np.zeros(6, np.float32))


def wide(op: MaxPool | AvgPool | Conv2d) -> Graph:
    """A layer whose window is wider than what is unrolled."""
    net = Net()
    x = net.input(1, 3, 40, 8)
    weight = [net.constant(2, 20, 1, 8)] if isinstance(op, Conv2d) else []
    return net.outputs(net.graph.add(op, [x, *weight]).result)


@pytest.mark.parametrize(
    "op",
    [
        MaxPool((2, 20), (1, 3), (1, 0, 5, 7)),
        AvgPool((2, 20), (1, 3), (1, 0, 5, 7)),
        Conv2d((1, 2), (0, 1, 9, 9), (1, 2), groups=8),
    ],
    ids=lambda op: op.mnemonic,
)
def test_wide_windows(op: MaxPool | AvgPool | Conv2d) -> None:
    compare(wide(op), SCHEDULES[0], close)
