"""Layer normalisation on GPUs: a block a pixel."""

from __future__ import annotations

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.reductions import RowLayer, Rows
from mbc.backends.tvm.gpu.tir import Code, Expr, language
from mbc.records import dataclass


@dataclass(frozen=True)
class NormRows(RowLayer):
    """A layer normalisation of rows, read one element at a time."""

    epsilon: float
    """Added to the variance."""
    gamma: int
    """Parameter number of the factors."""
    beta: int
    """Parameter number of the terms."""


def norm_kernel(draft: Draft, layer: NormRows) -> NodeKernel:
    """Make the kernel, one block a row: find the mean, then the variance, then the result."""
    grid, block = (layer.rows, 1, 1), (layer.threads, 1, 1)
    return draft.finish(grid, block, lambda code: _write(code, layer))


def _write(code: Code, layer: NormRows) -> None:
    T, rows = language(), Rows(code, layer)
    share = T.float32(1 / layer.reader.channels)

    def mean_of_squares(found: Expr, x: Expr) -> Expr:
        return found + (x - mean) * (x - mean)

    rows.each(T.float32(0.0), lambda found, x: found + x)
    mean = code.bind(rows.together(lambda a, b: a + b) * share)
    rows.each(T.float32(0.0), mean_of_squares)
    variance = rows.together(lambda a, b: a + b) * share
    scale = code.bind(T.float32(1.0) / T.sqrt(variance + T.float32(layer.epsilon)))
    out, gamma, beta = (code.parameters[n] for n in (layer.out, layer.gamma, layer.beta))
    with code.loop(rows.turns) as turn, rows.channel(turn) as channel:
        value = (rows.element(channel) - mean) * scale
        place = rows.row * layer.reader.channels + channel
        out.store(place, value * gamma.load(channel) + beta.load(channel))
