"""Emitters of ONNX nodes for every op of the IR.

Values of rank 4 are NHWC in mbc and NCHW in ONNX, filters HWIO and OIHW; values of any other rank
are the same in both. So the channel axis of a value of rank r is 1 where r is 4, else r-1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from mbc.frontends.onnx.writer import Writer
from mbc.ir.activations import (
    RELU,
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
    short_name,
)
from mbc.ir.graph import Constant, Node
from mbc.ir.op import Op
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelMap
from mbc.ops.broadcast import aligned
from mbc.ops.elementwise import (
    NORM,
    Activate,
    Add,
    Arithmetic,
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
from mbc.ops.normalisation import scale_and_shift
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool, Pool
from mbc.ops.window import Pad

GELU_OPSET = 20
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True)
class Site:
    """A node to export, with its operands in ONNX."""

    node: Node
    """The node."""
    operands: tuple[str, ...]
    """Names of ONNX values; "" for constants and absent operands."""
    name: str
    """Prefix of the names of its ONNX nodes."""

    def operand(self, role: str) -> str:
        """Return the ONNX value of an operand; "" where there is none."""
        return self.node.op.by_role(self.operands).get(role) or ""

    @property
    def x(self) -> str:
        """ONNX value of the operand x."""
        return self.operand("x")

    @property
    def x_type(self) -> TensorType:
        """Type of the operand x."""
        return self.node.view("x").type

    def array(self, role: str) -> np.ndarray:
        """Return the data of a constant operand."""
        return self._constant(role).array

    def stored(self, w: Writer, role: str, array: np.ndarray | None = None) -> str:
        """Store a constant operand under its own name; `array` is its data in ONNX's layout if that
        differs. Returns the initializer's name."""
        constant = self._constant(role)
        return w.constant(constant.name, constant.array if array is None else array)

    def _constant(self, role: str) -> Constant:
        constant = self.node.constant(role)
        if constant is None:
            raise TypeError(f"operand '{role}' of {self.node.op.mnemonic} is not a constant")
        return constant


def axis_of(type: TensorType) -> int:
    """Return the channel axis in ONNX."""
    return 1 if type.rank == 4 else type.rank - 1


def onnx_shape(type: TensorType) -> tuple[int, ...]:
    """Return the shape in ONNX: NCHW for rank 4."""
    return permuted(type.shape, TO_NCHW) if type.rank == 4 else type.shape


def permuted(items: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """Permute items: item i of the result is items[order[i]]."""
    return tuple(items[i] for i in order)


def transposed(w: Writer, x: str, order: Sequence[int], name: str) -> str:
    """Transpose x: axis i of the result is axis order[i]."""
    return w.node("Transpose", [x], f"{name}.transpose", perm=list(order))


def reshaped(w: Writer, x: str, shape: Sequence[int], name: str) -> str:
    """Reshape x, in row-major order."""
    return w.node("Reshape", [x, w.integers("shape", shape)], f"{name}.reshape")


def activated(w: Writer, x: str, act: Activation | None, name: str) -> str:
    """Apply an activation to x."""
    match act:
        case None:
            return x
        case Clip() if act == RELU:
            return w.node("Relu", [x], f"{name}.relu")
        case Clip():
            bounds = (
                w.constant(f"bound_{bound:g}", np.array(bound, np.float32)) for bound in act.range
            )
            return w.node("Clip", [x, *bounds], f"{name}.{short_name(act)}")
        case LeakyRelu(alpha=alpha):
            return w.node("LeakyRelu", [x], f"{name}.leaky_relu", alpha=alpha)
        case Sigmoid():
            return w.node("Sigmoid", [x], f"{name}.sigmoid")
        case HardSigmoid(alpha=alpha, beta=beta):
            return w.node("HardSigmoid", [x], f"{name}.hard_sigmoid", alpha=alpha, beta=beta)
        case HardSwish():
            return w.node("HardSwish", [x], f"{name}.hard_swish")
        case Silu():  # the standard's Swish is too young for engines
            return w.node("Mul", [x, w.node("Sigmoid", [x], f"{name}.sigmoid")], f"{name}.silu")
        case Tanh():
            return w.node("Tanh", [x], f"{name}.tanh")
        case Gelu() | GeluTanh():
            w.opset = max(w.opset, GELU_OPSET)
            how = "tanh" if isinstance(act, GeluTanh) else "none"
            return w.node("Gelu", [x], f"{name}.{act.name}", approximate=how)
        case Elu(alpha=alpha):
            return w.node("Elu", [x], f"{name}.elu", alpha=alpha)
    assert_never(act)


def onnx_pads(pad: Pad) -> list[int]:
    """Reorder to ONNX's pads: the begins of both axes, then the ends."""
    top, bottom, left, right = pad
    return [top, left, bottom, right]


def conv2d(w: Writer, op: Conv2d, at: Site) -> str:
    """Conv, then the residual's addition, then the activation."""
    weight = at.array("weight")
    inputs = [at.x, at.stored(w, "weight", weight.transpose(3, 2, 0, 1)), *biases(w, at)]
    result = w.node(
        "Conv",
        inputs,
        at.name,
        kernel_shape=list(weight.shape[:2]),
        strides=list(op.stride),
        pads=onnx_pads(op.pad),
        dilations=list(op.dilation),
        group=op.groups,
    )
    if residual := at.operand("residual"):
        result = w.node("Add", [residual, result], f"{at.name}.add")
    return activated(w, result, op.act, at.name)


def biases(w: Writer, at: Site) -> list[str]:
    """Return the bias as a list of one, or an empty list."""
    return [at.stored(w, "bias")] if at.node["bias"] else []


def dense(w: Writer, op: Dense, at: Site) -> str:
    """Gemm with the weight stored as [o,i], the common order of trained networks."""
    inputs = [at.x, at.stored(w, "weight", at.array("weight").T), *biases(w, at)]
    return activated(w, w.node("Gemm", inputs, at.name, transB=1), op.act, at.name)


def batch_norm(w: Writer, op: BatchNorm, at: Site) -> str:
    """BatchNormalization where ONNX agrees on the channel axis, else a product and a sum."""
    if at.x_type.rank in (2, 4):
        inputs = [at.x, *(at.stored(w, role) for role in NORM)]
        return w.node("BatchNormalization", inputs, at.name, epsilon=op.epsilon)
    vectors = scale_and_shift(op, *map(at.array, NORM))
    scale, shift = (vector.astype(np.float32) for vector in vectors)
    product = w.node("Mul", [at.x, at.stored(w, "gamma", scale)], f"{at.name}.scale")
    return w.node("Add", [product, at.stored(w, "beta", shift)], at.name)


def activation(w: Writer, op: Activate, at: Site) -> str:
    """Apply the op's activation."""
    return activated(w, at.x, op.act, at.name)


ARITHMETIC: dict[type[Arithmetic], str] = {
    Add: "Add",
    Sub: "Sub",
    Mul: "Mul",
    Div: "Div",
    Min: "Min",
    Max: "Max",
}
"""ONNX's op types, which broadcast as numpy does."""


def arithmetic(w: Writer, op: Arithmetic, at: Site) -> str:
    """Emit the operator on both operands, then the activation."""
    operands = [_broadcast(w, at, role, at.node.result.type.rank) for role in ("a", "b")]
    return activated(w, w.node(ARITHMETIC[type(op)], operands, at.name), op.act, at.name)


def _broadcast(w: Writer, at: Site, role: str, rank: int) -> str:
    """Return an operand with the axes of the result; one number needs none."""
    operand = at.node[role]
    assert operand is not None
    shape = aligned(operand.type.shape, rank)
    assert shape is not None
    if isinstance(operand, Constant):
        array = operand.array if operand.type.elements == 1 else operand.array.reshape(shape)
        return at.stored(w, role, array.transpose(TO_NCHW) if array.ndim == 4 else array)
    if operand.type.rank == rank:
        return at.operand(role)
    return reshaped(w, at.operand(role), onnx_shape(TensorType(shape)), at.name)


def softmax(w: Writer, op: Softmax, at: Site) -> str:
    """Softmax over the channels."""
    return w.node("Softmax", [at.x], at.name, axis=axis_of(at.x_type))


def pool(w: Writer, kind: str, op: Pool, at: Site, **more: int) -> str:
    """Emit a window pool of an ONNX op type."""
    return w.node(
        kind,
        [at.x],
        at.name,
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=onnx_pads(op.pad),
        ceil_mode=0,
        **more,
    )


def max_pool(w: Writer, op: MaxPool, at: Site) -> str:
    """MaxPool."""
    return pool(w, "MaxPool", op, at)


def avg_pool(w: Writer, op: AvgPool, at: Site) -> str:
    """AveragePool, then the activation."""
    mean = pool(w, "AveragePool", op, at, count_include_pad=int(op.count_pad))
    return activated(w, mean, op.act, at.name)


def global_avg_pool(w: Writer, op: GlobalAvgPool, at: Site) -> str:
    """GlobalAveragePool, which keeps two axes of extent 1, and Flatten."""
    mean = w.node("GlobalAveragePool", [at.x], at.name)
    return w.node("Flatten", [mean], f"{at.name}.flatten", axis=1)


def concat(w: Writer, op: Concat, at: Site) -> str:
    """Concat along the channels."""
    return w.node("Concat", at.operands, at.name, axis=axis_of(at.x_type))


def split(w: Writer, op: Split, at: Site) -> tuple[str, ...]:
    """Split along the channels."""
    inputs = [at.x, w.integers("sizes", op.sizes)]
    return w.many("Split", inputs, at.name, len(op.sizes), axis=axis_of(at.x_type))


def channel_shuffle(w: Writer, op: ChannelShuffle, at: Site) -> str:
    """Reshape, Transpose, Reshape: the pattern that engines look for."""
    return shuffled(w, at.x, at.x_type, op.groups, at.name)


def shuffled(w: Writer, x: str, type: TensorType, groups: int, name: str) -> str:
    """Transpose the channels as a [g, C/g] matrix (1707.01083 §3.1)."""
    axis, shape = axis_of(type), onnx_shape(type)
    matrix = (*shape[:axis], groups, type.channels // groups, *shape[axis + 1 :])
    order = list(range(len(matrix)))
    order[axis], order[axis + 1] = axis + 1, axis
    turned = transposed(w, reshaped(w, x, matrix, name), order, name)
    return reshaped(w, turned, shape, name)


def gathered(w: Writer, x: str, type: TensorType, order: ChannelMap, name: str) -> str:
    """Gather channels: channel c of the result is channel order(c) of x."""
    indices = w.integers("channels", order.indices)
    return w.node("Gather", [x, indices], f"{name}.gather", axis=axis_of(type))


def reshape(w: Writer, op: Reshape, at: Site) -> str:
    """Reshape in NHWC order: images are transposed to it before, and to NCHW afterwards."""
    x, after = at.x, TensorType(op.shape)
    if at.x_type.rank == 4 and not moves_nothing(at.x_type.shape):
        x = transposed(w, x, TO_NHWC, at.name)
    if after.rank != 4 or moves_nothing(op.shape):
        return reshaped(w, x, onnx_shape(after), at.name)
    return transposed(w, reshaped(w, x, op.shape, at.name), TO_NCHW, at.name)


def moves_nothing(shape: Sequence[int]) -> bool:
    """Whether NHWC and NCHW order the elements of this shape alike."""
    _, height, width, channels = shape
    return channels == 1 or height * width == 1


def transpose(w: Writer, op: Transpose, at: Site) -> str:
    """Transpose; where x has rank 4, the permutation is translated to NCHW."""
    order: Sequence[int] = op.perm
    if at.x_type.rank == 4:  # NHWC axis a is axis TO_NHWC[a] of NCHW
        order = permuted(TO_NHWC, permuted(op.perm, TO_NCHW))
    return transposed(w, at.x, order, at.name)


EMITTERS: dict[type[Op], Callable[..., str | tuple[str, ...]]] = {
    Conv2d: conv2d,
    Dense: dense,
    BatchNorm: batch_norm,
    Activate: activation,
    **dict.fromkeys(ARITHMETIC, arithmetic),
    MaxPool: max_pool,
    AvgPool: avg_pool,
    GlobalAvgPool: global_avg_pool,
    Softmax: softmax,
    Concat: concat,
    Split: split,
    ChannelShuffle: channel_shuffle,
    Reshape: reshape,
    Transpose: transpose,
}
"""The emitter of each op: from `(writer, op, site)` to the names of its results. The body of a
fused op is written node by node (export.py)."""
