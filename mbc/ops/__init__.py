"""One class per op; `OPS` lists them all."""

from __future__ import annotations

from mbc.ir.op import Op
from mbc.ops.argmax import ArgMax
from mbc.ops.elementwise import Activate, Add, BatchNorm, Div, Max, Min, Mul, Prelu, Softmax, Sub
from mbc.ops.fused import Fused
from mbc.ops.grid import ConcatAlong, DepthToSpace, Gather, Pad, Slice, SpaceToDepth
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.matmul import MatMul
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.norm import LayerNorm
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.quantized import Dequantize, Lookup, Quantize, Requantize
from mbc.ops.reduce import ReduceMax, ReduceMean, ReduceSum
from mbc.ops.resize import Resize
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn
from mbc.ops.transposed import TransposedConv
from mbc.ops.unary import Abs, Exp, Log, Neg, Pow, Reciprocal, Sqrt

__all__ = [
    "OPS",
    "Abs",
    "Activate",
    "Add",
    "ArgMax",
    "AvgPool",
    "BatchNorm",
    "ChannelShuffle",
    "Concat",
    "ConcatAlong",
    "Conv2d",
    "Dense",
    "DepthToSpace",
    "Dequantize",
    "Div",
    "Exp",
    "Fused",
    "Gather",
    "GlobalAvgPool",
    "InstanceNorm",
    "L2Normalize",
    "LayerNorm",
    "Log",
    "LogSoftmax",
    "Lookup",
    "Lrn",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "Pow",
    "Prelu",
    "Quantize",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Requantize",
    "Reshape",
    "Resize",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Sub",
    "Transpose",
    "TransposedConv",
]

OPS: tuple[type[Op], ...] = (
    Conv2d,
    TransposedConv,
    Dense,
    BatchNorm,
    Activate,
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Prelu,
    MaxPool,
    AvgPool,
    GlobalAvgPool,
    Resize,
    ReduceMean,
    ReduceMax,
    ReduceSum,
    ArgMax,
    Softmax,
    LayerNorm,
    Quantize,
    Dequantize,
    Requantize,
    Lookup,
    Concat,
    Split,
    ChannelShuffle,
    Reshape,
    Transpose,
    Slice,
    ConcatAlong,
    Pad,
    DepthToSpace,
    SpaceToDepth,
    Gather,
    LogSoftmax,
    L2Normalize,
    InstanceNorm,
    Lrn,
    MatMul,
    Abs,
    Neg,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Pow,
    Fused,
)
"""Every op, in the order in which `mbc ops` lists them."""
