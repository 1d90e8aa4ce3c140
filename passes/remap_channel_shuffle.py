"""Removes channel shuffles: instead of the data, the order in which their readers see it changes.

Let s = channel_shuffle(x), that is s(c) = x(f(c)). Each reader of s reads x instead, through f:
  - an op that treats each channel alone (depthwise, pool, relu, batch_norm) reads x plain with its
    constants w permuted, w'[f(c)] = w[c], and its result is read through f;
  - an ungrouped convolution or a dense layer sums over channels, in any order, so it reads x plain
    with its weight permuted along the input channels, w'[f(c), o] = w[c, o];
  - an addition lets through an order that both operands have;
  - what else has a kernel that reads a channel view reads it.
Where a reader can do none of these, what makes x may store its channels in the shuffled order,
w'[i, c] = w[i, f(c)], and its other readers read it through f^-1. How rewrites are chosen:
passes/views/plan.py.
"""

from __future__ import annotations

from typing import ClassVar

from mbc.ir.graph import Graph
from mbc.ops.move import ChannelShuffle
from mbc.passes.views.eliminate_moves import remove_moves
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass


@dataclass(frozen=True)
class RemapChannelShuffle:
    """Fold channel shuffles into the weights and index maps of the ops around them."""

    name: ClassVar[str] = "remap-channel-shuffle"
    tolerance: ClassVar[float] = 1e-4  # the sum over channels runs in another order

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Remove every shuffle that its readers or its producer can take over."""
        result = PassResult()
        result.remarks += remove_moves(graph, context, ChannelShuffle, result).remarks
        return result
