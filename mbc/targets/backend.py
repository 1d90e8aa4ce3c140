"""The seam between passes and backends: the only way in which passes learn of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mbc.ir.graph import Node
from mbc.ir.op import Op
from mbc.ir.schedule import Schedule
from mbc.ir.text.printer import schedule_text
from mbc.ir.types import TensorType
from mbc.records import dataclass


@dataclass(frozen=True)
class Support:
    """Whether a backend can run a node as it stands; `reason` says why not."""

    ok: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class Prediction:
    """Predicted cost of a node in cycles of one core, and what bounds it."""

    cycles: float
    bound: str = ""
    again: float = 0.0
    """Cycles that a second thread adds, in all: rows that both compute, weights that both read."""


class Backend(Protocol):
    """What passes ask a backend. Nodes may be candidates that are not in the final graph."""

    @property
    def name(self) -> str:
        """Short name, as in `--backend`."""

    def has_kernel(self, op: type[Op]) -> bool:
        """Whether the backend has kernels for an op, whatever its operands; for a fused op they are
        those of some bodies."""

    def supports(self, node: Node) -> Support:
        """Whether the backend has a kernel for the node with these operands, views included, and
        with the schedule that the node carries, if it carries one."""

    def candidates(self, node: Node) -> Sequence[Schedule]:
        """List the schedules that the node's kernel can have, a function of op, views, types and
        target, first the one that it has where the node carries none; () if it leaves no choice."""

    def scratch_bytes(self, node: Node) -> int:
        """Scratch of one thread that the node's kernel needs."""

    def predict(self, node: Node) -> Prediction:
        """Predicted time of the node."""

    def buffer_bytes(self, type: TensorType) -> int:
        """Bytes of an arena buffer that holds a value, with the backend's padding."""

    def reads_one_buffer(self, node: Node, role: str) -> bool:
        """Whether a concatenation of whole values that the node reads in a role must lie in one
        buffer, its parts side by side in each pixel; other views are gathered by the kernel."""

    def may_alias(self, node: Node, role: str) -> bool:
        """Whether the node may write its result over the operand in a role, at the same address."""

    def overlap_bytes(self, node: Node, role: str) -> int | None:
        """Run by one thread, the node may write over what it has read of the operand in a role if
        the result begins at least so many bytes before the operand; None if it may not."""


def schedule_refusal(node: Node, backend: Backend) -> str:
    """Return why a node cannot have the schedule that it carries; "" if it is one of the backend's
    candidates, or if the node carries none."""
    if node.schedule is None or node.schedule in backend.candidates(node):
        return ""
    return f"{node.op.label} cannot be computed as {schedule_text(node.schedule)}"
