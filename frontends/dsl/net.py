"""The layers, as methods of the object that a network function receives.

Tensors are NHWC, filters HWIO, dense weights IO. Every layer raises an error of the E02 range
at the user's line if it does not fit its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import TypeAlias

from mbc.diag import error
from mbc.frontends.dsl.builder import (
    IDENTIFIER,
    Builder,
    Tensor,
    Weight,
    check_name,
    refuse_large,
)
from mbc.frontends.dsl.location import here
from mbc.frontends.dsl.mistakes import describe, misuse
from mbc.frontends.dsl.window import Extent, Padding, flag, listed, number, pair, sides, whole
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
    Sigmoid,
    Silu,
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
    Softmax,
    Sub,
)
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool

Operand: TypeAlias = Tensor | Weight | float
"""What arithmetic takes; one of two is a tensor."""


def _static(extent: object) -> int:
    """Return an extent of an input; raises E0218, with advice about a dynamic one."""
    if extent is None or extent == -1 or isinstance(extent, str):
        raise misuse(
            f"shapes are static: an extent of an input cannot be {extent!r}",
            "make it a parameter of the network, and set it with -D",
        )
    return whole("an extent of an input", extent)


def _refuse_list(what: str, given: tuple[object, ...], instead: str) -> None:
    """Raise E0218 if one list is given in place of separate arguments."""
    if len(given) == 1 and isinstance(given[0], tuple | list):
        raise misuse(f"{what} one by one, found {describe(given[0])}", instead)


class Net(Builder):
    """The layers of a network under construction."""

    def input(self, *shape: int, name: str | None = None) -> Tensor:
        """Declare an input of the network: `nn.input(224, 224, 3)` is [batch,224,224,3].

        Raises E0217 if the name is taken, E0218 for extents that are not positive integers.
        """
        taken = [value.name for value in self.graph.inputs]
        if name is None:
            name = f"input{len(taken) + 1}" if taken else "input"
        check_name(IDENTIFIER, name)
        if name in taken:
            raise error("E0217", f"two inputs are called '{name}'", at=here())
        _refuse_list("an input takes its extents", shape, "write nn.input(224, 224, 3)")
        if not shape:
            raise misuse("an input needs its extents without the batch: nn.input(224, 224, 3)")
        extents = [_static(extent) for extent in shape]
        type = TensorType((self.batch, *extents))
        refuse_large([type])
        for node in self.graph.topo():  # the input's name is fixed: callers know it
            for value in (value for value in node.results if value.name == name):
                value.name = self.graph.fresh_name(name)
        return Tensor(self.graph.add_input(name, type), self)

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Extent,
        *,
        stride: Extent = 1,
        padding: Padding = 0,
        dilation: Extent = 1,
        groups: int = 1,
        bias: bool = False,
        name: str | None = None,
    ) -> Tensor:
        """2-D convolution of [n,h,w,c] to [n,oh,ow,channels].

        Parameters: weight [kh,kw,c/groups,channels], bias [channels].
        """
        outputs = whole("channels", channels)
        return self._conv(
            x, outputs, kernel, stride, padding, dilation, groups, bias, self.claim(name, "conv")
        )

    def depthwise(
        self,
        x: Tensor,
        kernel: Extent = 3,
        *,
        stride: Extent = 1,
        padding: Padding = 0,
        dilation: Extent = 1,
        bias: bool = False,
        name: str | None = None,
    ) -> Tensor:
        """Depthwise convolution: one filter a channel; parameters weight [kh,kw,1,c], bias [c]."""
        channels = self.read(x).type.channels
        layer = self.claim(name, "dw")
        return self._conv(x, channels, kernel, stride, padding, dilation, channels, bias, layer)

    def pointwise(
        self,
        x: Tensor,
        channels: int,
        *,
        groups: int = 1,
        bias: bool = False,
        name: str | None = None,
    ) -> Tensor:
        """1x1 convolution; parameters weight [1,1,c/groups,channels], bias [channels]."""
        outputs = whole("channels", channels)
        return self._conv(x, outputs, 1, 1, 0, 1, groups, bias, self.claim(name, "pw"))

    def _conv(
        self,
        x: Tensor,
        outputs: int,
        kernel: Extent,
        stride: Extent,
        padding: Padding,
        dilation: Extent,
        groups: int,
        bias: bool,
        layer: str,
    ) -> Tensor:
        value = self.read(x)
        window = pair("kernel", kernel)
        steps, spread = pair("stride", stride), pair("dilation", dilation)
        pad = sides(padding, value.type, window, steps, spread)
        per_group = max(value.type.channels // whole("groups", groups), 1)
        weight = self.parameter(layer, "weight", *window, per_group, outputs)
        offset = self.parameter(layer, "bias", outputs) if flag("bias", bias) else None
        op = Conv2d(stride=steps, pad=pad, dilation=spread, groups=groups)
        (result,) = self.emit(op, [value, weight, offset], layer)
        return result

    def dense(
        self, x: Tensor, channels: int, *, bias: bool = True, name: str | None = None
    ) -> Tensor:
        """Fully connected layer: [n,c] to [n,channels].

        Parameters: weight [c,channels], bias [channels].
        """
        value, outputs = self.read(x), whole("channels", channels)
        layer = self.claim(name, "fc")
        weight = self.parameter(layer, "weight", value.type.channels, outputs)
        offset = self.parameter(layer, "bias", outputs) if flag("bias", bias) else None
        (result,) = self.emit(Dense(), [value, weight, offset], layer)
        return result

    def batch_norm(self, x: Tensor, *, epsilon: float = 1e-5, name: str | None = None) -> Tensor:
        """(x - mean) / sqrt(variance + epsilon) * gamma + beta; four parameters of [c]."""
        value = self.read(x)
        layer = self.claim(name, "bn", owner=x.layer)
        vectors = [self.parameter(layer, role, value.type.channels) for role in NORM]
        op, follows = BatchNorm(number("epsilon", epsilon)), x.layer or layer
        (result,) = self.emit(op, [value, *vectors], name=layer, follows=follows)
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

    def _activate(self, x: Tensor, act: Activation) -> Tensor:
        value, op = self.read(x), Activate(act)
        name = f"{x.follows}.{op.label}" if x.follows else ""
        (result,) = self.emit(op, [value], name=name)
        return result

    def softmax(self, x: Tensor) -> Tensor:
        """Softmax over the channels."""
        (result,) = self.emit(Softmax(), [self.read(x)])
        return result

    def weight(self, *shape: int, name: str) -> Weight:
        """Declare a trained constant for arithmetic: `x * nn.weight(x.channels, name="scale")`."""
        _refuse_list("a weight takes its extents", shape, "write nn.weight(8, name='scale')")
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

    def concat(self, *parts: Tensor) -> Tensor:
        """Concatenate the channels of the parts: `nn.concat(a, b)`."""
        if not parts:
            raise misuse("concat needs at least one tensor: nn.concat(a, b)")
        _refuse_list("concat takes its tensors", parts, "write nn.concat(*parts)")
        (result,) = self.emit(Concat(), [self.read(part, "each operand") for part in parts])
        return result

    def split(
        self, x: Tensor, *, parts: int | None = None, sizes: Sequence[int] | None = None
    ) -> tuple[Tensor, ...]:
        """Split the channels of x into `parts` equal parts, or into parts of the given sizes."""
        value = self.read(x)
        if (parts is None) == (sizes is None):
            raise misuse("split needs either parts or sizes: nn.split(x, parts=2)")
        if sizes is not None:
            each = tuple(whole("a size", size) for size in listed("sizes", sizes))
            return self.emit(Split(each), [value])
        count = whole("parts", parts)
        if value.type.channels % count:
            raise misuse(f"{value.type.channels} channels do not split into {count} equal parts")
        return self.emit(Split((value.type.channels // count,) * count), [value])

    def channel_shuffle(self, x: Tensor, groups: int) -> Tensor:
        """Channel c of the result is channel (c mod g)*(C/g) + c // g of x (1707.01083 §3.1)."""
        (result,) = self.emit(ChannelShuffle(whole("groups", groups)), [self.read(x)])
        return result

    def max_pool(
        self, x: Tensor, kernel: Extent, *, stride: Extent | None = None, padding: Padding = 0
    ) -> Tensor:
        """Maximum over each window, padding excluded; the stride defaults to the kernel."""
        value, window = self.read(x), pair("kernel", kernel)
        steps = pair("stride", kernel if stride is None else stride)
        op = MaxPool(window, steps, sides(padding, value.type, window, steps))
        (result,) = self.emit(op, [value])
        return result

    def avg_pool(
        self,
        x: Tensor,
        kernel: Extent,
        *,
        stride: Extent | None = None,
        padding: Padding = 0,
        count_pad: bool = False,
    ) -> Tensor:
        """Mean over each window; the stride defaults to the kernel.

        Padding counts as zeros only with `count_pad` (PyTorch counts it by default, TensorFlow
        never does).
        """
        value, window = self.read(x), pair("kernel", kernel)
        steps = pair("stride", kernel if stride is None else stride)
        pad = sides(padding, value.type, window, steps)
        (result,) = self.emit(AvgPool(window, steps, pad, flag("count_pad", count_pad)), [value])
        return result

    def global_avg_pool(self, x: Tensor) -> Tensor:
        """Mean over height and width: [n,h,w,c] gives [n,c]."""
        (result,) = self.emit(GlobalAvgPool(), [self.read(x)])
        return result

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Reinterpret the elements, in row-major order, as another shape.

        `shape` includes the batch, and may hold one -1.
        """
        value = self.read(x)
        extents = [whole("an extent", e) if e != -1 else -1 for e in listed("a shape", shape)]
        if extents.count(-1) > 1:
            raise misuse(f"only one extent of a shape may be -1, found {tuple(extents)}")
        known = prod(e for e in extents if e != -1)
        filled = tuple(max(value.type.elements // known, 1) if e == -1 else e for e in extents)
        (result,) = self.emit(Reshape(filled), [value])
        return result

    def transpose(self, x: Tensor, perm: Sequence[int]) -> Tensor:
        """Axis i of the result is axis perm[i] of x; the batch is axis 0."""
        axes = tuple(whole("an axis", axis, least=0) for axis in listed("perm", perm))
        (result,) = self.emit(Transpose(axes), [self.read(x)])
        return result

    def require(self, condition: bool, message: str, help: str = "") -> None:
        """Raise E0219 with this message at this line unless the condition holds."""
        if not condition:
            raise error("E0219", str(message), at=here(), helps=[str(help)] if help else [])
