"""Runs the GPU kernels of small graphs through pyopencl, and compares with the oracle.

Every argument lies between guards of not-a-numbers: a load beside an argument spoils the result,
a store there the guard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyopencl as cl

from mbc.backends.tvm.gpu.device import device_code
from mbc.backends.tvm.gpu.kernels import kernels_of
from mbc.backends.tvm.gpu.launch import Argument, Read, Weights, Write
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
        for value in graph.inputs:
            self.values[value] = self._room(value).put(inputs[value.name])
        kernels = [kernel for node in graph.topo() for kernel in kernels_of(node, gpu)]
        code = device_code({f"k{i}": kernel.function for i, kernel in enumerate(kernels)}, OPENCL)
        program = cl.Program(self.queue.context, code.source).build(cache_dir=False)
        for i, kernel in enumerate(kernels):
            for entry in code.entries[f"k{i}"]:
                arguments = [self._memory(kernel.arguments[n]) for n in entry.parameters]
                size = tuple(g * b for g, b in zip(entry.grid, entry.block, strict=True))
                call = cl.Kernel(program, entry.kernel)
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


def compare(graph: Graph, gpu: Gpu, check: Callable[[np.ndarray, np.ndarray], None]) -> None:
    """Run a graph with the schedules for a GPU on seeded input, and check all outputs."""
    rng = np.random.default_rng(7)
    inputs = {v.name: rng.standard_normal(v.type.shape, np.float32) for v in graph.inputs}
    expected = run(graph, inputs)
    actual = Device().run(graph, gpu, inputs)
    for name, want in expected.items():
        check(actual[name], want)
