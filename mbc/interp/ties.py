"""Answers whose indices are masked where rounding decides about them.

Kernels add in other orders than the oracle. So where the two largest elements are about equal, an
argmax of theirs may be the index of either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mbc.interp.run import Array, evaluate, gather, run
from mbc.ir.graph import Graph, Node
from mbc.ir.subnormals import flushed
from mbc.ir.views import Value
from mbc.ops.argmax import ArgMax

TIE = 1e-4
"""Largest distance of numbers about whose order rounding decides, relative to the largest one."""


def run_with_ties(graph: Graph, inputs: Mapping[str, Array], tie: float = TIE) -> dict[str, Array]:
    """Compute the outputs as `run` does; those of int32 are masked arrays, masked where the largest
    element and another one of an argmax are closer than `tie` times the largest magnitude."""
    outputs = run(graph, inputs)
    if not any(isinstance(node.op, ArgMax) for node in graph.topo()):
        return outputs
    ties = dict(zip(graph.output_names, _ties(graph, inputs, tie), strict=True))
    return {
        name: np.ma.masked_array(found, ties[name] != 0) if found.dtype == np.int32 else found
        for name, found in outputs.items()
    }


def _ties(graph: Graph, inputs: Mapping[str, Array], tie: float) -> tuple[Array, ...]:
    """Evaluate a graph with each index replaced by whether rounding decides about it. What follows
    only moves it."""
    read = {value for node in _argmaxes(graph) for value in node.view("x").values}
    known: dict[Value, Array] = {
        value: flushed(np.asarray(inputs[value.name], np.float32)) for value in graph.inputs
    }

    def replace(node: Node, results: tuple[Array, ...]) -> None:
        known.update(pair for pair in zip(node.results, results, strict=True) if pair[0] in read)
        if isinstance(node.op, ArgMax):
            results[0][...] = _undecided(node.op, gather(node.view("x"), known), tie)

    return evaluate(graph, inputs, replace)


def _argmaxes(graph: Graph) -> list[Node]:
    return [node for node in graph.topo() if isinstance(node.op, ArgMax)]


def _undecided(op: ArgMax, x: Array, tie: float) -> Array:
    """Whether a second element is as large as the largest one along the axis, or nearly so."""
    sizes = np.abs(x[np.isfinite(x)])
    margin = tie * float(sizes.max(initial=0.0))
    with np.errstate(invalid="ignore"):
        near = x.max(axis=op.axis, keepdims=True) - x <= margin
    undecided: Array = np.count_nonzero(near, axis=op.axis, keepdims=op.keep) > 1
    return undecided
