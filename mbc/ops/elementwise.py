"""Ops on each element: activations, batch norm, addition, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mbc.ir.op import Op, OperandSpec, OpError, require
from mbc.ir.types import Act, TensorType
from mbc.ops.linear import check_vector, present


@dataclass(frozen=True)
class SameShape(Op):
    """An op whose result has the type of its operand."""

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """The type of x."""
        return (present(types[0]),)


@dataclass(frozen=True)
class Relu(SameShape):
    """max(x, 0)."""

    mnemonic: ClassVar[str] = "relu"


@dataclass(frozen=True)
class Relu6(SameShape):
    """min(max(x, 0), 6) (MobileNetV2, arXiv 1801.04381)."""

    mnemonic: ClassVar[str] = "relu6"


@dataclass(frozen=True)
class Softmax(SameShape):
    """exp(x - max) / sum over the last axis."""

    mnemonic: ClassVar[str] = "softmax"


@dataclass(frozen=True)
class BatchNorm(Op):
    """Inference-time batch normalisation: (x - mean) / sqrt(variance + epsilon) * gamma + beta."""

    mnemonic: ClassVar[str] = "batch_norm"
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        OperandSpec("x"),
        OperandSpec("gamma", constant=True),
        OperandSpec("beta", constant=True),
        OperandSpec("mean", constant=True),
        OperandSpec("variance", constant=True),
    )

    epsilon: float = 1e-5

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """The type of x; all constants are vectors of its channels."""
        x = present(types[0])
        require(self.epsilon >= 0, f"epsilon must not be negative, found {self.epsilon}")
        for spec, type in zip(self.operands[1:], types[1:], strict=True):
            check_vector(spec.name, present(type), x.channels)
        return (x,)


@dataclass(frozen=True)
class Add(Op):
    """a + b of equal shapes, then the activation."""

    mnemonic: ClassVar[str] = "add"
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("a"), OperandSpec("b"))

    act: Act = Act.NONE

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """The common type."""
        a, b = present(types[0]), present(types[1])
        if a != b:
            raise OpError("add needs equal shapes", f"a is {a}, b is {b}", code="E0202")
        return (a,)
