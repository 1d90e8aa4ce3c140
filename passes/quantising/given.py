"""What a quantised model states of the values of its graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mbc.int8.quantisation import Quantisation
from mbc.ir.elements import F32, Q8
from mbc.ir.graph import Graph, Node
from mbc.ir.views import Value
from mbc.ops.elementwise import Activate
from mbc.records import dataclass


@dataclass(frozen=True)
class Given:
    """The elements of values that are on codes in the model itself."""

    elements: Mapping[Value, Q8]
    ranged: frozenset[str] = frozenset()
    """Names of the values whose ranges are known besides."""

    def __contains__(self, value: Value) -> bool:
        """Whether it is known how a value is stored as codes."""
        return value in self.elements or value.name in self.ranged


EVERYTHING_ELSE = Given({})
"""What is known where nothing is stated: all ranges are measured."""


def given_of(graph: Graph, quantisation: Quantisation) -> Given:
    """Return what is stated. A value that nothing but a clip to codes reads is on these codes
    itself: they bound it."""
    stated = quantisation.elements
    if not stated:
        return EVERYTHING_ELSE
    found = {v: stated[v.name] for v in _values(graph) if v.name in stated}
    for node in reversed(graph.topo()):
        x = _clipped(node)
        if x is None or node.result not in found or x in found:
            continue
        if graph.single_user(x) is node and not graph.is_output(x):
            found[x] = found[node.result]
    return Given(found, frozenset(quantisation.ranges))


def _values(graph: Graph) -> Iterator[Value]:
    yield from graph.inputs
    for node in graph.topo():
        yield from node.results


def _clipped(node: Node) -> Value | None:
    """Return the float value that a clip reads by itself."""
    if not isinstance(node.op, Activate) or node.op.act.bounds is None:
        return None
    view = node.view("x")
    return view.value if view.is_plain and view.type.element is F32 else None
