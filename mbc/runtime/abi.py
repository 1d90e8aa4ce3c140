"""The C interface of a compiled network as data. header.py writes NET.h from it, program.py the
configuration of the executables' main.

A network NET has the functions `NET_arena_bytes` and `NET_run`; the caller owns all memory. One
thread needs an arena of `arena_bytes`; several share `shared_bytes`, and have `scratch_bytes` each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import NamedTuple

from mbc.alignment import ALIGNMENT
from mbc.ir.elements import Q8, Scalar
from mbc.ir.graph import Graph
from mbc.ir.types import TensorType
from mbc.records import dataclass
from mbc.runtime.names import member, net_identifier
from mbc.runtime.normalisation import NORMALIZE, Normalisation, parsed

POOL_H = Path(__file__).parent / "c" / "pool.h"
ABI_H = POOL_H.with_name("abi.h")
ABI_VERSION = 1  # MBC_ABI_VERSION in abi.h
DIGEST_DIGITS = 12

INPUT_LAYOUT, PLANAR = "input_layout", "NCHW"
"""The key of a graph's header that says how callers give images, and its value where the channels
come first."""


class CType(NamedTuple):
    """An element type in C."""

    ctype: str
    """Name of the C type."""
    code: int
    """Value of its MBC_… constant in abi.h."""


ELEMENTS: Mapping[str, CType] = {
    "f32": CType("float", 1),
    "f16": CType("uint16_t", 2),  # the bits
    "u8": CType("uint8_t", 3),
    "s8": CType("int8_t", 4),
    "s32": CType("int32_t", 5),
}


@dataclass(frozen=True)
class IoSpec:
    """One input or output. With a scale, an element e represents scale * (e - zero_point)."""

    name: str
    """Name in the network."""
    shape: tuple[int, ...]
    """All extents; images are NHWC unless `planar`."""
    dtype: str = "f32"
    """Element type, a key of `ELEMENTS`."""
    scale: float | None = None
    """Scale of a quantised tensor; None for all others."""
    zero_point: int = 0
    """Zero point of a quantised tensor."""
    planar: bool = False
    """Whether it is an image whose channels come first: NCHW."""
    normalisation: Normalisation | None = None
    """What the network makes of bytes; None if they are used as what they represent."""

    def __post_init__(self) -> None:
        if self.dtype not in ELEMENTS:
            raise ValueError(f"{self.name}: no C type for {self.dtype}")
        if self.zero_point and self.scale is None:
            raise ValueError(f"{self.name}: a zero point needs a scale")

    @staticmethod
    def of(name: str, type: TensorType) -> IoSpec:
        """Return the input or output that callers see for a tensor type."""
        element = type.element
        scale = (element.scale, element.zero) if isinstance(element, Q8) else ()
        return IoSpec(name, type.shape, str(element.stored), *scale)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The extents with the channels last."""
        if not self.planar:
            return self.shape
        batch, channels, height, width = self.shape
        return batch, height, width, channels

    @property
    def count(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def element(self) -> Scalar:
        """Element type that callers see."""
        return Scalar.named(self.dtype)

    @property
    def ctype(self) -> str:
        """Element type in C."""
        return ELEMENTS[self.dtype].ctype

    @property
    def code(self) -> str:
        """Name of the element type's constant in abi.h."""
        return f"MBC_{self.dtype.upper()}"


def interface_of(graph: Graph) -> tuple[tuple[IoSpec, ...], tuple[IoSpec, ...]]:
    """Return the inputs and the outputs of a graph."""
    outputs = zip(graph.output_names, (view.type for view in graph.outputs), strict=True)
    inputs = (_input(graph, IoSpec.of(value.name, value.type)) for value in graph.inputs)
    return (
        tuple(inputs),
        tuple(IoSpec.of(name, type) for name, type in outputs),
    )


def _input(graph: Graph, io: IoSpec) -> IoSpec:
    """Add what the graph's header says of an input."""
    planar = graph.meta.get(INPUT_LAYOUT) == PLANAR and len(io.shape) == 4
    known = parsed(text) if (text := graph.meta.get(NORMALIZE)) and io.dtype == "u8" else None
    return replace(io, planar=planar, normalisation=known)


@dataclass(frozen=True)
class NetSpec:
    """What a C caller must know about a network. Sizes are in bytes.

    One thread and several have separate memory plans: one thread computes rows in order, and
    overwrites those that it has read. Memory sizes are multiples of `ALIGNMENT`, so that each
    thread's scratch starts aligned.
    """

    name: str
    """C identifier, the prefix of all names."""
    inputs: tuple[IoSpec, ...]
    """Inputs, in the order of `NET_io`."""
    outputs: tuple[IoSpec, ...]
    """Outputs, which follow them."""
    arena_bytes: int
    """Arena of a run on one thread."""
    scratch_bytes: int
    """Scratch of each thread where several run, in addition to `shared_bytes`."""
    weights_bytes: int
    """Size of the packed weights."""
    weights_sha256: bytes = b""
    """Digest of the weights if they are a file that the caller of `NET_run` maps; else empty."""
    shared_bytes: int = 0
    """Arena that several threads share."""
    build: str = ""
    """Digest of everything that distinguishes two builds, part of every symbol; "" if nothing is
    linked."""

    def __post_init__(self) -> None:
        if net_identifier(self.name) != self.name:
            raise ValueError(f"{self.name!r} cannot name a network in C; net_identifier() can")
        for size in (self.arena_bytes, self.shared_bytes, self.scratch_bytes):
            if size % ALIGNMENT:
                raise ValueError(f"{self.name}: {size} bytes are not a multiple of {ALIGNMENT}")

    @property
    def external_weights(self) -> bool:
        """Whether the weights are a separate file."""
        return bool(self.weights_sha256)

    def symbol(self, part: str) -> str:
        """Return the linker's name of a part of this build: "run" → "NET_run_0123456789ab"."""
        return "_".join((self.name, part, *([self.build] if self.build else [])))

    def total_bytes(self, threads: int) -> int:
        """Compute the result of `NET_arena_bytes(threads)`."""
        if threads <= 1:
            return self.arena_bytes
        return self.shared_bytes + threads * self.scratch_bytes

    def fields(self) -> tuple[str, ...]:
        """Return the names of the pointers in `NET_io`: the inputs in order, then the outputs."""
        return _unique(member(io.name) for io in (*self.inputs, *self.outputs))


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    """Append numbers to equal words, regardless of case: macros are in upper case."""
    seen: set[str] = set()
    names: list[str] = []
    for word in words:
        name, number = word, 1
        while name.upper() in seen:
            number += 1
            name = f"{word.rstrip('_')}_{number}"
        seen.add(name.upper())
        names.append(name)
    return tuple(names)


def tensors_of(spec: NetSpec) -> Iterator[tuple[str, str, IoSpec]]:
    """Yield the role ("input" or "output"), field name and spec of each tensor."""
    roles = ["input"] * len(spec.inputs) + ["output"] * len(spec.outputs)
    yield from zip(roles, spec.fields(), (*spec.inputs, *spec.outputs), strict=True)


def weights_file(blob: bytes) -> bytes:
    """Return the content of NET.weights: the weights, then their SHA-256."""
    return blob + hashlib.sha256(blob).digest()
