"""Ranges of a network's values, measured by the oracle in float."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from mbc.diag import error
from mbc.int8.quantisation import Quantisation, Range
from mbc.interp import evaluate
from mbc.ir.graph import Graph, Node
from mbc.passes.quantising.prepare import prepare
from mbc.passes.quantising.scales import stored_codes

Inputs = Mapping[str, np.ndarray]


def prepared(graph: Graph) -> Graph:
    """Return a copy in the form in which a network is measured and quantised."""
    copy = graph.clone()
    prepare(copy)
    return copy


def calibrate(
    graph: Graph,
    samples: Iterable[Inputs],
    *,
    keep_float: frozenset[str] = frozenset(),
    weight_bits: int = 8,
) -> Quantisation:
    """Measure the ranges of a prepared graph: the least and the largest number of each value over
    all samples. Raises E0554 for values that are not finite, or if there are no samples."""
    names = stored_codes(graph, keep_float).measured
    watch = _Extremes(frozenset(names))
    for inputs in samples:
        watch.sample(graph, inputs)
    if not watch.found and names:
        raise error("E0554", "there is no sample to measure ranges on")
    return Quantisation({name: watch.found[name] for name in names}, keep_float, weight_bits)


class _Extremes:
    """The ranges of values, which grow by each sample."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.found: dict[str, Range] = {}

    def sample(self, graph: Graph, inputs: Inputs) -> None:
        """Look at all values of one evaluation."""
        for name, array in inputs.items():
            self._see(name, array)
        evaluate(graph, inputs, self._look)

    def _look(self, node: Node, results: tuple[np.ndarray, ...]) -> None:
        for value, array in zip(node.results, results, strict=True):
            self._see(value.name, array)

    def _see(self, name: str, array: np.ndarray) -> None:
        if name not in self._names:
            return
        low, high = float(array.min()), float(array.max())
        if not np.isfinite([low, high]).all():
            raise error(
                "E0554",
                f"{name} has values that are not finite",
                helps=["calibrate on samples that the float network can compute"],
            )
        seen = Range.of(low, high)
        self.found[name] = self.found[name].union(seen) if name in self.found else seen
