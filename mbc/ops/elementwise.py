"""Ops on single elements or pixels: activations, batch norm, arithmetic, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from mbc.ir.activations import RELU, Activation, short_name
from mbc.ir.elements import Q8
from mbc.ir.op import Activated, Op, OperandSpec, require
from mbc.ir.types import TensorType
from mbc.ops.broadcast import broadcast
from mbc.ops.linear import check_vectors, present
from mbc.ops.quantized import check_codes_act, check_float, quantised_element, unquantised
from mbc.records import dataclass


@dataclass(frozen=True)
class SameShape(Op):
    """An op on floating-point numbers whose result has the type of its operand."""

    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x, which is floating-point."""
        x = present(self.by_role(types)["x"])
        check_float(self.mnemonic, x)
        return (x,)


@dataclass(frozen=True)
class Activate(SameShape):
    """An activation of each element, quantised ones too."""

    mnemonic: ClassVar[str] = "activation"
    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True

    act: Activation = RELU

    @property
    def label(self) -> str:
        """Name of the activation."""
        return short_name(self.act)

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x."""
        x = present(self.by_role(types)["x"])
        if not isinstance(x.element, Q8):
            return super().infer(types)
        check_codes_act(self.mnemonic, self.act)
        return (x,)


@dataclass(frozen=True)
class Softmax(SameShape):
    """exp(x - max) / sum over the last axis."""

    mnemonic: ClassVar[str] = "softmax"
    per_pixel: ClassVar[bool] = True


@dataclass(frozen=True)
class BatchNorm(Op):
    """Inference-time batch normalisation: (x - mean) / sqrt(variance + epsilon) * gamma + beta."""

    mnemonic: ClassVar[str] = "batch_norm"
    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        OperandSpec("x", along="out"),
        OperandSpec("gamma", constant=True, along="out"),
        OperandSpec("beta", constant=True, along="out"),
        OperandSpec("mean", constant=True, along="out", statistic=True),
        OperandSpec("variance", constant=True, along="out", statistic=True),
    )

    epsilon: float = 1e-5

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x; all constants are vectors of its channels."""
        named = self.by_role(types)
        x = present(named["x"])
        require(self.epsilon >= 0, f"epsilon must not be negative, found {self.epsilon}")
        check_vectors(self, named, x.channels)
        check_float(self.mnemonic, *types)
        return (x,)


NORM = tuple(spec.name for spec in BatchNorm.operands if spec.constant)
"""The roles of batch norm's constants: gamma, beta, mean, variance."""


@dataclass(frozen=True)
class Arithmetic(Activated):
    """An operator on two operands, then the activation. One operand has the shape of the result, to
    which the other is broadcast (mbc/ops/broadcast.py); one may be a constant."""

    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        OperandSpec("a", along="out", either=True),
        OperandSpec("b", along="out", either=True),
    )

    act: Activation | None = None

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the broadcast shape of floating-point operands."""
        a, b = map(present, types)
        shape = broadcast(self.mnemonic, a, b)
        return (TensorType(shape, check_float(self.mnemonic, a, b)),)

    def specs(self, types: Sequence[TensorType | None]) -> tuple[OperandSpec, ...]:
        """Return specs along no channels for operands that have the same number for all."""
        channels = max(type.channels for type in types if type)
        pairs = zip(self.operands, types, strict=True)
        return tuple(
            replace(spec, along=()) if type and type.channels < channels else spec
            for spec, type in pairs
        )


@dataclass(frozen=True)
class ArithmeticOnCodes(Arithmetic):
    """An operator that quantised operands may have; the result has the element `to`."""

    to: Q8 | None = None

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the broadcast type; for quantised operands with element `to`."""
        a, b = map(present, types)
        if not isinstance(a.element, Q8) or not isinstance(b.element, Q8):
            unquantised(self.mnemonic, self.to)
            return super().infer(types)
        check_codes_act(self.mnemonic, self.act)
        shape = broadcast(self.mnemonic, a, b)
        return (TensorType(shape, quantised_element(self.mnemonic, self.to)),)


@dataclass(frozen=True)
class Add(ArithmeticOnCodes):
    """a + b, then the activation. A quantised sum has the element `to`."""

    mnemonic: ClassVar[str] = "add"


@dataclass(frozen=True)
class Sub(ArithmeticOnCodes):
    """a - b, then the activation. A quantised difference has the element `to`."""

    mnemonic: ClassVar[str] = "sub"


@dataclass(frozen=True)
class Mul(ArithmeticOnCodes):
    """a * b, then the activation. A quantised product has the element `to`."""

    mnemonic: ClassVar[str] = "mul"


@dataclass(frozen=True)
class Div(Arithmetic):
    """a / b, then the activation."""

    mnemonic: ClassVar[str] = "div"


@dataclass(frozen=True)
class Min(ArithmeticOnCodes):
    """The smaller of a and b, NaN where one is, then the activation. Of quantised ones it has the
    element `to`."""

    mnemonic: ClassVar[str] = "min"


@dataclass(frozen=True)
class Max(ArithmeticOnCodes):
    """The larger of a and b, NaN where one is, then the activation. Of quantised ones it has the
    element `to`."""

    mnemonic: ClassVar[str] = "max"


@dataclass(frozen=True)
class Prelu(Arithmetic):
    """a above 0, else a * b, arXiv 1502.01852; then the activation. b is broadcast to a."""

    mnemonic: ClassVar[str] = "prelu"

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of a."""
        (result,), (a, b) = super().infer(types), map(present, types)
        require(result.shape == a.shape, "prelu needs slopes that broadcast", f"{b} beside {a}")
        return (result,)


ARITHMETIC: tuple[type[Arithmetic], ...] = (Add, Sub, Mul, Div, Min, Max, Prelu)
