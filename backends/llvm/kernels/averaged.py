"""Depthwise convolutions that return, beside their result, the mean of each of its rows, taken
while the row lies in the first cache. What averages the rows then reads but one pixel of each.

A row has its mean in any thread, so that the bits of a mean over all rows do not depend on threads.
"""

from __future__ import annotations

from mbc.backends.llvm.emitter import Count, Function
from mbc.backends.llvm.kernels.base import Kernel, Site
from mbc.backends.llvm.kernels.reduce import emit_means
from mbc.backends.llvm.kernels.windows import window_kernel
from mbc.backends.llvm.window import Part, Window
from mbc.ir.graph import Node
from mbc.ir.views import ChannelView
from mbc.ops import AvgPool, Conv2d, Fused
from mbc.ops.linear import filters_per_channel, present
from mbc.records import dataclass


@dataclass(frozen=True)
class AveragedWindow:
    """The parts of a fused body that convolves, then averages, and returns both results."""

    window: Node
    pool: Node


def averaged_window(node: Node) -> AveragedWindow | None:
    """Return the parts of a fused node that convolves, then averages; None if it is none, or if it
    returns but one of the results."""
    if not isinstance(node.op, Fused) or len(node.op.body.outputs) != 2:
        return None
    nodes = node.op.body.topo()
    fits = [type(inner.op) for inner in nodes] == [Conv2d, AvgPool]
    return AveragedWindow(*nodes) if fits else None


def averaged_refusal(node: Node, averaged: AveragedWindow) -> str:
    """Return why a fused node that convolves, then averages, has no kernel; "" if it has one."""
    assert isinstance(node.op, Fused)
    window, pool, body = averaged.window, averaged.pool, node.op.body
    assert isinstance(window.op, Conv2d)
    filters = filters_per_channel(window.op, present(window.type_of("weight")))
    if not filters or window["residual"]:
        return "only a depthwise convolution without a residual averages its rows"
    row = (1, window.result.type.shape[2])
    if pool.op != AvgPool(kernel=row, stride=row):
        return "it averages something else than rows"
    plain = [ChannelView.of(result) for result in (window.result, pool.result)]
    if pool["x"] != plain[0] or list(body.outputs) != plain:
        return "it averages or returns a view"
    source = window.view("x")
    read = source.is_plain and source.value in body.inputs
    return "" if read else "the depthwise convolution must read an input as it is stored"


def build_averaged(site: Site) -> Kernel:
    """Build a depthwise convolution whose rows are averaged."""
    averaged = averaged_window(site.node)
    assert averaged is not None
    out, means = site.outputs

    def after(f: Function, block: Window, number: Count, line: Count, row: str) -> None:
        channels = block.channels
        across = out.element_bytes * channels
        part = Part(channels, out.pixel_bytes, block.out_room)
        place = f.offset("%y1", f.binary("mul", line, means.row_bytes))
        place = f.offset(place, f.binary("mul", number, across))
        room = means.room if channels == means.type.channels else channels
        emit_means(f, part, row, place, block.out_width, room)

    role = averaged.window.view("x").value.name
    return window_kernel(site, averaged.window, role, "_means", after)
