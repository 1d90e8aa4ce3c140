"""Correction of biases (arXiv 1906.04721 §4.2): rounding weights shifts the mean of each channel.

    correction = mean over samples and pixels of (w - rounded w) x

with x in float. It is added to the bias before that is rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mbc.driver.calibration import Inputs
from mbc.int8.quantisation import Quantisation
from mbc.interp import evaluate
from mbc.interp.run import gather
from mbc.interp.strips import compute
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.ops.linear import Conv2d, Dense
from mbc.passes.quantising.layers import rounded_weight


def corrected(
    real: Graph,
    quantised: Graph,
    quantisation: Quantisation,
    samples: Sequence[Inputs],
    on_sample: Callable[[], None] = lambda: None,
) -> Quantisation:
    """Return the quantisation with a correction for each layer on codes."""
    shifts = [_Shift(node, twin) for node, twin in _layers(real, quantised)]
    for inputs in samples:
        _Walk(real, shifts, inputs)
        on_sample()
    found = {shift.node.result.name: shift.mean() for shift in shifts}
    return replace(quantisation, corrections=found)


def _layers(real: Graph, quantised: Graph) -> list[tuple[Node, Node]]:
    """Return the layers on codes: in float, and on codes."""
    made = {value.name: node for node in quantised.topo() for value in node.results}
    pairs = ((node, made.get(node.results[0].name)) for node in real.topo())
    return [
        (node, twin)
        for node, twin in pairs
        if twin is not None and isinstance(node.op, Conv2d | Dense) and twin["multiplier"]
    ]


class _Shift:
    """The sum of what rounding the weights of a layer takes away."""

    def __init__(self, node: Node, twin: Node) -> None:
        self.node = node
        weight = node.constant("weight")
        assert weight is not None
        self._lost = (weight.array - rounded_weight(twin)).astype(np.float32)
        op = node.op
        assert isinstance(op, Conv2d | Dense)
        self._op = op.with_act(None)
        self._sum = np.zeros(weight.type.channels)
        self._count = 0

    def see(self, x: np.ndarray) -> None:
        """Add a sample."""
        (lost,) = compute(self._op, [x, self._lost])
        self._sum += lost.reshape(-1, lost.shape[-1]).sum(axis=0, dtype=np.float64)
        self._count += lost.size // lost.shape[-1]

    def mean(self) -> np.ndarray:
        """Return the mean of each channel."""
        mean: np.ndarray = (self._sum / self._count).astype(np.float32)
        return mean


class _Walk:
    """One evaluation, with what layers read at hand."""

    def __init__(self, graph: Graph, shifts: Sequence[_Shift], inputs: Inputs) -> None:
        self._by_node = {shift.node: shift for shift in shifts}
        self._known: dict[Value, np.ndarray] = {v: inputs[v.name] for v in graph.inputs}
        evaluate(graph, inputs, self._see)

    def _see(self, node: Node, results: tuple[np.ndarray, ...]) -> None:
        if (shift := self._by_node.get(node)) is not None:
            view = node["x"]
            assert isinstance(view, ChannelView)
            shift.see(gather(view, self._known))
        self._known.update(zip(node.results, results, strict=True))
