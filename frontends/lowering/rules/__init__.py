"""How each op is imported: from a node to the layouts of its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mbc.frontends.lowering.builder import Builder
from mbc.frontends.lowering.model import Node
from mbc.frontends.lowering.rules import (
    activations,
    arithmetic,
    grid,
    linear,
    moves,
    pointwise,
    pools,
    reductions,
    rows,
    spatial,
    transposed,
    unary,
)
from mbc.frontends.lowering.tracked import Tracked

Rule: TypeAlias = Callable[[Builder, Node], Tracked | tuple[Tracked, ...]]

IMPORTERS: Mapping[str, Rule] = {
    **activations.RULES,
    "Abs": unary.absolute,
    "Add": arithmetic.add,
    "ArgMax": reductions.argmax,
    "AveragePool": pools.average_pool,
    "BatchNormalization": pointwise.batch_norm,
    "Cast": moves.cast,
    "Clip": pointwise.clip,
    "Concat": moves.concat,
    "Conv": linear.conv,
    "ConvTranspose": transposed.conv_transpose,
    "DepthToSpace": grid.depth_to_space,
    "Div": arithmetic.divide,
    "Dropout": moves.dropout,
    "Exp": unary.exponential,
    "Flatten": moves.reshape,
    "Gather": moves.gather,
    "Gemm": linear.gemm,
    "GlobalAveragePool": reductions.global_average_pool,
    "GlobalMaxPool": reductions.global_max_pool,
    "Identity": moves.identity,
    "InstanceNormalization": rows.instance_norm,
    "LRN": rows.lrn,
    "LayerNormalization": pointwise.layer_norm,
    "Log": unary.logarithm,
    "LogSoftmax": rows.log_softmax,
    "LpNormalization": rows.lp_normalization,
    "MatMul": linear.matmul,
    "Max": arithmetic.maximum,
    "MaxPool": pools.max_pool,
    "Min": arithmetic.minimum,
    "Mul": arithmetic.multiply,
    "Neg": unary.negated,
    "PRelu": arithmetic.prelu,
    "Pad": grid.pad,
    "Pow": unary.power,
    "Reciprocal": unary.reciprocal,
    "ReduceMax": reductions.reduce_max,
    "ReduceMean": reductions.reduce_mean,
    "ReduceSum": reductions.reduce_sum,
    "Reshape": moves.reshape,
    "Resize": spatial.resize,
    "Slice": moves.slice_,
    "Softmax": pointwise.softmax,
    "SpaceToDepth": grid.space_to_depth,
    "Split": moves.split,
    "Sqrt": unary.root,
    "Squeeze": moves.reshape,
    "Sub": arithmetic.subtract,
    "Sum": arithmetic.add,
    "Transpose": moves.transpose,
    "Unsqueeze": moves.reshape,
    "Upsample": spatial.resize,
}
"""The rule of each op of ONNX's own domain; the first line of its text is its documentation."""
