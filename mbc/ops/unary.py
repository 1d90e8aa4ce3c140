"""Functions of each element that are no activations: they stand by themselves alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mbc.ir.op import require
from mbc.ir.types import TensorType
from mbc.ops.elementwise import SameShape
from mbc.records import dataclass

MOST_EXPONENT = 64.0


@dataclass(frozen=True)
class Unary(SameShape):
    """A function of each element."""

    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True


@dataclass(frozen=True)
class Abs(Unary):
    """The magnitude of x."""

    mnemonic: ClassVar[str] = "abs"


@dataclass(frozen=True)
class Neg(Unary):
    """-x, zeros and NaN too."""

    mnemonic: ClassVar[str] = "neg"


@dataclass(frozen=True)
class Exp(Unary):
    """exp(x)."""

    mnemonic: ClassVar[str] = "exp"


@dataclass(frozen=True)
class Log(Unary):
    """The natural logarithm; of 0 minus infinity, of negative numbers NaN."""

    mnemonic: ClassVar[str] = "log"


@dataclass(frozen=True)
class Sqrt(Unary):
    """The square root; of negative numbers NaN."""

    mnemonic: ClassVar[str] = "sqrt"


@dataclass(frozen=True)
class Reciprocal(Unary):
    """1 / x."""

    mnemonic: ClassVar[str] = "reciprocal"


@dataclass(frozen=True)
class Pow(Unary):
    """x to the power of a constant; of negative x NaN, unless the exponent is an integer."""

    mnemonic: ClassVar[str] = "pow"

    exponent: float = 2.0

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the type of x."""
        most = MOST_EXPONENT
        message = f"the exponent must be from {-most:g} to {most:g}, found {self.exponent:g}"
        require(abs(self.exponent) <= most, message)
        return super().infer(types)


UNARY: tuple[type[Unary], ...] = (Abs, Neg, Exp, Log, Sqrt, Reciprocal, Pow)
