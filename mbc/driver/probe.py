"""A network whose layers are outputs of it, and what an evaluation of it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TypeAlias

import numpy as np

from mbc.ir.elements import Q8
from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Value
from mbc.ops import Dequantize
from mbc.records import dataclass

Inputs: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Values:
    """What an evaluation gave."""

    layers: Mapping[str, np.ndarray]
    """Values by stable name, in the network's order; the numbers that codes stand for."""
    outputs: tuple[np.ndarray, ...]
    elements: Mapping[str, Q8] = field(default_factory=dict)
    """The codes of layers."""


Evaluate: TypeAlias = Callable[[Inputs], Values]


@dataclass(frozen=True)
class Probe:
    """A network whose outputs are its layers."""

    graph: Graph
    layers: tuple[str, ...]
    """Names of the first outputs."""
    outputs: tuple[int, ...]
    """Which of them are those of the network as written."""
    elements: Mapping[str, Q8] = field(default_factory=dict)
    """The codes of layers."""

    @staticmethod
    def of(graph: Graph) -> Probe:
        """Make every result of a node an output, of codes what they stand for."""
        copy = graph.clone()
        values = [value for _, value in results_of(copy)]
        views = [_in_float(copy, value) for value in values]
        more = [view for view in copy.outputs if view not in views]
        places = tuple([*views, *more].index(view) for view in copy.outputs)
        names = [f"v{i}" for i in range(len(views) + len(more))]
        copy.set_outputs([*views, *more], names)
        coded = {v.name: v.type.element for v in values if isinstance(v.type.element, Q8)}
        return Probe(copy, tuple(value.name for value in values), places, coded)

    def values(self, results: Sequence[np.ndarray]) -> Values:
        """Sort the outputs into layers and the network's own."""
        layers = dict(zip(self.layers, results, strict=False))
        return Values(layers, tuple(results[place] for place in self.outputs), self.elements)


def results_of(graph: Graph) -> Iterator[tuple[Node, Value]]:
    """Yield the results of nodes that are floats, or codes of them."""
    for node in graph.topo():
        for value in node.results:
            if value.type.element.is_float or isinstance(value.type.element, Q8):
                yield node, value


def _in_float(graph: Graph, value: Value) -> ChannelView:
    """Return a value, or what its codes stand for."""
    if not isinstance(value.type.element, Q8):
        return ChannelView.of(value)
    name = graph.fresh_name(f"{value.name}.dequantize")
    return ChannelView.of(graph.add(Dequantize(), [value], names=[name]).result)


def read_of(graph: Graph, view: ChannelView) -> Q8 | None:
    """Return the codes that an output is read of."""
    maker = graph.producer(view.value) if view.is_plain else None
    if maker is None or not isinstance(maker.op, Dequantize):
        return None
    element = maker.view("x").type.element
    return element if isinstance(element, Q8) else None


def numbers(found: np.ndarray, element: Q8 | None) -> np.ndarray:
    """Return what codes stand for; numbers as they are."""
    if found.dtype != np.uint8 or element is None:
        return found
    steps = found.astype(np.float32) - np.float32(element.zero)
    return steps * np.float32(element.scale)
