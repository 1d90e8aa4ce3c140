"""Products of two computed matrices."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar

from mbc.ir.op import Op, OperandSpec, OpError
from mbc.ir.types import TensorType
from mbc.ops.linear import present
from mbc.ops.quantized import check_float
from mbc.records import dataclass


@dataclass(frozen=True)
class MatMul(Op):
    """a @ b over the last two axes; those before them are the same in both."""

    mnemonic: ClassVar[str] = "matmul"
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("a"), OperandSpec("b"))

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [...,m,n] from [...,m,k] and [...,k,n]."""
        a, b = map(present, types)
        fits = a.rank == b.rank >= 2 and a.shape[:-2] == b.shape[:-2] and a.channels == b.shape[-2]
        if not fits:
            raise OpError(
                "matmul needs [...,m,k] and [...,k,n], with the same axes before them",
                f"a is {a}, b is {b}",
                code="E0202",
            )
        return (TensorType((*a.shape[:-1], b.channels), check_float(self.mnemonic, a, b)),)

    def macs(self, types: Sequence[TensorType | None]) -> int:
        """Count a multiply-add for each of k terms of an element."""
        a, b = map(present, types)
        return prod(a.shape) * b.channels
