"""A float network as one on codes of 8 bits (docs/int8.md): weights s8, sums s32, values u8.

It comes first, and prepares the graph by itself, so that a network is quantised alike whatever the
target and the level. All passes after it keep every bit.
"""

from __future__ import annotations

from math import inf
from typing import ClassVar

from mbc.diag import error
from mbc.ir.graph import Graph
from mbc.passes.byte_inputs import byte_inputs
from mbc.passes.quantising.bytes import floats_of_bytes
from mbc.passes.quantising.prepare import prepare
from mbc.passes.quantising.rewrite import quantised, rewrite
from mbc.passes.rewrite import name_of
from mbc.passmgr.passes import PassContext, PassResult
from mbc.records import dataclass


@dataclass(frozen=True)
class Quantise:
    """Compute with 8-bit codes by the ranges of `--quantize`, and convert around what cannot."""

    name: ClassVar[str] = "quantise"
    tolerance: ClassVar[float] = inf

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Prepare and rewrite the graph. Raises E0551 to E0553."""
        if context.quantisation is None:
            helps = ["mbc quantize measures them; --quantize takes its file"]
            raise error("E0553", "quantise needs the ranges of values", helps=helps)
        converting = [node for found in byte_inputs(graph) for node in found.nodes]
        node = next((node for node in quantised(graph) if node not in converting), None)
        if node is not None:
            result = PassResult()
            message = f"not quantised: {name_of(node)} is on codes already"
            result.note("on-codes", message, node)
            return result
        numbers = floats_of_bytes(graph)
        result = prepare(graph, context.quantisation)
        rewrite(graph, context.quantisation, result, numbers)
        return result
