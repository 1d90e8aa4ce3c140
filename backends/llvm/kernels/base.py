"""Types common to all kernel families: buffers, the function library, finished kernels.

A kernel function takes the addresses of its value operands, its packed weights, its results and
scratch, and the range of tasks to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from math import prod

import numpy as np

from mbc.alignment import ALIGNMENT
from mbc.backends.llvm.emitter import Function, Parameter
from mbc.backends.llvm.isa import Isa
from mbc.ir.elements import Q8
from mbc.ir.graph import Constant, Node
from mbc.ir.types import TensorType
from mbc.records import dataclass

CROWDED_BYTES = 2048  # a pitch whose multiples share two of the 64 sets of a first cache


@dataclass(frozen=True)
class Buffer:
    """The layout of a tensor in memory.

    Callers' tensors are dense, and images in codes with few channels. In the arena pixels are
    padded to whole vectors, and by a cache line where they would otherwise evict each other, unless
    tensors share their pixels."""

    type: TensorType
    pitch: int
    """Elements from pixel to pixel."""
    room: int
    """Elements of a pixel, from its first on, that a kernel may overwrite."""

    @staticmethod
    def dense(type: TensorType) -> Buffer:
        """Return the layout of a caller's tensor."""
        return Buffer(type, type.channels, type.channels)

    @staticmethod
    def in_arena(type: TensorType, isa: Isa) -> Buffer:
        """Return the layout with every pixel padded."""
        if isinstance(type.element, Q8) and type.channels < isa.lanes:
            return Buffer.dense(type)
        room, size = isa.padded(type.channels), type.element.bytes
        crowded = size * room % CROWDED_BYTES == 0 and type.rank == 4 and type.shape[2] > 1
        return Buffer(type, room + (ALIGNMENT // size if crowded else 0), room)

    @staticmethod
    def shared(type: TensorType, pitch: int) -> Buffer:
        """Return the layout among other tensors in pixels of `pitch` elements."""
        return Buffer(type, pitch, type.channels)

    @property
    def pixels(self) -> int:
        """Number of pixels: elements of all axes but the last."""
        return prod(self.type.shape[:-1])

    @property
    def element_bytes(self) -> int:
        """Size of an element."""
        return self.type.element.bytes

    @property
    def pixel_bytes(self) -> int:
        """Bytes from pixel to pixel."""
        return self.element_bytes * self.pitch

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of pixels (the last axis but one)."""
        return self.type.shape[-2] * self.pixel_bytes

    @property
    def bytes(self) -> int:
        """Bytes of the whole buffer."""
        return self.pixels * self.pixel_bytes

    @property
    def extent(self) -> int:
        """Bytes from the first pixel to the end of the last one's room."""
        return self.bytes - self.pixel_bytes + self.element_bytes * self.room

    def is_padded(self, isa: Isa) -> bool:
        """Return whether each pixel has room for whole vectors."""
        return self.room >= isa.padded(self.type.channels)


class Library:
    """The functions of a module; equal bodies share one definition."""

    def __init__(self, isa: Isa) -> None:
        self.isa = isa
        self._names: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._declared: dict[str, None] = {}

    def define(self, hint: str, function: Function) -> str:
        """Add a function unless there is an equal one; returns its name."""
        key = function.body_key()
        if key not in self._names:
            name, number = f"{hint}__{self.isa.name}", 1
            while name in self._texts:
                number += 1
                name = f"{hint}_{number}__{self.isa.name}"
            self._names[key] = name
            self._texts[name] = function.text(name, "noinline nounwind")
        return self._names[key]

    def declare(self, line: str) -> None:
        """Add a declaration of what few kernels call."""
        self._declared[line] = None

    def text(self) -> str:
        """Return all declarations and definitions."""
        return "\n".join((*self._declared, *self._texts.values()))


@dataclass(frozen=True)
class Kernel:
    """A finished kernel."""

    function: str
    """Name of its function in the library."""
    tasks: int
    """Number of tasks, which threads can share."""
    scratch_bytes: int = 0
    """Scratch of one thread, in bytes."""
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """Packed weights, flat."""


@dataclass(frozen=True)
class Site:
    """A node to lower, with its buffers."""

    node: Node
    """The node."""
    inputs: tuple[tuple[Buffer, ...], ...]
    """The buffers of each operand, one per value that its view reads; () for constants."""
    outputs: tuple[Buffer, ...]
    """The buffers of the results."""
    library: Library
    """The functions of the module."""

    @property
    def isa(self) -> Isa:
        """The vector unit."""
        return self.library.isa

    def buffers(self, role: str) -> tuple[Buffer, ...]:
        """Return the buffers of an operand; none if it is absent."""
        return self.node.op.by_role(self.inputs).get(role) or ()

    def input(self, role: str) -> Buffer:
        """Return the buffer of an operand that reads one value."""
        (buffer,) = self.buffers(role)
        return buffer

    def optional(self, role: str) -> Buffer | None:
        """Return the buffer of an operand that may be absent."""
        return self.input(role) if self.buffers(role) else None

    def pointers(self, role: str) -> tuple[str, ...]:
        """Name the kernel's parameters that hold the addresses of an operand's values."""
        index = list(self.node.op.by_role(self.inputs)).index(role)
        start = sum(len(buffers) for buffers in self.inputs[:index])
        return tuple(f"%x{start + i}" for i in range(len(self.inputs[index])))

    @property
    def output(self) -> Buffer:
        """The only result's buffer."""
        (buffer,) = self.outputs
        return buffer

    def kernel_function(self) -> Function:
        """Begin a function with the parameters of the node's kernel."""
        values = sum(len(buffers) for buffers in self.inputs)
        return kernel_function(self.isa, values, len(self.outputs))


def moving_function(site: Site) -> Function:
    """Begin the function of a kernel that moves elements: its vectors hold what is stored."""
    f, stored = site.kernel_function(), site.outputs[0].type.element.stored
    several = f.isa.element.bytes // stored.bytes
    if several > 1:
        lanes = several * f.isa.lanes
        f.isa = replace(f.isa, element=stored, lanes=lanes, wide=False, multi_load=1)
    return f


def kernel_function(isa: Isa, values: int, results: int) -> Function:
    """Begin a function with parameters %x0 … %y0 … %w %scratch %begin %end."""
    pointers = [*(f"%x{i}" for i in range(values)), *(f"%y{i}" for i in range(results))]
    parameters = [Parameter("ptr", name) for name in (*pointers, "%w", "%scratch")]
    return Function(isa, [*parameters, Parameter(isa.word, "%begin"), Parameter(isa.word, "%end")])


def constant_array(operand: object, default: Sequence[int]) -> np.ndarray:
    """Return a constant operand's data, zeros where it is absent."""
    return operand.array if isinstance(operand, Constant) else np.zeros(default, np.float32)


def pack_vectors(isa: Isa, *vectors: np.ndarray) -> np.ndarray:
    """Pack vectors of the channels as [channel vector][each of them][lanes]."""
    rows = np.stack(vectors).astype(isa.element.numpy)
    rows = np.pad(rows, ((0, 0), (0, isa.padded(rows.shape[1]) - rows.shape[1])))
    return np.ascontiguousarray(rows.reshape(len(rows), -1, isa.lanes).swapaxes(0, 1)).ravel()
