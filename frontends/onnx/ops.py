"""Every op of the IR as ONNX nodes.

Values of rank 4 are NHWC in mbc and NCHW in ONNX, filters HWIO and OIHW; values of any other rank
are the same in both. So the channel axis of a value of rank r is 1 where r is 4, else r-1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mbc.frontends.onnx.writer import Writer
from mbc.ir.graph import Node
from mbc.ir.op import Op
from mbc.ir.types import Act, TensorType
from mbc.ir.views import ChannelMap
from mbc.ops.elementwise import Add, BatchNorm, Relu, Relu6, Softmax
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool, Pool
from mbc.ops.window import Pad

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
ZERO, SIX = np.array(0, np.float32), np.array(6, np.float32)


@dataclass(frozen=True)
class Site:
    """A node on its way to ONNX: `operands` are names of ONNX values, "" for constants and absent
    ones; `name` is what its ONNX nodes are called after."""

    node: Node
    operands: tuple[str, ...]
    name: str

    @property
    def x(self) -> str:
        """The first operand."""
        return self.operands[0]

    @property
    def x_type(self) -> TensorType:
        """Type of the first operand."""
        return self.node.view(0).type

    def array(self, slot: int) -> np.ndarray | None:
        """The data of a constant operand; None where it is absent."""
        constant = self.node.constant(slot)
        return None if constant is None else constant.array

    def stored(self, w: Writer, slot: int, array: np.ndarray) -> str:
        """A constant operand, as laid out for ONNX, under its own name."""
        constant = self.node.constant(slot)
        return w.constant(constant.name if constant else self.name, array)


def axis_of(type: TensorType) -> int:
    """The channel axis in ONNX."""
    return 1 if type.rank == 4 else type.rank - 1


def onnx_shape(type: TensorType) -> tuple[int, ...]:
    """The shape in ONNX."""
    return permuted(type.shape, TO_NCHW) if type.rank == 4 else type.shape


def permuted(items: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """Item order[i] at each place i."""
    return tuple(items[i] for i in order)


def transposed(w: Writer, x: str, order: Sequence[int], name: str) -> str:
    """x with its axes in another order."""
    return w.node("Transpose", [x], f"{name}.transpose", perm=list(order))


def reshaped(w: Writer, x: str, shape: Sequence[int], name: str) -> str:
    """x under another shape."""
    return w.node("Reshape", [x, w.integers("shape", shape)], f"{name}.reshape")


def activated(w: Writer, x: str, act: Act, name: str) -> str:
    """The activation of x."""
    match act:
        case Act.NONE:
            return x
        case Act.RELU:
            return w.node("Relu", [x], f"{name}.relu")
        case Act.RELU6:
            bounds = [w.constant("zero", ZERO), w.constant("six", SIX)]
            return w.node("Clip", [x, *bounds], f"{name}.relu6")


def onnx_pads(pad: Pad) -> list[int]:
    """Begins of both axes, then ends."""
    top, bottom, left, right = pad
    return [top, left, bottom, right]


def conv2d(w: Writer, op: Conv2d, at: Site) -> str:
    """Conv, then the residual's addition, then the activation."""
    weight, bias = at.node.constant(1), at.array(2)
    assert weight is not None
    inputs = [at.x, at.stored(w, 1, weight.array.transpose(3, 2, 0, 1))]
    inputs += [] if bias is None else [at.stored(w, 2, bias)]
    result = w.node(
        "Conv",
        inputs,
        at.name,
        kernel_shape=list(weight.type.shape[:2]),
        strides=list(op.stride),
        pads=onnx_pads(op.pad),
        dilations=list(op.dilation),
        group=op.groups,
    )
    if len(at.operands) > 3 and at.operands[3]:
        result = w.node("Add", [at.operands[3], result], f"{at.name}.add")
    return activated(w, result, op.act, at.name)


def dense(w: Writer, op: Dense, at: Site) -> str:
    """Gemm with the weight as [o,i], as trained networks commonly have it."""
    weight, bias = at.node.constant(1), at.array(2)
    assert weight is not None
    inputs = [at.x, at.stored(w, 1, weight.array.T)]
    inputs += [] if bias is None else [at.stored(w, 2, bias)]
    return activated(w, w.node("Gemm", inputs, at.name, transB=1), op.act, at.name)


def batch_norm(w: Writer, op: BatchNorm, at: Site) -> str:
    """BatchNormalization where ONNX agrees on the channel axis, else a product and a sum."""
    gamma, beta, mean, variance = (at.array(slot) for slot in range(1, 5))
    assert gamma is not None
    assert beta is not None
    assert mean is not None
    assert variance is not None
    if at.x_type.rank in (2, 4):
        vectors = [gamma, beta, mean, variance]
        constants = [at.stored(w, i, vector) for i, vector in enumerate(vectors, 1)]
        name = at.name
        return w.node("BatchNormalization", [at.x, *constants], name, epsilon=op.epsilon)
    scale = gamma / np.sqrt(variance + np.float32(op.epsilon))
    product = w.node("Mul", [at.x, at.stored(w, 1, scale)], f"{at.name}.scale")
    return w.node("Add", [product, at.stored(w, 2, beta - mean * scale)], at.name)


def relu(w: Writer, op: Relu, at: Site) -> str:
    """Relu."""
    return activated(w, at.x, Act.RELU, at.name)


def relu6(w: Writer, op: Relu6, at: Site) -> str:
    """Clip to 0 … 6."""
    return activated(w, at.x, Act.RELU6, at.name)


def add(w: Writer, op: Add, at: Site) -> str:
    """Add, then the activation."""
    return activated(w, w.node("Add", at.operands, at.name), op.act, at.name)


def softmax(w: Writer, op: Softmax, at: Site) -> str:
    """Softmax over the channels."""
    return w.node("Softmax", [at.x], at.name, axis=axis_of(at.x_type))


def pool(w: Writer, kind: str, op: Pool, at: Site, **more: int) -> str:
    """A window pool."""
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
    """The channels as a [g, C/g] matrix, transposed (1707.01083 §3.1)."""
    axis, shape = axis_of(type), onnx_shape(type)
    matrix = (*shape[:axis], groups, type.channels // groups, *shape[axis + 1 :])
    order = list(range(len(matrix)))
    order[axis], order[axis + 1] = axis + 1, axis
    turned = transposed(w, reshaped(w, x, matrix, name), order, name)
    return reshaped(w, turned, shape, name)


def gathered(w: Writer, x: str, type: TensorType, order: ChannelMap, name: str) -> str:
    """Channel c is channel order(c) of x."""
    indices = w.integers("channels", order.indices)
    return w.node("Gather", [x, indices], f"{name}.gather", axis=axis_of(type))


def reshape(w: Writer, op: Reshape, at: Site) -> str:
    """The elements in NHWC order under the new shape, so images are transposed before and after."""
    x, after = at.x, TensorType(op.shape)
    if at.x_type.rank == 4 and not moves_nothing(at.x_type.shape):
        x = transposed(w, x, TO_NHWC, at.name)
    if after.rank != 4 or moves_nothing(op.shape):
        return reshaped(w, x, onnx_shape(after), at.name)
    return transposed(w, reshaped(w, x, op.shape, at.name), TO_NCHW, at.name)


def moves_nothing(shape: Sequence[int]) -> bool:
    """Whether NHWC and NCHW of this shape have their elements in the same order."""
    _, height, width, channels = shape
    return channels == 1 or height * width == 1


def transpose(w: Writer, op: Transpose, at: Site) -> str:
    """Transpose, as seen through NCHW where x is of rank 4."""
    order: Sequence[int] = op.perm
    if at.x_type.rank == 4:  # NHWC axis a is axis TO_NHWC[a] of NCHW
        order = permuted(TO_NHWC, permuted(op.perm, TO_NCHW))
    return transposed(w, at.x, order, at.name)


EMITTERS: dict[type[Op], Callable[..., str | tuple[str, ...]]] = {
    Conv2d: conv2d,
    Dense: dense,
    BatchNorm: batch_norm,
    Relu: relu,
    Relu6: relu6,
    Add: add,
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
"""The emitter of each op, `(writer, op, site)` to the names of its results; the body of a fused op
is written node by node (export.py)."""
