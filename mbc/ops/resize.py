"""Another height and width for images, by the nearest pixels or between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mbc.ir.elements import Q8, Element
from mbc.ir.op import Op, OperandSpec, OpError, require
from mbc.ir.types import TensorType
from mbc.ops.linear import present
from mbc.ops.quantized import check_float, quantised_element, unquantised
from mbc.ops.window import Pair
from mbc.records import dataclass

MODES = ("nearest", "bilinear")
COORDINATES = ("asymmetric", "half_pixel", "align_corners")
ROUNDINGS = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")

MAX_SIDE = 2**14  # rows or columns, so that products of two sides fit 32 bits


@dataclass(frozen=True)
class Resize(Op):
    """Each pixel of the result is read at a coordinate of x, row by row and column by column.

    A coordinate along an axis of `size` pixels, of which the result has `out`, is for pixel i

        asymmetric      i * size / out
        half_pixel      (i + 1/2) * size / out - 1/2
        align_corners   i * (size - 1) / (out - 1),  0 if out is 1

    and no less than 0 nor more than size - 1. "nearest" rounds it; the roundings are those of ONNX.
    "bilinear" weights the two pixels beside it, those of both axes; one at a whole number is read
    alone.
    """

    mnemonic: ClassVar[str] = "resize"
    per_channel: ClassVar[bool] = True
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)

    size: Pair = (1, 1)
    mode: str = "bilinear"
    coordinates: str = "half_pixel"
    rounding: str = "floor"
    to: Q8 | None = None
    """Of quantised images whose pixels are weighted."""

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Infer [n,*size,c] from [n,h,w,c]."""
        x = present(self.by_role(types)["x"])
        require(x.rank == 4, f"a resize needs an NHWC tensor, not {x}", f"x is {x}")
        _check_word("mode", self.mode, MODES)
        _check_word("coordinates", self.coordinates, COORDINATES)
        _check_word("rounding", self.rounding, ROUNDINGS)
        rounds = self.mode == "nearest" or self.rounding == "floor"
        require(rounds, "only mode nearest rounds coordinates", f"rounding is {self.rounding}")
        images, height, width, channels = x.shape
        require(min(self.size) >= 1, f"a size must be positive, found {self.size}")
        if (largest := max(height, width, *self.size)) > MAX_SIDE:
            message = f"a resize has a side of {largest}, at most {MAX_SIDE:,} are possible"
            raise OpError(message, f"x is {x}, the size {self.size}", code="E0206")
        return (TensorType((images, *self.size, channels), self.element(x)),)

    def element(self, x: TensorType) -> Element:
        """Return the element of the result: of pixels that are copied, that of x."""
        if not isinstance(x.element, Q8):
            unquantised(self.mnemonic, self.to)
            return check_float(self.mnemonic, x)
        if self.mode == "bilinear":
            return quantised_element(self.mnemonic, self.to)
        unquantised(f"{self.mnemonic} by the nearest pixels", self.to)
        return x.element


def _check_word(what: str, found: str, words: Sequence[str]) -> None:
    require(found in words, f"{what} must be one of {', '.join(words)}, found {found}")


WEIGHT_STEPS = 2**11
"""Of the weights of pixels of codes along an axis, so that four products fit s32."""


@dataclass(frozen=True)
class Taps:
    """The pixels along one axis that those of the result are made of, and their weights."""

    low: np.ndarray
    """The first pixel of each."""
    high: np.ndarray
    """The second one; the first again where one is read alone."""
    weight: np.ndarray
    """Weight of the second pixel, in double precision; that of the first is the rest of one."""

    @property
    def steps(self) -> np.ndarray:
        """The weight of the second pixel in steps of 1/2048, rounded half to even."""
        found: np.ndarray = np.rint(self.weight * WEIGHT_STEPS)
        return found


def taps_of(op: Resize, size: int, out: int) -> Taps:
    """Return the pixels of an axis, by exact arithmetic of integers.

    One that is read alone has both weights 1/2: so what is infinite stays so."""
    steps, divisor = _fractions(op, size, out)
    low, rest = np.divmod(np.clip(steps, 0, (size - 1) * divisor), divisor)
    if op.mode == "nearest":
        low = np.minimum(low + _rounds_up(op.rounding, rest, divisor), size - 1)
        rest = np.zeros_like(rest)
    alone = rest == 0
    return Taps(low, np.where(alone, low, low + 1), np.where(alone, 0.5, rest / divisor))


def _fractions(op: Resize, size: int, out: int) -> tuple[np.ndarray, int]:
    """Return the coordinates as fractions: numerators, and their denominator."""
    number = np.arange(out, dtype=np.int64)
    match op.coordinates:
        case "asymmetric":
            return number * size, out
        case "half_pixel":
            return (2 * number + 1) * size - out, 2 * out
        case _:
            return number * (size - 1), max(out - 1, 1)


def _rounds_up(rounding: str, rest: np.ndarray, divisor: int) -> np.ndarray:
    """Return which coordinates with such a rest are rounded up."""
    match rounding:
        case "floor":
            return np.zeros_like(rest)
        case "ceil":
            return np.asarray(rest > 0, rest.dtype)
        case "round_prefer_floor":
            return np.asarray(2 * rest > divisor, rest.dtype)
        case _:
            return np.asarray(2 * rest >= divisor, rest.dtype)
