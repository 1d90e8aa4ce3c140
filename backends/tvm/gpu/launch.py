"""Kernels on a GPU as data: those of one node, and the launches of a whole network.

A launcher has the caller's tensors, one buffer of weights and one arena; every other buffer is a
region of those two. It runs the launches in order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from mbc.ir.views import Value
from mbc.records import dataclass
from mbc.runtime.abi import DIGEST_DIGITS, NetSpec
from mbc.targets.gpu import Gpu

ALIGNMENT = 512  # of regions: the most that OpenCL devices ask of sub-buffers (4096 bits)

Extent: TypeAlias = tuple[int, int, int]
Role = Literal["input", "output", "weights", "arena"]


@dataclass(frozen=True)
class Read:
    """An argument that a kernel reads: a value of the graph."""

    value: Value


@dataclass(frozen=True)
class Write:
    """An argument that a kernel writes: a value of the graph."""

    value: Value


@dataclass(frozen=True, eq=False)
class Weights:
    """An argument that a kernel reads: data in the kernel's packed layout."""

    array: np.ndarray


Argument: TypeAlias = Read | Write | Weights


@dataclass(frozen=True)
class NodeKernel:
    """A kernel of a node."""

    function: Any
    """Scheduled PrimFunc."""
    arguments: tuple[Argument, ...]
    """One for each of its parameters, in order; those that it writes come last."""
    op: str
    """What it does, in a few words."""


@dataclass(frozen=True)
class Entry:
    """A kernel in the device code of a PrimFunc."""

    kernel: str
    """Its name."""
    parameters: tuple[int, ...]
    """Index among the PrimFunc's of each of its parameters."""
    grid: Extent
    """Blocks along x, y, z."""
    block: Extent
    """Threads of a block along x, y, z."""


@dataclass(frozen=True)
class DeviceBuffer:
    """A tensor of the caller's, or a region of the weights or the arena; `offset` is a multiple of
    `ALIGNMENT`, and 0 for the caller's."""

    name: str
    role: Role
    bytes: int
    offset: int = 0


@dataclass(frozen=True)
class Launch:
    """One run of a kernel. In OpenCL the global size is grid times block, the local size block."""

    kernel: str
    """Name of the kernel."""
    buffers: tuple[int, ...]
    """Index into `LaunchPlan.buffers` of each parameter's buffer."""
    grid: Extent
    """Blocks along x, y, z."""
    block: Extent
    """Threads of a block along x, y, z."""
    op: str
    """What it does, in a few words."""


@dataclass(frozen=True)
class LaunchPlan:
    """A network on a GPU."""

    spec: NetSpec
    """Interface of the network."""
    gpu: Gpu
    """GPU that it is compiled for."""
    source: str
    """Text of the kernels."""
    weights: bytes
    """Packed weights."""
    buffers: tuple[DeviceBuffer, ...]
    """Buffers of all launches."""
    launches: tuple[Launch, ...]
    """Launches in order."""

    def identified(self) -> LaunchPlan:
        """Add the digest of the build: of everything but the weights, which are a separate file."""
        plain = replace(self.spec, build="")
        parts = (json.dumps(asdict(plain) | {"weights_sha256": ""}), self.to_json(), self.source)
        build = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:DIGEST_DIGITS]
        return replace(self, spec=replace(plain, build=build))

    def to_json(self) -> str:
        """Return the text of launch.json; source and weights are separate files (docs/tvm.md)."""
        listed = {
            "name": self.spec.name,
            "api": self.gpu.api,
            "arch": self.gpu.arch,
            "arena_bytes": self.spec.arena_bytes,
            "weights_bytes": self.spec.weights_bytes,
            "buffers": [asdict(buffer) for buffer in self.buffers],
            "launches": [asdict(launch) for launch in self.launches],
        }
        return json.dumps(listed, indent=1) + "\n"


def read_plan(spec: NetSpec, listed: Mapping[str, Any], source: str, weights: bytes) -> LaunchPlan:
    """Read a plan written by `to_json`; raises KeyError, TypeError or ValueError for others."""
    gpu = Gpu(listed["api"], listed["arch"])
    buffers = tuple(DeviceBuffer(**buffer) for buffer in listed["buffers"])
    launches = tuple(_launch(launch) for launch in listed["launches"])
    if any(number not in range(len(buffers)) for each in launches for number in each.buffers):
        raise ValueError("a launch names a buffer that is not there")
    spec = replace(spec, arena_bytes=int(listed["arena_bytes"]))
    return LaunchPlan(spec, gpu, source, weights[: listed["weights_bytes"]], buffers, launches)


def _launch(listed: Mapping[str, Any]) -> Launch:
    grid, block = (_extent(listed[name]) for name in ("grid", "block"))
    return Launch(listed["kernel"], tuple(listed["buffers"]), grid, block, listed["op"])


def _extent(listed: list[int]) -> Extent:
    x, y, z = map(int, listed)
    return x, y, z
