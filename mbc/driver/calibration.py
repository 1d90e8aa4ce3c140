"""Ranges of a network's values, measured by the oracle in float."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from mbc.diag import error
from mbc.int8.quantisation import Quantisation, Range
from mbc.interp import evaluate
from mbc.ir.graph import Graph, Node
from mbc.passes.quantising.prepare import prepare
from mbc.passes.quantising.scales import stored_codes

Inputs: TypeAlias = Mapping[str, np.ndarray]
Seen: TypeAlias = Callable[[str, np.ndarray], None]

BINS = 2048
SHRINKS = np.linspace(1.0, 0.3, 71)
"""Parts of a range that `mse` tries, the whole one first."""


def prepared(graph: Graph) -> Graph:
    """Return a copy in the form in which a network is measured and quantised."""
    copy = graph.clone()
    prepare(copy)
    return copy


def calibrate(
    graph: Graph,
    samples: Sequence[Inputs] | Iterable[Inputs],
    *,
    method: str = "minmax",
    keep_float: frozenset[str] = frozenset(),
    weight_bits: int = 8,
    on_sample: Callable[[], None] = lambda: None,
) -> Quantisation:
    """Measure the ranges of a prepared graph over all samples: the least and the largest number of
    each value, or with "mse" the part of these whose codes have the least squared error.

    Raises E0554 for values that are not finite, for inputs that are all 0, and without samples."""
    samples = list(samples) if not isinstance(samples, Sequence) else samples
    names = stored_codes(graph, keep_float).measured
    if not samples:
        raise error("E0554", "there is no sample to measure ranges on")
    ranges = _extremes(graph, samples, frozenset(names), on_sample)
    for value in graph.inputs:
        if value.name in ranges and ranges[value.name].span == 0:
            raise error("E0554", f"{value.name} is 0 in all samples, which measures nothing")
    if method == "mse":
        ranges = _least_errors(graph, samples, ranges, on_sample)
    return Quantisation({name: ranges[name] for name in names}, keep_float, weight_bits)


def look(graph: Graph, inputs: Inputs, seen: Seen) -> None:
    """Show all values of one evaluation, by name."""

    def on_node(node: Node, results: tuple[np.ndarray, ...]) -> None:
        for value, array in zip(node.results, results, strict=True):
            seen(value.name, array)

    for name, array in inputs.items():
        seen(name, array)
    evaluate(graph, inputs, on_node)


def _extremes(
    graph: Graph, samples: Sequence[Inputs], names: frozenset[str], on_sample: Callable[[], None]
) -> dict[str, Range]:
    found: dict[str, Range] = {}

    def see(name: str, array: np.ndarray) -> None:
        if name not in names:
            return
        low, high = float(np.float32(array.min())), float(np.float32(array.max()))
        if not np.isfinite([low, high]).all():
            raise error(
                "E0554",
                f"{name} has values that are not finite",
                helps=["calibrate on samples that the float network can compute"],
            )
        seen = Range.of(low, high)
        found[name] = found[name].union(seen) if name in found else seen

    for inputs in samples:
        look(graph, inputs, see)
        on_sample()
    return found


def _least_errors(
    graph: Graph,
    samples: Sequence[Inputs],
    ranges: Mapping[str, Range],
    on_sample: Callable[[], None],
) -> dict[str, Range]:
    counts = {name: np.zeros(BINS) for name, range in ranges.items() if range.span > 0}

    def see(name: str, array: np.ndarray) -> None:
        if name in counts:
            range = ranges[name]
            counts[name] += np.histogram(array, BINS, (range.low, range.high))[0]

    for inputs in samples:
        look(graph, inputs, see)
        on_sample()
    return {
        name: _best(range, counts[name]) if name in counts else range
        for name, range in ranges.items()
    }


def _best(range: Range, counts: np.ndarray) -> Range:
    """Return the part of a range whose codes are nearest to what was counted in its bins."""
    width = range.span / BINS
    centres = range.low + width * (np.arange(BINS) + 0.5)

    def squared(part: Range) -> float:
        element = part.element
        codes = np.clip(np.rint(centres / element.scale) + element.zero, 0, 255)
        return float(counts @ (centres - (codes - element.zero) * element.scale) ** 2)

    parts = [
        Range(*(float(np.float32(s * end)) for end in (range.low, range.high))) for s in SHRINKS
    ]
    return min(parts, key=squared)
