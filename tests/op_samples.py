"""One small graph of each op, for tests that go through all of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from mbc.ir.activations import RELU, Activation
from mbc.ir.elements import F32, Q8, U8, Element
from mbc.ir.graph import Constant, Graph, Node
from mbc.ir.op import Op, OperandSpec
from mbc.ir.types import TensorType
from mbc.ir.views import Value
from mbc.ops import (
    Abs,
    Activate,
    Add,
    ArgMax,
    AvgPool,
    BatchNorm,
    ChannelShuffle,
    Concat,
    ConcatAlong,
    Conv2d,
    Dense,
    DepthToSpace,
    Dequantize,
    Div,
    Exp,
    Fused,
    Gather,
    GlobalAvgPool,
    InstanceNorm,
    L2Normalize,
    LayerNorm,
    Log,
    LogSoftmax,
    Lookup,
    Lrn,
    MatMul,
    Max,
    MaxPool,
    Min,
    Mul,
    Neg,
    Pad,
    Pow,
    Prelu,
    Quantize,
    Reciprocal,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Requantize,
    Reshape,
    Resize,
    Slice,
    Softmax,
    SpaceToDepth,
    Split,
    Sqrt,
    Sub,
    Transpose,
    TransposedConv,
)

CODES, OTHER = Q8.of(0.05, 100), Q8.of(0.02, 7)
ON_CODES = Dequantize | Requantize | Lookup
IMAGE, ROW = TensorType((1, 4, 6, 8)), TensorType((3, 8))


def body() -> Graph:
    """Return what the sample of a fused op runs: a depthwise and a pointwise convolution."""
    graph = Graph("body")
    x = graph.add_input("x", IMAGE)
    rows = graph.add(Conv2d(pad=(1, 1, 1, 1), groups=8), [x, drawn("dw.w", 3, 3, 1, 8), None])
    pixels = graph.add(Conv2d(act=RELU), [rows.result, drawn("pw.w", 1, 1, 8, 8), drawn("pw.b", 8)])
    graph.set_outputs([pixels.result])
    return graph


def samples() -> Mapping[type[Op], Op]:
    """Return an instance of each op, for images of IMAGE or rows of ROW."""
    ops: list[Op] = [
        *(Conv2d(), Dense(), BatchNorm(), Activate(RELU), Add(), Softmax(), GlobalAvgPool()),
        *(Sub(), Mul(), Div(), Min(), Max(), Prelu()),
        *(ReduceMean((0, 2)), ReduceMax((1, 3)), ReduceSum((1, 2), keep=True)),
        ArgMax(3),
        *(MaxPool((2, 2), (1, 1), (0, 0, 0, 0)), AvgPool((2, 2), (1, 1), (0, 0, 0, 0))),
        *(Quantize(to=CODES), Dequantize(), Requantize(to=OTHER), Lookup(to=OTHER)),
        *(Concat(), Split((3, 5)), ChannelShuffle(2)),
        *(Reshape((6, 32)), Transpose((0, 3, 1, 2)), Fused("dw_pw", body())),
        *(Slice(1, 1, 4, 2), ConcatAlong(1), Pad((0, 1, 2, 0), (0, 0, 1, 0), 0.5)),
        *(DepthToSpace(2), SpaceToDepth(2)),
        *(Resize((5, 9)), LayerNorm(), TransposedConv()),
    ]
    ops += [LogSoftmax(), L2Normalize(), InstanceNorm(), Lrn(4, 0.5, 0.75, 2.0), MatMul()]
    ops += [Gather(1, (0, 3, 3, 2)), Abs(), Neg(), Exp(), Log(), Sqrt(), Reciprocal(), Pow(2.5)]
    return {type(op): op for op in ops}


@cache
def drawn(name: str, *shape: int) -> Constant:
    """Return a constant of positive numbers, which variances may have."""
    rng = np.random.default_rng(len(name))
    return Constant.of(name, rng.uniform(0.5, 1.5, shape).astype(np.float32))


def graph_of(op: Op) -> Graph:
    """Return a graph of one node."""
    graph = Graph("net")
    graph.set_outputs(put(graph, op).results)
    return graph


def put(graph: Graph, op: Op) -> Node:
    """Add a node to a graph, on inputs that its other nodes may read too."""
    needed = [spec for spec in op.operands if not spec.optional]
    return graph.add(op, [_operand(graph, op, spec) for spec in needed])


def _operand(graph: Graph, op: Op, spec: OperandSpec) -> Value | Constant:
    channels = IMAGE.channels
    if spec.name == "table":
        return Constant.of("table", np.arange(256)[::-1], U8)
    if spec.constant:
        kernel = (1, 1) if isinstance(op, Conv2d | TransposedConv) else ()
        shape = (*kernel, channels, channels) if "in" in spec.axes else (channels,)
        return drawn(f"{op.mnemonic}.{spec.name}", *shape)
    element: Element = CODES if isinstance(op, ON_CODES) else F32
    type = TensorType((ROW if isinstance(op, Dense | Softmax) else IMAGE).shape, element)
    if isinstance(op, MatMul):
        type = ROW if spec.name == "a" else TensorType((8, 8))
    name = f"{spec.name}{type.rank}"
    known = {value.name: value for value in graph.inputs}
    return known[name] if name in known else graph.add_input(name, type)


def activated(op: Op, act: Activation | None) -> Op:
    """Return an op with an activation after it, or as its own."""
    changes: dict[str, Any] = {"act": act}
    return type(op)(**{**vars(op), **changes})
