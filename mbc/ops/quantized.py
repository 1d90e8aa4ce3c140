"""Quantised arithmetic: the element types that ops take, and conversions between f32 and q8.

A quantised tensor has 8-bit codes c that represent scale * (c - zero). Sums are exact in s32. They
are requantised in f32, with each operation rounded, in this order:

    code = clamp(round_half_even(f32(sum) * multiplier) + zero, lowest, highest)

where the bounds are 0 and 255, or those of an activation. Multipliers are data, or computed from
scales in double precision and rounded to f32 once. So every target computes the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import ClassVar

import numpy as np

from mbc.ir.activations import Activation
from mbc.ir.elements import F32, Q8, S8, S32, U8, Element
from mbc.ir.op import Activated, Op, OperandSpec, OpError
from mbc.ir.types import TensorType
from mbc.records import dataclass

MULTIPLIER = OperandSpec("multiplier", optional=True, constant=True, along="out")
LAYER_ELEMENTS = {"weight": S8, "bias": S32, "multiplier": F32}
"""The elements of a quantised layer's constants, by role."""

MAX_SUM = 2**31 - 1
LARGEST_CODE, LARGEST_WEIGHT = 255, 128


def largest_sums(x: Q8, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Return for each output channel, the last axis of a layer's weight, how large its sums over
    codes of x can be."""
    w = weight.astype(np.float64).reshape(-1, weight.shape[-1])
    above, below = np.maximum(w, 0).sum(0), np.maximum(-w, 0).sum(0)
    high, low = LARGEST_CODE - x.zero, x.zero
    sums: np.ndarray = np.maximum(above * high + below * low, above * low + below * high)
    return sums if bias is None else sums + np.abs(bias.astype(np.float64))


def check_float(op: str, *types: TensorType | None) -> Element:
    """Return the floating-point element that all operands share; raises OpError E0207."""
    present = [type for type in types if type is not None]
    element = present[0].element
    if not element.is_float or any(type.element != element for type in present):
        found = " and ".join(dict.fromkeys(map(str, present)))
        message = f"{op} takes tensors of one floating-point element"
        raise OpError(message, f"found {found}", code="E0207")
    return element


def quantised_element(op: str, to: Q8 | None) -> Q8:
    """Return the element of a quantised result, the attribute `to`; E0207 if that is missing."""
    if to is None:
        message = f"{op} of quantised operands needs the element of its result"
        raise OpError(message, "there is no `to`", "to=q8(scale,zero)", code="E0207")
    return to


def unquantised(op: str, to: Q8 | None) -> None:
    """Raise OpError E0207 if `to` is given for floating-point operands."""
    if to is not None:
        message = f"{op} of floating-point operands has no quantised result"
        raise OpError(message, f"to={to}", "quantize its result", code="E0207")


def layer_element(op: Activated, to: Q8 | None, types: Mapping[str, TensorType | None]) -> Element:
    """Return the element of a layer's result.

    It is that of floating-point operands. With x q8, weight s8, bias s32 and multiplier f32 it is
    `to`, or f32 without it. Raises OpError E0207 for other elements, E0206 for too large sums.
    """
    x, weight, name = types["x"], types["weight"], op.mnemonic
    assert x is not None
    assert weight is not None
    multiplier = types.get("multiplier")
    if not isinstance(x.element, Q8):
        unquantised(name, to)
        if multiplier is not None:
            message = f"{name} of floating-point operands has no multiplier"
            raise OpError(message, f"x is {x}", code="E0207")
        return check_float(name, x, weight, types["bias"], types.get("slope"))
    if types.get("slope") is not None:
        message = f"{name} of quantised operands has no slope"
        raise OpError(message, f"x is {x}", code="E0207")
    for role, wanted in LAYER_ELEMENTS.items():
        type = types[role]
        if type is not None and type.element != wanted:
            message = f"{name} of quantised operands has a {role} of {wanted}"
            raise OpError(message, f"{role} is {type}", code="E0207")
    if multiplier is None:
        message = f"{name} of quantised operands needs a multiplier for each output channel"
        raise OpError(message, f"x is {x}", code="E0207")
    check_codes_act(name, op.act)
    check_sum(name, weight.elements // weight.channels, LARGEST_CODE * LARGEST_WEIGHT)
    return F32 if to is None else to


def check_sum(op: str, terms: int, largest: int) -> None:
    """Raise OpError E0206 if a sum of `terms` terms may exceed s32."""
    if terms * largest > MAX_SUM:
        message = f"{op} adds {terms:,} quantised terms, at most {MAX_SUM // largest:,} fit s32"
        raise OpError(message, code="E0206")


def mean_element(op: str, to: Q8 | None, x: TensorType, terms: int) -> Element:
    """Return the element of a mean of `terms` elements of x; raises OpError E0206, E0207."""
    if not isinstance(x.element, Q8):
        unquantised(op, to)
        return check_float(op, x)
    check_sum(op, terms, LARGEST_CODE)
    return quantised_element(op, to)


def weight_scales(multiplier: np.ndarray, x: Q8, to: Element) -> np.ndarray:
    """Return the scale of each channel of a layer's weight, in double precision."""
    found: np.ndarray = multiplier.astype(np.float64) / x.scale
    return found * to.scale if isinstance(to, Q8) else found


def ratio(source: Q8, to: Q8, terms: int = 1) -> np.float32:
    """Return the multiplier that turns a sum of codes, divided by `terms`, into steps of `to`."""
    return np.float32(source.scale / (terms * to.scale))


def product_ratio(a: Q8, b: Q8, to: Q8) -> np.float32:
    """Return the multiplier that turns a product of codes into steps of `to`."""
    return np.float32(a.scale * b.scale / to.scale)


def code_range(element: Q8, act: Activation | None) -> tuple[int, int]:
    """Return the lowest and the highest code of a result with an activation."""
    lo, hi = (-inf, inf) if act is None or act.bounds is None else act.bounds
    low = 0 if lo == -inf else element.code(lo)
    return low, LARGEST_CODE if hi == inf else element.code(hi)


def check_codes_act(op: str, act: Activation | None) -> None:
    """Raise OpError E0207 for activations other than clips, which codes do not support."""
    if act is not None and act.bounds is None:
        message = f"{op} of quantised operands has no activation but clips"
        raise OpError(message, f"act={act}", code="E0207")


def codes_of(op: str, x: TensorType | None) -> Q8:
    """Return the element of an operand that must be quantised; raises OpError E0207."""
    if x is None or not isinstance(x.element, Q8):
        raise OpError(f"{op} takes a quantised tensor", f"x is {x}", code="E0207")
    return x.element


@dataclass(frozen=True)
class Quantize(Op):
    """Quantisation of real numbers: clamp(round_half_even(x * f32(1 / scale)) + zero, 0, 255); NaN
    gives the zero point."""

    mnemonic: ClassVar[str] = "quantize"
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True

    to: Q8 | None = None

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the shape of x, which is f32, with the element `to`."""
        (x,) = types
        if x is None or x.element != F32:
            raise OpError("quantize takes f32", f"x is {x}", code="E0207")
        return (TensorType(x.shape, quantised_element("quantize", self.to)),)


@dataclass(frozen=True)
class Dequantize(Op):
    """The real numbers that codes represent: f32(code - zero) * scale."""

    mnemonic: ClassVar[str] = "dequantize"
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the shape of x, which is quantised, in f32."""
        (x,) = types
        codes_of(self.mnemonic, x)
        assert x is not None
        return (TensorType(x.shape, F32),)


@dataclass(frozen=True)
class Requantize(Op):
    """Codes of another scale and zero point: clamp(round_half_even(f32(code - zero of x) * f32(its
    scale / scale)) + zero, 0, 255)."""

    mnemonic: ClassVar[str] = "requantize"
    operands: ClassVar[tuple[OperandSpec, ...]] = (OperandSpec("x", along="out"),)
    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True

    to: Q8 | None = None

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the shape of x, which is quantised, with the element `to`."""
        x = self.by_role(types)["x"]
        codes_of(self.mnemonic, x)
        assert x is not None
        return (TensorType(x.shape, quantised_element(self.mnemonic, self.to)),)


TABLE = TensorType((256,), U8)
"""A result for each code."""


def table_codes(function: Callable[[np.ndarray], np.ndarray], x: Q8, to: Q8) -> np.ndarray:
    """Return the codes of a function of one number, in double precision, of each code of x: rounded
    half to even, and clamped. NaN gives the zero point, infinity the last code."""
    numbers = (np.arange(256) - np.float64(x.zero)) * x.scale
    with np.errstate(all="ignore"):
        steps = np.rint(np.asarray(function(numbers), np.float64) / to.scale)
    steps = np.where(np.isnan(steps), 0, steps) + to.zero
    codes: np.ndarray = np.clip(steps, 0, 255).astype(np.uint8)
    return codes


@dataclass(frozen=True)
class Lookup(Op):
    """The byte of a table, u8[256], for each code of x: any function of one number; with u8[256,c]
    another one for each channel. The bytes are codes of the element `to`."""

    mnemonic: ClassVar[str] = "lookup"
    operands: ClassVar[tuple[OperandSpec, ...]] = (
        OperandSpec("x", along="out"),
        OperandSpec("table", constant=True, along="out"),
    )
    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    per_pixel: ClassVar[bool] = True

    to: Q8 | None = None

    def infer(self, types: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
        """Return the shape of x, which is quantised, with the element `to`."""
        named = self.by_role(types)
        x, table = named["x"], named["table"]
        codes_of(self.mnemonic, x)
        assert x is not None
        by_channel = TensorType((*TABLE.shape, x.channels), U8)
        if table not in (TABLE, by_channel):
            message = f"a table is {TABLE}, found {table}"
            raise OpError(message, help=f"or {by_channel}, by channel", code="E0207")
        return (TensorType(x.shape, quantised_element(self.mnemonic, self.to)),)

    def specs(self, types: Sequence[TensorType | None]) -> tuple[OperandSpec, ...]:
        """Return the specs, with that of a table for all channels along none."""
        x, table = super().specs(types)
        alike = self.by_role(types)["table"] == TABLE
        return x, replace(table, along=()) if alike else table
