"""Make the kernels of nodes: choose the kernel family of each, and its schedule."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TypeAlias

import numpy as np

from mbc.backends.tvm.gpu.arithmetic import arithmetic
from mbc.backends.tvm.gpu.axes import first_largest, reduced
from mbc.backends.tvm.gpu.candidates import rows_of, strips_of, teams_of
from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.epilogue import activated
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.linear import (
    convolution,
    fused_kernel,
    is_sliding,
    patches_kernel,
    pointwise_kernel,
    vector,
    weight_of,
)
from mbc.backends.tvm.gpu.maps import Compute, Map, map_kernel
from mbc.backends.tvm.gpu.norms import NormRows, norm_kernel
from mbc.backends.tvm.gpu.reader import reader_of
from mbc.backends.tvm.gpu.reductions import (
    GlobalPool,
    RowLayer,
    global_pool_kernel,
    softmax_kernel,
)
from mbc.backends.tvm.gpu.resize import resized
from mbc.backends.tvm.gpu.schedule import chosen, flat_threads
from mbc.backends.tvm.gpu.sources import Window
from mbc.backends.tvm.gpu.strided import strided_kernel
from mbc.backends.tvm.gpu.tir import Code, Expr
from mbc.backends.tvm.gpu.transposed import transposed, transposed_lanes
from mbc.backends.tvm.gpu.windows import Rule, Sliding, sliding_kernel
from mbc.ir.graph import Node
from mbc.ir.op import Op
from mbc.ir.views import ChannelView, Value
from mbc.ops import elementwise, grid, linear, move, norm, pool, resize
from mbc.ops.argmax import ArgMax
from mbc.ops.fused import Fused
from mbc.ops.move import moved_views
from mbc.ops.normalisation import scale_and_shift
from mbc.ops.reduce import REDUCTIONS, Reduce, ReduceMax, ReduceSum
from mbc.ops.transposed import TransposedConv
from mbc.schedules import PoolBlock, Strip, Threads
from mbc.targets.gpu import Gpu

Builder: TypeAlias = Callable[[Node, Gpu], tuple[NodeKernel, ...]]


def kernels_of(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    """Make the kernels of a node, in order: one for each part of a split, one for any other op."""
    return BUILDERS[type(node.op)](node, gpu)


def _conv2d(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    op, _ = convolution(node)
    if linear.is_pointwise(op, weight_of(node).type):
        return (pointwise_kernel(node, gpu),)
    return (_depthwise(node, gpu) if is_sliding(node) else patches_kernel(node, gpu),)


def _depthwise(node: Node, gpu: Gpu) -> NodeKernel:
    (op, kernel), bias = convolution(node), vector(node, "bias")
    draft = Draft(f"depthwise {kernel[0]}x{kernel[1]}")
    weight = draft.weights(weight_of(node).array)
    number = None if bias is None else draft.weights(bias)
    window = Window.of(op, node.view("x").type, kernel, node.result.type)
    return _sliding(draft, node, window, Rule(weight, number, act=op.act), gpu)


def _pool(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    op, x, out = node.op, node.view("x").type.shape, node.result.type.shape
    assert isinstance(op, pool.MaxPool | pool.AvgPool)
    window = Window(x[1], x[2], (out[1], out[2]), op.kernel, op.stride, op.pad, op.spacing)
    rule = Rule(largest=True)
    if isinstance(op, pool.AvgPool):
        rule = Rule(mean=True, count_pad=op.count_pad, overhang=op.overhang, act=op.act)
    draft = Draft(f"{op.mnemonic} {op.kernel[0]}x{op.kernel[1]}")
    return (_sliding(draft, node, window, rule, gpu),)


def _sliding(draft: Draft, node: Node, window: Window, rule: Rule, gpu: Gpu) -> NodeKernel:
    reader, images = reader_of(draft, node.view("x")), node.result.type.shape[0]
    strip = chosen(node, Strip, strips_of(node, gpu))
    out = draft.write(node.result)
    return sliding_kernel(draft, Sliding(images, reader, window, strip, out, rule))


def _global_pool(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft, largest = Draft(node.op.label), isinstance(node.op, ReduceMax)
    images, height, width, _ = node.view("x").type.shape
    reader, pixels = reader_of(draft, node.view("x")), height * width
    team = chosen(node, PoolBlock, teams_of(node, gpu))
    factor = 1.0 if isinstance(node.op, ReduceMax | ReduceSum) else 1.0 / pixels
    out = draft.write(node.result)
    layer = GlobalPool(images, pixels, reader, team, out, largest, factor)
    return (global_pool_kernel(draft, layer),)


def _reduction(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    op, x = node.op, node.view("x")
    assert isinstance(op, Reduce)
    if op.is_over_images(x.type):
        return _global_pool(node, gpu)
    draft = Draft(node.op.label)
    reader = reader_of(draft, x, unit=1 if x.type.rank - 1 in op.axes else None)
    compute = reduced(reader, x.type.shape, op)
    return (_map(draft, node.result, reader.lanes, compute, gpu),)


def _argmax(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft, op, x = Draft(node.op.label), node.op, node.view("x")
    assert isinstance(op, ArgMax)
    compute = first_largest(reader_of(draft, x, unit=1), x.type.shape, op)
    return (_map(draft, node.result, 1, compute, gpu),)


def _transposed_conv(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft, op, view = Draft(node.op.label), node.op, node.view("x")
    assert isinstance(op, TransposedConv)
    weight, shapes = weight_of(node).array, (view.type, node.result.type)
    reader = reader_of(draft, view, unit=1)
    compute = transposed(draft, op, reader, shapes, weight, vector(node, "bias"))
    return (_map(draft, node.result, transposed_lanes(op, weight), compute, gpu),)


def _resize(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft, op, view = Draft(node.op.label), node.op, node.view("x")
    assert isinstance(op, resize.Resize)
    reader = reader_of(draft, view)
    compute = resized(draft, op, reader, view.type)
    return (_map(draft, node.result, reader.lanes, compute, gpu),)


def _softmax(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft = Draft(node.op.label)
    return (softmax_kernel(draft, _rows(draft, node, gpu)),)


def _rows(draft: Draft, node: Node, gpu: Gpu) -> RowLayer:
    reader = reader_of(draft, node.view("x"), unit=1)
    threads = chosen(node, Threads, rows_of(node, gpu))
    rows = prod(node.result.type.shape[:-1])
    return RowLayer(rows, reader, threads.count, draft.write(node.result))


def _layer_norm(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft, op = Draft(node.op.label), node.op
    assert isinstance(op, norm.LayerNorm)
    gamma, beta = (draft.weights(_present(node, role)) for role in ("gamma", "beta"))
    rows = _rows(draft, node, gpu)
    return (norm_kernel(draft, NormRows(**vars(rows), epsilon=op.epsilon, gamma=gamma, beta=beta)),)


def _activation(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft = Draft(node.op.label)
    reader = reader_of(draft, node.view("x"))
    assert isinstance(node.op, elementwise.Activate)
    act = node.op.act

    def compute(code: Code, pixel: Expr, channel: Expr) -> Expr:
        return activated(code, reader.load(code, pixel, channel), act, reader.lanes)

    return (_map(draft, node.result, reader.lanes, compute, gpu),)


def _batch_norm(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft, op = Draft(node.op.label), node.op
    assert isinstance(op, elementwise.BatchNorm)
    reader = reader_of(draft, node.view("x"))
    vectors = scale_and_shift(op, *(_present(node, role) for role in elementwise.NORM))
    scale, shift = (draft.weights(vector.astype(np.float32)) for vector in vectors)

    def compute(code: Code, pixel: Expr, channel: Expr) -> Expr:
        factors = code.parameters[scale].load(channel, reader.lanes)
        terms = code.parameters[shift].load(channel, reader.lanes)
        return reader.load(code, pixel, channel) * factors + terms

    return (_map(draft, node.result, reader.lanes, compute, gpu),)


def _arithmetic(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    draft = Draft(node.op.label)
    assert isinstance(node.op, elementwise.Arithmetic)
    lanes, compute = arithmetic(draft, node.op, node.operands, node.result.type)
    return (_map(draft, node.result, lanes, compute, gpu),)


def _present(node: Node, role: str) -> np.ndarray:
    found = vector(node, role)
    assert found is not None
    return found


def _channel_moves(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    views = moved_views(node.op, node.views)
    pairs = zip(views, node.results, strict=True)
    return tuple(_copy(node.op, view, value, gpu) for view, value in pairs)


def _reshape(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    return (_copy(node.op, node.view("x"), node.result, gpu),)


def _copy(op: Op, view: ChannelView, value: Value, gpu: Gpu) -> NodeKernel:
    """Copy a view's elements in row-major order, whatever the shape of the result."""
    draft = Draft(op.mnemonic)
    reader = reader_of(draft, view)
    return _map(draft, value, reader.lanes, reader.load, gpu, len(view.order))


def _strided(node: Node, gpu: Gpu) -> tuple[NodeKernel, ...]:
    return (strided_kernel(node, gpu),)


def _map(
    draft: Draft, out: Value, lanes: int, compute: Compute, gpu: Gpu, channels: int = 0
) -> NodeKernel:
    channels = channels or out.type.channels
    threads = flat_threads(out.type.elements // lanes, gpu)
    layer = Map(out.type.elements // channels, channels, lanes, threads, draft.write(out))
    return map_kernel(draft, layer, compute)


BUILDERS: dict[type[Op], Builder] = {
    linear.Conv2d: _conv2d,
    TransposedConv: _transposed_conv,
    linear.Dense: lambda node, gpu: (pointwise_kernel(node, gpu),),
    Fused: lambda node, gpu: (fused_kernel(node, gpu),),
    pool.MaxPool: _pool,
    pool.AvgPool: _pool,
    resize.Resize: _resize,
    pool.GlobalAvgPool: _global_pool,
    **dict.fromkeys(REDUCTIONS, _reduction),
    ArgMax: _argmax,
    elementwise.Softmax: _softmax,
    norm.LayerNorm: _layer_norm,
    elementwise.Activate: _activation,
    **dict.fromkeys(elementwise.ARITHMETIC, _arithmetic),
    elementwise.BatchNorm: _batch_norm,
    move.Concat: _channel_moves,
    move.Split: _channel_moves,
    move.ChannelShuffle: _channel_moves,
    move.Reshape: _reshape,
    **dict.fromkeys((move.Transpose, *grid.GRID), _strided),
}
"""The builder of each op's kernels."""
