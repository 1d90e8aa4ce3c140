"""A fused node: a straight-line body of ordinary ops that a backend runs as one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mbc.ir.graph import Graph
from mbc.ir.op import Op, OperandSpec, OpError
from mbc.ir.types import TensorType
from mbc.records import dataclass


@dataclass(frozen=True, eq=False)
class Fused(Op):
    """A body of ordinary ops, run as one kernel.

    Operands are the body's inputs in order; constants are in the body, which is no longer edited.
    """

    mnemonic: ClassVar[str] = "fused"
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", variadic=True),)

    kind: str
    """Name of the fusion in dumps and kernel names."""
    body: Graph
    """The fused ops."""

    @property
    def bodies(self) -> tuple[Graph, ...]:
        """The body."""
        return (self.body,)

    def roles(self, count: int) -> tuple[str, ...]:
        """Return the names of the body's inputs."""
        return tuple(value.name for value in self.body.inputs)

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the types of the body's outputs."""
        wanted = [value.type for value in self.body.inputs]
        if list(types) != wanted:
            found = ", ".join(map(str, types))
            raise OpError(
                "operands do not match the fused body",
                f"found {found}, the body takes {', '.join(map(str, wanted))}",
            )
        return tuple(view.type for view in self.body.outputs)

    def macs(self, types: Sequence[TensorType | None]) -> int:
        """Count the multiply-adds of the body."""
        return sum(node.op.macs(node.operand_types) for node in self.body.topo())
