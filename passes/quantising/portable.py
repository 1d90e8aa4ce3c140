"""The answers of no backend in particular, for what runs before a network is quantised.

So a graph is quantised alike for every target. A layer takes the activations that are bounds of
codes; what does more becomes a table of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbc.ir.graph import Node
from mbc.ir.op import Activated, Op
from mbc.ir.schedule import Schedule
from mbc.ir.types import TensorType
from mbc.records import dataclass
from mbc.targets.backend import Prediction, Support


@dataclass(frozen=True)
class Portable:
    """A backend that computes what integers can."""

    @property
    def name(self) -> str:
        """Short name."""
        return "portable"

    def has_kernel(self, op: type[Op]) -> bool:
        """Answer for all ops alike."""
        return True

    def supports(self, node: Node) -> Support:
        """Refuse epilogues that are no bounds of codes."""
        act = node.op.act if isinstance(node.op, Activated) else None
        if act is not None and act.bounds is None:
            return Support(False, f"codes are not bounded by {act}")
        return Support(node["slope"] is None, "codes have no slopes")

    def candidates(self, node: Node) -> Sequence[Schedule]:
        """Leave no choice."""
        return ()

    def scratch_bytes(self, node: Node) -> int:
        """Need no scratch."""
        return 0

    def predict(self, node: Node) -> Prediction:
        """Count multiply-adds."""
        return Prediction(node.op.macs(node.operand_types))

    def buffer_bytes(self, type: TensorType) -> int:
        """Return the bytes without padding."""
        return type.bytes

    def reads_one_buffer(self, node: Node, role: str) -> bool:
        """Ask for no place of any value."""
        return False

    def may_alias(self, node: Node, role: str) -> bool:
        """Write over nothing."""
        return False

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        """Write over nothing."""
        return None
