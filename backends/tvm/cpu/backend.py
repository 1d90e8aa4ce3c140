"""The TVM backend's answers to passes for CPUs: the LLVM backend's kernels, but TVM's memory.

TVM gives every value a dense buffer of its own. So nothing is padded, no two values share their
pixels, and a result lies over no operand.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm.backend import LlvmBackend
from mbc.backends.tvm.legal.nodes import EMITTERS
from mbc.ir.graph import Node
from mbc.ir.op import Op
from mbc.ir.schedule import Schedule
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView
from mbc.records import dataclass
from mbc.targets.backend import Prediction, Support
from mbc.targets.elements import CONVERSIONS
from mbc.targets.target import Target


@dataclass(frozen=True)
class TvmBackend:
    """The kernels of `LlvmBackend`, called by TVM."""

    target: Target
    name: str = "tvm"

    @property
    def kernels(self) -> LlvmBackend:
        """The backend that has the kernels."""
        return LlvmBackend(self.target)

    def has_kernel(self, op: type[Op]) -> bool:
        """Ask the LLVM backend; TVM's own ops take the place of kernels that it lacks. Codes are
        refused."""
        return op not in CONVERSIONS and (self.kernels.has_kernel(op) or op in EMITTERS)

    def supports(self, node: Node) -> Support:
        """Ask the LLVM backend; a kernel that needs colocated values is not supported."""
        for i, (role, operand) in enumerate(node.items()):
            through = isinstance(operand, ChannelView) and not operand.is_plain
            if through and self.kernels.reads_one_buffer(node, role):
                reason = f"{node.op.label} reads operand {i} only as it is stored"
                return Support(False, reason)
        return self.kernels.supports(node)

    def candidates(self, node: Node) -> Sequence[Schedule]:
        """Return the LLVM backend's schedules."""
        return self.kernels.candidates(node)

    def scratch_bytes(self, node: Node) -> int:
        """Return the scratch of one thread, which TVM's runtime provides."""
        return self.kernels.scratch_bytes(node)

    def predict(self, node: Node) -> Prediction:
        """Return the LLVM backend's prediction."""
        return self.kernels.predict(node)

    def buffer_bytes(self, type: TensorType) -> int:
        """Return the size of the dense tensor."""
        return type.bytes

    def reads_one_buffer(self, node: Node, role: str) -> bool:
        """Never: TVM places no value within another's buffer."""
        return False

    def may_alias(self, node: Node, role: str) -> bool:
        """Never: TVM frees an operand after the call that reads it."""
        return False

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        """Never."""
        return None
