"""The schedules that a node's kernel can have on a GPU, the best ones first."""

from __future__ import annotations

from collections.abc import Sequence

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.linear import is_product, is_sliding, product_of
from mbc.backends.tvm.gpu.reader import reader_of
from mbc.backends.tvm.gpu.schedule import row_threads, strips_for, teams_for, tiles_for
from mbc.ir.graph import Node
from mbc.ir.schedule import Schedule
from mbc.ops import AvgPool, GlobalAvgPool, LayerNorm, MaxPool, Softmax
from mbc.ops.reduce import Reduce
from mbc.schedules import PoolBlock, Strip, Threads
from mbc.targets.gpu import Gpu


def candidates(node: Node, gpu: Gpu) -> Sequence[Schedule]:
    """Return all schedules of a node's kernel; none if it leaves no choice."""
    if is_product(node):
        return tiles_for(product_of(node), gpu)
    if isinstance(node.op, MaxPool | AvgPool) or is_sliding(node):
        return strips_of(node, gpu)
    if is_global_pool(node):
        return teams_of(node, gpu)
    return rows_of(node, gpu) if isinstance(node.op, Softmax | LayerNorm) else ()


def is_global_pool(node: Node) -> bool:
    """Whether a node reduces all pixels of each image, channel by channel."""
    over = isinstance(node.op, Reduce) and node.op.is_over_images(node.view("x").type)
    return over or isinstance(node.op, GlobalAvgPool)


def strips_of(node: Node, gpu: Gpu) -> Sequence[Strip]:
    """Return the schedules of a depthwise convolution or pool."""
    images, height, width, _ = node.result.type.shape
    return strips_for(_vectors(node), (height, width), images, gpu)


def teams_of(node: Node, gpu: Gpu) -> Sequence[PoolBlock]:
    """Return the schedules of a global pool."""
    _, height, width, _ = node.view("x").type.shape
    return teams_for(_vectors(node), height * width, gpu)


def rows_of(node: Node, gpu: Gpu) -> Sequence[Threads]:
    """Return the schedules of a softmax."""
    return row_threads(node.result.type.channels, gpu)


def _vectors(node: Node) -> int:
    """Return the vectors of channels that a pixel of x is read by."""
    reader = reader_of(Draft(""), node.view("x"))
    return reader.channels // reader.lanes
