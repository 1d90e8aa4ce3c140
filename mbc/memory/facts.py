"""What the memory model asks a backend, each question asked once."""

from __future__ import annotations

from dataclasses import dataclass, field

from mbc.ir.elements import Scalar
from mbc.ir.graph import Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.targets.backend import Backend

ALIGNMENT = 64  # a cache line


def aligned(size: int) -> int:
    """The size in whole cache lines."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class Facts:
    """A backend's answers, in whole cache lines. Planning tries many orders and fusions of the same
    nodes, and an answer may cost as much as planning a kernel. Nodes must not be edited.

    `alone` says that one thread runs all: then rows are made in order, so results may lie over
    operands, and its scratch needs a place only while a node runs. Several threads have each their
    own scratch, beside the arena."""

    backend: Backend
    alone: bool = True
    _sizes: dict[TensorType, int] = field(default_factory=dict)
    _scratch: dict[Node, int] = field(default_factory=dict)
    _distances: dict[tuple[Node, str], int | None] = field(default_factory=dict)

    def bytes(self, type: TensorType) -> int:
        """Bytes of a buffer."""
        if type not in self._sizes:
            self._sizes[type] = aligned(self.backend.buffer_bytes(type))
        return self._sizes[type]

    def form(self, type: TensorType) -> Scalar:
        """What lies in memory for an element of a value: what its type says. All values that views
        join have one element, and so one form."""
        return type.element.stored

    def pitch(self, type: TensorType) -> int:
        """Elements from pixel to pixel of a buffer."""
        pixels = type.elements // type.channels
        return self.backend.buffer_bytes(type) // (self.form(type).bytes * pixels)

    def scratch(self, node: Node) -> int:
        """Scratch in the arena."""
        if not self.alone:
            return 0
        if node not in self._scratch:
            self._scratch[node] = aligned(self.backend.scratch_bytes(node))
        return self._scratch[node]

    def distance(self, node: Node, role: str) -> int | None:
        """How far before an operand the result must begin to lie over it; None if it may not."""
        if not self.alone:
            return None
        key = (node, role)
        if key not in self._distances:
            found = self.backend.overlap_bytes(node, role)
            self._distances[key] = None if found is None else aligned(found)
        return self._distances[key]

    def in_one_buffer(self, node: Node) -> list[ChannelView]:
        """The concatenations of whole values that a node must find side by side in one buffer."""
        return [
            operand
            for role, operand in node.items()
            if isinstance(operand, ChannelView)
            and len(operand.values) > 1
            and is_concatenation(operand)
            and self.backend.reads_one_buffer(node, role)
        ]


def is_concatenation(view: ChannelView) -> bool:
    """Whether a view reads whole values one after the other."""
    return view.order.is_identity and all(segment.is_whole for segment in view.segments)
