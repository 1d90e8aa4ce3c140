"""Normalisation by statistics of the input itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mbc.ir.op import OperandSpec, require
from mbc.ir.types import TensorType
from mbc.ops.elementwise import SameShape
from mbc.ops.linear import check_vectors, present
from mbc.ops.quantized import check_float
from mbc.records import dataclass


@dataclass(frozen=True)
class LayerNorm(SameShape):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, with mean and variance those of the
    channels of each pixel; the variance is the mean of the squared differences."""

    mnemonic: ClassVar[str] = "layer_norm"
    per_pixel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        OperandSpec("x", along="out"),
        OperandSpec("gamma", constant=True, along="out"),
        OperandSpec("beta", constant=True, along="out"),
    )

    epsilon: float = 1e-5

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x; both constants are vectors of its channels."""
        named = self.by_role(types)
        x = present(named["x"])
        require(self.epsilon >= 0, f"epsilon must not be negative, found {self.epsilon}")
        check_vectors(self, named, x.channels)
        check_float(self.mnemonic, *types)
        return (x,)
