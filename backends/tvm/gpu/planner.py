"""Convert a planned graph to a launch plan: kernels of nodes, packed weights, buffers.

The arena is that of the graph's memory plan. Equal kernels are compiled once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mbc.alignment import round_up
from mbc.backends.tvm.gpu.backend import GpuBackend
from mbc.backends.tvm.gpu.device import device_code
from mbc.backends.tvm.gpu.kernels import kernels_of
from mbc.backends.tvm.gpu.launch import (
    ALIGNMENT,
    Argument,
    DeviceBuffer,
    Launch,
    LaunchPlan,
    NodeKernel,
    Read,
    Weights,
    Write,
)
from mbc.backends.tvm.require import ffi
from mbc.backends.weights import WeightsBlob
from mbc.ir.graph import Graph
from mbc.ir.views import Value
from mbc.ops.outputs import with_plain_outputs
from mbc.runtime.abi import NetSpec, interface_of
from mbc.runtime.names import c_identifier, net_identifier
from mbc.targets.elements import refuse_elements
from mbc.targets.gpu import Gpu
from mbc.targets.kernels import refuse_bodies, refuse_ops
from mbc.targets.schedules import refuse_schedules


def plan_launches(graph: Graph, gpu: Gpu) -> LaunchPlan:
    """Plan the launches of a graph whose memory is planned. Raises E0509, E0517, E0516."""
    refuse_elements(graph, f"TVM for {gpu}")
    backend = GpuBackend(gpu)
    refuse_ops(graph, backend.has_kernel, f"TVM for {gpu}")
    refuse_bodies(graph, backend, f"TVM for {gpu}")
    refuse_schedules(graph, backend)
    graph = with_plain_outputs(graph)
    functions, memory = Functions(), _Memory(graph)
    calls = [
        (functions.name(kernel.function), kernel, memory.arguments(kernel))
        for node in graph.topo()
        for kernel in kernels_of(node, gpu)
    ]
    code = device_code(functions.named, gpu)
    launches = tuple(
        Launch(
            entry.kernel,
            tuple(places[i] for i in entry.parameters),
            entry.grid,
            entry.block,
            kernel.op,
        )
        for name, kernel, places in calls
        for entry in code.entries[name]
    )
    weights = memory.weights()
    spec = memory.spec(len(weights))
    return LaunchPlan(spec, gpu, code.source, weights, memory.buffers, launches)


class Functions:
    """PrimFuncs by name; equal ones share a name."""

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._by_hash: dict[int, list[str]] = {}

    def name(self, function: Any) -> str:
        """Return the name of a function."""
        alike = self._by_hash.setdefault(ffi().structural_hash(function), [])
        for name in alike:
            if ffi().structural_equal(self.named[name], function):
                return name
        name = f"k{len(self.named):03d}"
        self.named[name] = function
        alike.append(name)
        return name


class _Memory:
    """The buffers of one graph, in the order of their first use."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._list: list[DeviceBuffer] = []
        self._numbers: dict[DeviceBuffer, int] = {}
        self._weights = WeightsBlob(ALIGNMENT)
        self._external = {
            value: DeviceBuffer(c_identifier(name), role, value.type.bytes)
            for role, name, value in _io(graph)
        }
        for buffer in self._external.values():
            self._number(buffer)

    @property
    def buffers(self) -> tuple[DeviceBuffer, ...]:
        """All buffers: the network's inputs and outputs first, in order."""
        return tuple(self._list)

    def weights(self) -> bytes:
        """Return all packed weights."""
        return self._weights.data()

    def spec(self, weights: int) -> NetSpec:
        """Return the interface of the network."""
        name = net_identifier(self._graph.name)
        arena = round_up(self._graph.arena_bytes or 0, ALIGNMENT)
        return NetSpec(name, *interface_of(self._graph), arena, 0, weights)

    def arguments(self, kernel: NodeKernel) -> tuple[int, ...]:
        """Return the number of each argument's buffer."""
        return tuple(self._number(self._buffer(each)) for each in kernel.arguments)

    def _number(self, buffer: DeviceBuffer) -> int:
        if buffer not in self._numbers:
            self._numbers[buffer] = len(self._list)
            self._list.append(buffer)
        return self._numbers[buffer]

    def _buffer(self, argument: Argument) -> DeviceBuffer:
        match argument:
            case Read(value) | Write(value):
                return self._external.get(value) or _region(value)
            case Weights(array):
                return self._packed(array)

    def _packed(self, array: np.ndarray) -> DeviceBuffer:
        offset = self._weights.add(array)
        return DeviceBuffer(f"weights_{offset}", "weights", array.nbytes, offset)


def _io(graph: Graph) -> Iterator[tuple[Any, str, Value]]:
    for value in graph.inputs:
        yield "input", value.name, value
    for name, view in zip(graph.output_names, graph.outputs, strict=True):
        yield "output", name, view.value


def _region(value: Value) -> DeviceBuffer:
    if value.offset is None or value.offset % ALIGNMENT:
        raise ValueError(f"{value} has no aligned place in the arena: run plan-memory")
    return DeviceBuffer(c_identifier(value.name), "arena", value.type.bytes, value.offset)
