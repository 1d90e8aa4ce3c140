"""Runs the GPU kernels of small graphs through pyopencl, and compares with the oracle.

Every argument lies between guards of not-a-numbers: a load beside an argument spoils the result,
a store there the guard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyopencl as cl

from mbc.backends.tvm.gpu.device import device_code
from mbc.backends.tvm.gpu.kernels import kernels_of
from mbc.backends.tvm.gpu.launch import Argument, Entry, NodeKernel, Read, Weights, Write
from mbc.interp import run
from mbc.interp.run import gather
from mbc.ir.graph import Graph
from mbc.ir.views import Value
from mbc.targets.gpu import Gpu

GUARD = 4096  # bytes, and a multiple of every device's alignment of sub-buffers
SCHEDULES = (
    Gpu("opencl"),
    Gpu("opencl", "mali"),
    Gpu("opencl", "adreno"),
    Gpu("cuda", "sm_75"),
    Gpu("cuda", "sm_90"),
)
"""Schedules that differ; those for CUDA run as OpenCL code too."""


@dataclass
class Guarded:
    """Device memory with not-a-numbers around it, and in it before it is written."""

    queue: Any
    bytes: int

    def __post_init__(self) -> None:
        flags = cl.mem_flags.READ_WRITE
        self.blank = np.full(2 * GUARD // 4 + -(-self.bytes // GUARD) * GUARD // 4, np.nan, "f4")
        self.whole = cl.Buffer(self.queue.context, flags, self.blank.nbytes)
        cl.enqueue_copy(self.queue, self.whole, self.blank)
        self.memory = self.whole.get_sub_region(GUARD, self.bytes)

    def put(self, array: np.ndarray) -> Guarded:
        """Fill it."""
        cl.enqueue_copy(self.queue, self.memory, np.ascontiguousarray(array))
        return self

    def get(self, shape: tuple[int, ...]) -> np.ndarray:
        """What it holds, after a look at the guards."""
        found = np.empty_like(self.blank)
        cl.enqueue_copy(self.queue, found, self.whole)
        first, last = GUARD // 4, (GUARD + self.bytes) // 4
        assert np.isnan(found[:first]).all(), "something was stored before the tensor"
        assert np.isnan(found[last:]).all(), "something was stored behind the tensor"
        return found[first:last].reshape(shape)


class Job(NamedTuple):
    """A graph, and the GPU for which its kernels are scheduled."""

    graph: Graph
    gpu: Gpu


class Loaded(NamedTuple):
    """The kernels of a graph in a program, in order, each with its entries there."""

    graph: Graph
    program: Any
    kernels: tuple[tuple[NodeKernel, tuple[Entry, ...]], ...]


@dataclass
class Device:
    """The first device of the ICD loader; the CPU, with PoCL."""

    queue: Any = None
    values: dict[Value, Guarded] = field(default_factory=dict)

    def __post_init__(self) -> None:
        context = cl.Context([cl.get_platforms()[0].get_devices()[0]])
        self.queue = cl.CommandQueue(context)

    def run(
        self, graph: Graph, gpu: Gpu, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The outputs of a graph, kernel by kernel."""
        (loaded,) = self.load([Job(graph, gpu)])
        return self.launch(loaded, inputs)

    def load(self, jobs: Sequence[Job]) -> list[Loaded]:
        """Compile the kernels of several graphs as one program: for each program PoCL reads the
        headers of OpenCL's functions, which takes longer than most kernels do. To optimize them
        would take twice as long as all else; whole networks are optimized, as devices do."""
        kernels = [
            {
                f"j{number}k{k}": kernel
                for k, kernel in enumerate(
                    each for node in graph.topo() for each in kernels_of(node, gpu)
                )
            }
            for number, (graph, gpu) in enumerate(jobs)
        ]
        functions = {name: kernel.function for own in kernels for name, kernel in own.items()}
        code = device_code(functions, OPENCL)
        program = cl.Program(self.queue.context, code.source).build(PLAIN, cache_dir=False)
        return [
            Loaded(job.graph, program, tuple((k, code.entries[name]) for name, k in own.items()))
            for job, own in zip(jobs, kernels, strict=True)
        ]

    def launch(self, loaded: Loaded, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the kernels of a graph; returns its outputs."""
        graph = loaded.graph
        self.values = {value: self._room(value).put(inputs[value.name]) for value in graph.inputs}
        for kernel, entries in loaded.kernels:
            for entry in entries:
                arguments = [self._memory(kernel.arguments[n]) for n in entry.parameters]
                size = tuple(g * b for g, b in zip(entry.grid, entry.block, strict=True))
                call = cl.Kernel(loaded.program, entry.kernel)
                for number, memory in enumerate(arguments):
                    call.set_arg(number, memory)
                cl.enqueue_nd_range_kernel(self.queue, call, size, entry.block)
        known = {
            value: held.get(value.type.shape).view(value.type.element.numpy)
            for value, held in self.values.items()
        }
        outputs = zip(graph.output_names, graph.outputs, strict=True)
        return {name: gather(view, known) for name, view in outputs}

    def _room(self, value: Value) -> Guarded:
        return Guarded(self.queue, value.type.bytes)

    def _memory(self, argument: Argument) -> Any:
        match argument:
            case Read(value=value):
                return self.values[value].memory
            case Write(value=value):
                self.values[value] = self._room(value)
                return self.values[value].memory
            case Weights(array=array):
                return Guarded(self.queue, array.nbytes).put(array).memory


OPENCL = Gpu("opencl")
PLAIN = ["-cl-opt-disable"]


Check: TypeAlias = Callable[[np.ndarray, np.ndarray], None]


def compare(graph: Graph, gpu: Gpu, check: Check) -> None:
    """Run a graph with the schedules for a GPU on seeded input, and check all outputs."""
    compare_all({"": Job(graph, gpu)}, check)


def compare_all(jobs: Mapping[str, Job], check: Check) -> None:
    """Run graphs on seeded inputs, and check all outputs; what is wrong is told by name."""
    device, wrong = Device(), dict[str, str]()
    for name, loaded in zip(jobs, device.load([*jobs.values()]), strict=True):
        try:
            _compare(device, loaded, check)
        except AssertionError as problem:
            wrong[name] = str(problem)
    assert wrong == {}


def _compare(device: Device, loaded: Loaded, check: Check) -> None:
    rng = np.random.default_rng(7)
    inputs = {v.name: rng.standard_normal(v.type.shape, np.float32) for v in loaded.graph.inputs}
    expected = run(loaded.graph, inputs)
    actual = device.launch(loaded, inputs)
    for name, want in expected.items():
        check(actual[name], want)
