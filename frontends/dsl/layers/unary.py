"""Functions of each element that are no activations."""

from __future__ import annotations

from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.window import number
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt, Unary


class UnaryLayers(Builder):
    """Layers that compute a function of each element."""

    def abs(self, x: Tensor) -> Tensor:
        """Take the magnitude."""
        return self._unary(x, Abs())

    def neg(self, x: Tensor) -> Tensor:
        """Compute -x."""
        return self._unary(x, Neg())

    def exp(self, x: Tensor) -> Tensor:
        """Compute e to the power of x."""
        return self._unary(x, Exp())

    def log(self, x: Tensor) -> Tensor:
        """Take the natural logarithm; NaN of negative numbers."""
        return self._unary(x, Log())

    def sqrt(self, x: Tensor) -> Tensor:
        """Take the square root; NaN of negative numbers."""
        return self._unary(x, Sqrt())

    def reciprocal(self, x: Tensor) -> Tensor:
        """Compute 1 / x."""
        return self._unary(x, Reciprocal())

    def pow(self, x: Tensor, exponent: float) -> Tensor:
        """Raise to the power of a number from -64 to 64; NaN of negative x if it is not whole."""
        return self._unary(x, Pow(number("exponent", exponent)))

    def _unary(self, x: Tensor, op: Unary) -> Tensor:
        (result,) = self.emit(op, [self.read(x)])
        return result
