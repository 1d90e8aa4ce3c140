"""The base class of all ops: a frozen dataclass of typed attributes.

Printing, parsing, help and comparison derive from the dataclass fields; subclasses add shape
inference and cost. The ops themselves live in mbc/ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mbc.ir.types import TensorType


@dataclass(frozen=True)
class OperandSpec:
    """The role of an operand. `constant` operands are weights; `variadic` only as the last one."""

    name: str
    optional: bool = False
    constant: bool = False
    variadic: bool = False


@dataclass(frozen=True)
class Cost:
    """Work of one node for one inference: multiply-adds of convolutions and dense layers (the
    papers' count: no bias, batch norm, activation or pooling), learned parameters, bytes."""

    macs: int = 0
    params: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.macs + other.macs,
            self.params + other.params,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
        )


class OpError(Exception):
    """Operands or attributes that do not fit an op: raised by `Op.infer`, turned into a
    diagnostic with the user's line by whoever knows it."""

    def __init__(self, message: str, label: str = "", help: str = "", code: str = "E0201") -> None:
        super().__init__(message)
        self.message, self.label, self.help, self.code = message, label, help, code


@dataclass(frozen=True)
class Op:
    """An operation. `operands` gives the roles in order; absent optional operands are None."""

    mnemonic: ClassVar[str]
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x"),)
    moves_data_only: ClassVar[bool] = False

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Result types for operand types; raises OpError where they do not fit."""
        raise NotImplementedError

    def macs(self, types: Sequence[TensorType | None]) -> int:
        """Multiply-adds, counted as the papers do."""
        return 0

    def operand_name(self, slot: int) -> str:
        """Role of the operand at a position, variadic ones included."""
        return self.operands[min(slot, len(self.operands) - 1)].name


def require(condition: bool, message: str, label: str = "", help: str = "") -> None:
    """Raise an OpError unless the condition holds."""
    if not condition:
        raise OpError(message, label, help)
