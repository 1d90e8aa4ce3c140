"""Normalisations of each pixel over all or some channels, and of each channel over an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mbc.ir.op import Op, OperandSpec, require
from mbc.ir.types import TensorType
from mbc.ops.elementwise import SameShape
from mbc.ops.linear import check_vectors, present
from mbc.ops.quantized import check_float
from mbc.ops.unary import MOST_EXPONENT
from mbc.records import dataclass


@dataclass(frozen=True)
class LogSoftmax(SameShape):
    """x - max - log(sum of exp(x - max)) over the last axis: the logarithm of softmax."""

    mnemonic: ClassVar[str] = "log_softmax"
    per_pixel: ClassVar[bool] = True


@dataclass(frozen=True)
class L2Normalize(SameShape):
    """x / max(sqrt(sum of x**2), epsilon) over the last axis."""

    mnemonic: ClassVar[str] = "l2_normalize"
    per_pixel: ClassVar[bool] = True

    epsilon: float = 1e-12

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x."""
        require(self.epsilon > 0, f"epsilon must be positive, found {self.epsilon:g}")
        return super().infer(types)


@dataclass(frozen=True)
class Lrn(Op):
    """x / (bias + alpha / size * sum of x**2)**beta over `size` channels around each one, after an
    even size one more after it than before it; beyond the ends there are zeros. Also called local
    response normalisation (Krizhevsky, Sutskever and Hinton 2012, section 3.3)."""

    mnemonic: ClassVar[str] = "lrn"
    per_pixel: ClassVar[bool] = True

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0

    def reach(self, channels: int) -> tuple[int, int]:
        """Return how many channels before and after one are summed up with it, at most."""
        return min((self.size - 1) // 2, channels - 1), min(self.size // 2, channels - 1)

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x, which is floating-point."""
        x = present(self.by_role(types)["x"])
        require(self.size > 0, f"size must be positive, found {self.size}")
        message = f"beta must be from 0 to {MOST_EXPONENT:g}, found {self.beta:g}"
        require(0 <= self.beta <= MOST_EXPONENT, message)
        return (TensorType(x.shape, check_float(self.mnemonic, x)),)


@dataclass(frozen=True)
class InstanceNorm(Op):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, with the mean and the variance of each
    channel of each image, arXiv 1607.08022."""

    mnemonic: ClassVar[str] = "instance_norm"
    per_channel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        OperandSpec("x", along="out"),
        OperandSpec("gamma", constant=True, along="out"),
        OperandSpec("beta", constant=True, along="out"),
    )

    epsilon: float = 1e-5

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x, which is an image; gamma and beta are vectors of its channels."""
        named = self.by_role(types)
        x = present(named["x"])
        require(x.rank == 4, f"instance_norm needs an NHWC tensor, not {x}", f"x is {x}")
        require(self.epsilon > 0, f"epsilon must be positive, found {self.epsilon:g}")
        check_vectors(self, named, x.channels)
        check_float(self.mnemonic, *types)
        return (x,)
