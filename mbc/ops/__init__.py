"""One class per op; `OPS` lists them all."""

from __future__ import annotations

from mbc.ir.op import Op
from mbc.ops.elementwise import Activate, Add, BatchNorm, Div, Max, Min, Mul, Softmax, Sub
from mbc.ops.fused import Fused
from mbc.ops.grid import ConcatAlong, DepthToSpace, Pad, Slice, SpaceToDepth
from mbc.ops.linear import Conv2d, Dense
from mbc.ops.move import ChannelShuffle, Concat, Reshape, Split, Transpose
from mbc.ops.norm import LayerNorm
from mbc.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from mbc.ops.quantized import Dequantize, Quantize
from mbc.ops.reduce import ReduceMax, ReduceMean, ReduceSum
from mbc.ops.resize import Resize

__all__ = [
    "OPS",
    "Activate",
    "Add",
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
    "Fused",
    "GlobalAvgPool",
    "LayerNorm",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Pad",
    "Quantize",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Reshape",
    "Resize",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Split",
    "Sub",
    "Transpose",
]

OPS: tuple[type[Op], ...] = (
    Conv2d,
    Dense,
    BatchNorm,
    Activate,
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    MaxPool,
    AvgPool,
    GlobalAvgPool,
    Resize,
    ReduceMean,
    ReduceMax,
    ReduceSum,
    Softmax,
    LayerNorm,
    Quantize,
    Dequantize,
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
    Fused,
)
"""Every op, in the order in which `mbc ops` lists them."""
