"""Element types: plain numbers, and `q8(scale, zero)`, 8-bit codes of real numbers."""

from __future__ import annotations

from enum import StrEnum
from math import isfinite
from typing import TypeAlias

import numpy as np

from mbc.records import dataclass

SMALLEST_SCALE = float(np.finfo(np.float32).smallest_normal)


class Scalar(StrEnum):
    """Plain number types."""

    bytes: int
    """Size of an element in bytes."""
    numpy: np.dtype[np.generic]
    """The dtype of numpy arrays."""

    F32 = "f32", np.float32
    F16 = "f16", np.float16
    S8 = "s8", np.int8
    U8 = "u8", np.uint8
    S32 = "s32", np.int32

    def __new__(cls, name: str, kind: type[np.generic]) -> Scalar:
        """Make a member whose value is its name in IR text."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.numpy = np.dtype(kind)
        member.bytes = member.numpy.itemsize
        return member

    @staticmethod
    def named(name: str) -> Scalar:
        """Return the element type of a name in IR text; KeyError if there is none."""
        return Scalar[name.upper()]

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.numpy.kind == "f"

    @property
    def stored(self) -> Scalar:
        """The type of an element in memory: itself."""
        return self


@dataclass(frozen=True)
class Q8:
    """Quantised elements: code c, 0 to 255, represents the real number scale * (c - zero)."""

    scale: float
    """A positive normal float32, held in a Python float without loss; `Q8.of` rounds to one."""
    zero: int
    """The zero point, 0 to 255: the code of 0.0."""

    def __post_init__(self) -> None:
        if self.scale != float(np.float32(self.scale)):
            raise ValueError(f"the scale {self.scale!r} is no float32")
        if not (isfinite(self.scale) and self.scale >= SMALLEST_SCALE):
            raise ValueError(f"a scale is a positive normal float32, found {self.scale!r}")
        if not 0 <= self.zero <= 255:
            raise ValueError(f"a zero point is 0 to 255, found {self.zero}")

    @staticmethod
    def of(scale: float, zero: int) -> Q8:
        """Round the scale to float32. Raises ValueError for a scale or zero point out of range."""
        with np.errstate(over="ignore"):
            return Q8(float(np.float32(scale)), zero)

    def code(self, value: float) -> int:
        """Return the code nearest to a real number, computed in double precision."""
        return min(max(round(value / self.scale) + self.zero, 0), 255)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest number that a code stands for."""
        return -self.zero * self.scale, (255 - self.zero) * self.scale

    def __str__(self) -> str:
        return f"q8({np.float32(self.scale)!s},{self.zero})"

    @property
    def bytes(self) -> int:
        """Size of one element in bytes."""
        return self.stored.bytes

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The dtype of codes in numpy arrays."""
        return self.stored.numpy

    @property
    def is_float(self) -> bool:
        """False: codes are integers."""
        return False

    @property
    def stored(self) -> Scalar:
        """The type of a code in memory, in files and in callers' tensors."""
        return Scalar.U8


Element: TypeAlias = Scalar | Q8

F32, F16, S8, U8, S32 = Scalar
