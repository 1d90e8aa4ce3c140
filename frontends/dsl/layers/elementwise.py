"""Activations, batch norm, softmax and arithmetic."""

from __future__ import annotations

from math import inf
from typing import TypeAlias

from mbc.frontends.dsl.builder import IDENTIFIER, Tensor, Weight, check_name, refuse_large
from mbc.frontends.dsl.layers.defaults import Defaults
from mbc.frontends.dsl.mistakes import misuse, refuse_list
from mbc.frontends.dsl.window import flag, number, whole
from mbc.ir.activations import (
    RELU,
    RELU6,
    Activation,
    Clip,
    Elu,
    Gelu,
    GeluTanh,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from mbc.ir.graph import Constant
from mbc.ir.types import TensorType
from mbc.ops.elementwise import (
    NORM,
    Activate,
    Add,
    BatchNorm,
    Div,
    Max,
    Min,
    Mul,
    Prelu,
    Sub,
)
from mbc.ops.norm import LayerNorm

Operand: TypeAlias = Tensor | Weight | float
"""What arithmetic takes; one of two is a tensor."""


class ElementwiseLayers(Defaults):
    """Layers that compute each element or pixel by itself."""

    def batch_norm(
        self, x: Tensor, *, epsilon: float | None = None, name: str | None = None
    ) -> Tensor:
        """(x - mean) / sqrt(variance + epsilon) * gamma + beta; four parameters of [c]."""
        value = self.read(x)
        layer = self.claim(name, "bn", owner=x.layer)
        vectors = [self.parameter(layer, role, value.type.channels) for role in NORM]
        given = self.default_epsilon if epsilon is None else number("epsilon", epsilon)
        op, follows = BatchNorm(given), x.layer or layer
        (result,) = self.emit(op, [value, *vectors], name=layer, follows=follows)
        return result

    def layer_norm(self, x: Tensor, *, epsilon: float = 1e-5, name: str | None = None) -> Tensor:
        """Normalise the channels of each pixel; parameters gamma and beta of [c].

        (x - mean) / sqrt(variance + epsilon) * gamma + beta, with the mean and the variance of the
        pixel's own channels. PyTorch's epsilon is 1e-5, ConvNeXt's 1e-6, Keras' 1e-3.
        """
        value, layer = self.read(x), self.claim(name, "ln")
        vectors = [self.parameter(layer, role, value.type.channels) for role in ("gamma", "beta")]
        (result,) = self.emit(LayerNorm(number("epsilon", epsilon)), [value, *vectors], layer)
        return result

    def relu(self, x: Tensor) -> Tensor:
        """max(x, 0)."""
        return self._activate(x, RELU)

    def relu6(self, x: Tensor) -> Tensor:
        """min(max(x, 0), 6)."""
        return self._activate(x, RELU6)

    def clip(self, x: Tensor, lo: float | None = None, hi: float | None = None) -> Tensor:
        """min(max(x, lo), hi), with one bound or both."""
        if lo is None and hi is None:
            raise misuse("clip needs lo, hi or both: nn.clip(x, 0, 6)")
        least = -inf if lo is None else number("lo", lo)
        most = inf if hi is None else number("hi", hi)
        if least > most:
            raise misuse(f"clip needs lo <= hi, found {least:g} and {most:g}")
        return self._activate(x, Clip(least, most))

    def leaky_relu(self, x: Tensor, alpha: float = 0.01) -> Tensor:
        """x above 0, else alpha * x."""
        return self._activate(x, LeakyRelu(number("alpha", alpha)))

    def sigmoid(self, x: Tensor) -> Tensor:
        """1 / (1 + exp(-x))."""
        return self._activate(x, Sigmoid())

    def hard_sigmoid(self, x: Tensor, alpha: float = 1 / 6, beta: float = 0.5) -> Tensor:
        """clip(alpha * x + beta, 0, 1); Keras and ONNX have alpha=0.2."""
        return self._activate(x, HardSigmoid(number("alpha", alpha), number("beta", beta)))

    def hard_swish(self, x: Tensor) -> Tensor:
        """x * clip(x / 6 + 0.5, 0, 1)."""
        return self._activate(x, HardSwish())

    def silu(self, x: Tensor) -> Tensor:
        """x / (1 + exp(-x)), also called swish."""
        return self._activate(x, Silu())

    def tanh(self, x: Tensor) -> Tensor:
        """Take the hyperbolic tangent."""
        return self._activate(x, Tanh())

    def gelu(self, x: Tensor) -> Tensor:
        """x * (1 + erf(x / sqrt(2))) / 2."""
        return self._activate(x, Gelu())

    def gelu_tanh(self, x: Tensor) -> Tensor:
        """x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2."""
        return self._activate(x, GeluTanh())

    def elu(self, x: Tensor, alpha: float = 1.0) -> Tensor:
        """x above 0, else alpha * (exp(x) - 1)."""
        return self._activate(x, Elu(number("alpha", alpha)))

    def selu(self, x: Tensor, alpha: float = Selu.alpha, gamma: float = Selu.gamma) -> Tensor:
        """gamma * x above 0, else gamma * alpha * (exp(x) - 1)."""
        return self._activate(x, Selu(number("alpha", alpha), number("gamma", gamma)))

    def softplus(self, x: Tensor) -> Tensor:
        """log(1 + exp(x))."""
        return self._activate(x, Softplus())

    def mish(self, x: Tensor) -> Tensor:
        """x * tanh(log(1 + exp(x)))."""
        return self._activate(x, Mish())

    def prelu(self, x: Tensor, *, shared: bool = False, name: str | None = None) -> Tensor:
        """x above 0, else weight * x; parameter weight [c], or [1] where `shared`."""
        value, layer = self.read(x), self.claim(name, "prelu", owner=x.follows)
        slopes = 1 if flag("shared", shared) else value.type.channels
        (result,) = self.emit(Prelu(), [value, self.parameter(layer, "weight", slopes)], layer)
        return result

    def _activate(self, x: Tensor, act: Activation) -> Tensor:
        value, op = self.read(x), Activate(act)
        name = f"{x.follows}.{op.label}" if x.follows else ""
        (result,) = self.emit(op, [value], name=name)
        return result

    def weight(self, *shape: int, name: str) -> Weight:
        """Declare a trained constant for arithmetic: `x * nn.weight(x.channels, name="scale")`."""
        refuse_list("a weight takes its extents", shape, "write nn.weight(8, name='scale')")
        check_name(IDENTIFIER, name)
        extents = [whole("an extent of a weight", extent) for extent in shape]
        if not extents:
            raise misuse("a weight needs its extents: nn.weight(x.channels, name='scale')")
        type = TensorType(tuple(extents))
        refuse_large([type])
        return Weight(Constant(self.claim(name, "weight"), type), self)

    def add(self, a: Operand, b: Operand) -> Tensor:
        """Compute a + b; of two shapes one must broadcast to the other (docs/dsl.md)."""
        return self.combine(Add(), a, b)

    def sub(self, a: Operand, b: Operand) -> Tensor:
        """Compute a - b."""
        return self.combine(Sub(), a, b)

    def mul(self, a: Operand, b: Operand) -> Tensor:
        """Compute a * b."""
        return self.combine(Mul(), a, b)

    def div(self, a: Operand, b: Operand) -> Tensor:
        """Compute a / b."""
        return self.combine(Div(), a, b)

    def minimum(self, a: Operand, b: Operand) -> Tensor:
        """Compute the smaller of a and b; NaN where one is."""
        return self.combine(Min(), a, b)

    def maximum(self, a: Operand, b: Operand) -> Tensor:
        """Compute the larger of a and b; NaN where one is."""
        return self.combine(Max(), a, b)
