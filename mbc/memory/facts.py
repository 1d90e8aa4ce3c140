"""A backend's answers to the memory model, cached."""

from __future__ import annotations

from dataclasses import field

from mbc.alignment import round_up
from mbc.ir.elements import Scalar
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.records import dataclass
from mbc.targets.backend import Backend


@dataclass(frozen=True)
class Facts:
    """A backend's answers, rounded up to whole cache lines.

    They are cached, since planning asks about the same nodes again and again and an answer may cost
    as much as planning a kernel. Nodes must not be edited meanwhile."""

    backend: Backend
    alone: bool = True
    """Whether one thread runs all kernels. Then rows are computed in order, so that results may
    overlap operands, and scratch is part of the arena; several threads have their own scratch."""
    _sizes: dict[TensorType, int] = field(default_factory=dict)
    _scratch: dict[Node, int] = field(default_factory=dict)
    _distances: dict[tuple[Node, str], int | None] = field(default_factory=dict)

    def bytes(self, type: TensorType) -> int:
        """Return the size of a buffer."""
        if type not in self._sizes:
            self._sizes[type] = round_up(self.backend.buffer_bytes(type))
        return self._sizes[type]

    def form(self, type: TensorType) -> Scalar:
        """Return what is stored for an element of a value. All values that views join have the same
        element, and so the same form."""
        return type.element.stored

    def pitch(self, type: TensorType) -> int:
        """Return the distance of pixels in a buffer, in elements."""
        pixels = type.elements // type.channels
        return self.backend.buffer_bytes(type) // (self.form(type).bytes * pixels)

    def scratch(self, node: Node) -> int:
        """Return the bytes of scratch in the arena."""
        if not self.alone:
            return 0
        if node not in self._scratch:
            self._scratch[node] = round_up(self.backend.scratch_bytes(node))
        return self._scratch[node]

    def distance(self, node: Node, role: str) -> int | None:
        """Return how many bytes before an operand the result must start to overlap it; None if it
        must not."""
        if not self.alone:
            return None
        key = (node, role)
        if key not in self._distances:
            found = self.backend.overlap_bytes(node, role)
            self._distances[key] = None if found is None else round_up(found)
        return self._distances[key]
