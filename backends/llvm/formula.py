"""Vectors as formulas have them: operators, fused multiply-add, bounds, choices, powers of two."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.llvm import vectors
from mbc.backends.llvm.emitter import Function
from mbc.records import dataclass


@dataclass(frozen=True)
class Lanes:
    """A vector in a function. Each operation is one instruction or two, in the order of the
    formula, and rounds as IEEE 754 has it."""

    f: Function
    name: str

    def number(self, value: float) -> Lanes:
        """Return a constant."""
        return Lanes(self.f, vectors.splat_literal(self.f, value))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._arithmetic("fadd", other)

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._arithmetic("fsub", other)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._arithmetic("fmul", other)

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._arithmetic("fdiv", other)

    def __neg__(self) -> Lanes:
        return Lanes(self.f, self.f.op(f"fneg {self.f.isa.vector} {self.name}"))

    def __abs__(self) -> Lanes:
        return self._called("fabs")

    def sqrt(self) -> Lanes:
        """Return the square root; NaN of negative numbers."""
        return self._called("sqrt")

    def times(self, factor: Lanes | float, plus: Lanes | float) -> Lanes:
        """Return self * factor + plus, rounded once where the CPU can."""
        names = (self.name, self._of(factor).name, self._of(plus).name)
        return Lanes(self.f, vectors.fma(self.f, *names))

    def at_least(self, bound: float) -> Lanes:
        """Return max(self, bound); NaN stays."""
        return Lanes(self.f, vectors.at_least(self.f, self.name, bound))

    def at_most(self, bound: float) -> Lanes:
        """Return min(self, bound); NaN stays."""
        return Lanes(self.f, vectors.at_most(self.f, self.name, bound))

    def with_sign_of(self, other: Lanes) -> Lanes:
        """Return self with another sign."""
        return self._called("copysign", other)

    def where(self, predicate: str, bound: float, other: Lanes | float, tested: Lanes) -> Lanes:
        """Return self where a comparison of `tested` with a bound holds, else `other`."""
        bits = vectors.compare(self.f, predicate, tested.name, self.number(bound).name)
        return Lanes(self.f, vectors.select(self.f, bits, self.name, self._of(other).name))

    def polynomial(self, coefficients: Sequence[float]) -> Lanes:
        """Return the polynomial of self whose coefficients are given, the constant one first."""
        result = self.number(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            result = result.times(self, coefficient)
        return result

    def exponent(self) -> Lanes:
        """Return the number whose sign and exponent are the last nine bits of self's mantissa."""
        return self._as_float(self._shifted())

    def with_exponent_of(self, other: Lanes) -> Lanes:
        """Return self with the last nine bits of other's mantissa added to its exponent."""
        ints = self._ints
        bits = self.f.op(f"bitcast {self.f.isa.vector} {self.name} to {ints}")
        return self._as_float(self.f.op(f"add {ints} {bits}, {other._shifted()}"))

    @property
    def _ints(self) -> str:
        return f"<{self.f.isa.lanes} x i32>"

    def _shifted(self) -> str:
        ints = self._ints
        bits = self.f.op(f"bitcast {self.f.isa.vector} {self.name} to {ints}")
        return self.f.op(f"shl {ints} {bits}, <{', '.join(['i32 23'] * self.f.isa.lanes)}>")

    def _as_float(self, bits: str) -> Lanes:
        return Lanes(self.f, self.f.op(f"bitcast {self._ints} {bits} to {self.f.isa.vector}"))

    def _of(self, other: Lanes | float) -> Lanes:
        return other if isinstance(other, Lanes) else self.number(other)

    def _arithmetic(self, operation: str, other: Lanes | float) -> Lanes:
        name = vectors.arithmetic(self.f, operation, self.name, self._of(other).name)
        return Lanes(self.f, name)

    def _called(self, intrinsic: str, *others: Lanes) -> Lanes:
        v = self.f.isa.vector
        arguments = ", ".join(f"{v} {x.name}" for x in (self, *others))
        call = f"call {v} @llvm.{intrinsic}.v{self.f.isa.lanes}f32({arguments})"
        return Lanes(self.f, self.f.op(call))
