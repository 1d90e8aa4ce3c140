"""Ops on single elements or pixels: activations, batch norm, addition, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mbc.ir.activations import RELU, Activation, short_name
from mbc.ir.elements import Q8
from mbc.ir.op import Activated, Op, OperandSpec, OpError, require
from mbc.ir.types import TensorType
from mbc.ops.linear import check_vectors, present
from mbc.ops.quantized import check_codes_act, check_float, quantised_element, unquantised


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
class Add(Activated):
    """a + b of equal shapes, then the activation. A quantised sum has the element `to`."""

    mnemonic: ClassVar[str] = "add"
    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        OperandSpec("a", along="out"),
        OperandSpec("b", along="out"),
    )

    act: Activation | None = None
    to: Q8 | None = None

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the common type; for quantised operands the common shape with element `to`."""
        named = self.by_role(types)
        a, b = present(named["a"]), present(named["b"])
        if a.shape != b.shape:
            raise OpError("add needs equal shapes", f"a is {a}, b is {b}", code="E0202")
        if isinstance(a.element, Q8) and isinstance(b.element, Q8):
            check_codes_act(self.mnemonic, self.act)
            return (TensorType(a.shape, quantised_element(self.mnemonic, self.to)),)
        unquantised(self.mnemonic, self.to)
        check_float(self.mnemonic, a, b)
        return (a,)
