"""Elementwise layers, and copies of views.

A thread computes one vector of the result.
"""

from __future__ import annotations

from collections.abc import Callable

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.schedule import ceildiv
from mbc.backends.tvm.gpu.tir import Code, Expr
from mbc.records import dataclass

Compute = Callable[[Code, Expr, Expr], Expr]
"""Computes a vector of the result from its pixel and first channel."""


@dataclass(frozen=True)
class Map:
    """The result of an elementwise kernel, and its division into threads."""

    pixels: int
    channels: int
    lanes: int
    """Channels of one vector, which a thread computes."""
    threads: int
    """Threads of a block."""
    out: int
    """Parameter number of the result."""


def map_kernel(draft: Draft, layer: Map, compute: Compute) -> NodeKernel:
    """Make the kernel that computes each vector."""
    each = layer.channels // layer.lanes
    count = layer.pixels * each

    def body(code: Code) -> None:
        number = code.bind(code.block[0] * layer.threads + code.thread[0])
        with code.when(True if count % layer.threads == 0 else number < count):
            pixel, channel = number // each, number % each * layer.lanes
            value = compute(code, code.bind(pixel), code.bind(channel))
            code.parameters[layer.out].store(number * layer.lanes, value, layer.lanes)

    return draft.finish((ceildiv(count, layer.threads), 1, 1), (layer.threads, 1, 1), body)
