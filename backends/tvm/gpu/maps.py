"""Layers that treat each element alone, and copies: of views, and into another order of axes.

A thread makes one vector of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.reader import Reader
from mbc.backends.tvm.gpu.schedule import ceildiv
from mbc.backends.tvm.gpu.tir import Code, Expr

Compute = Callable[[Code, Expr, Expr], Expr]
"""The vector of a result from its pixel and first channel."""


@dataclass(frozen=True)
class Map:
    """A result of so many `pixels` of `channels`, made in vectors of `lanes` by blocks of so many
    threads; `out` is its number."""

    pixels: int
    channels: int
    lanes: int
    threads: int
    out: int


def map_kernel(draft: Draft, layer: Map, compute: Compute) -> NodeKernel:
    """The kernel that computes each vector."""
    each = layer.channels // layer.lanes
    count = layer.pixels * each

    def body(code: Code) -> None:
        number = code.bind(code.block[0] * layer.threads + code.thread[0])
        with code.when(True if count % layer.threads == 0 else number < count):
            pixel, channel = number // each, number % each * layer.lanes
            value = compute(code, code.bind(pixel), code.bind(channel))
            code.parameters[layer.out].store(number * layer.lanes, value, layer.lanes)

    return draft.finish((ceildiv(count, layer.threads), 1, 1), (layer.threads, 1, 1), body)


def transposed(reader: Reader, shape: Sequence[int], perm: Sequence[int]) -> Compute:
    """A tensor of a shape, the channels last, with its axes in another order; one lane."""
    result = [shape[axis] for axis in perm]
    strides = {axis: prod(result[place + 1 :]) for place, axis in enumerate(perm)}
    last = len(shape) - 1

    def compute(code: Code, pixel: Expr, channel: Expr) -> Expr:
        flat = pixel * result[-1] + channel
        index = [flat // strides[axis] % shape[axis] for axis in range(len(shape))]
        source: Expr = 0
        for axis in range(last):
            source = source * shape[axis] + index[axis]
        return reader.load(code, source, index[last])

    return compute
