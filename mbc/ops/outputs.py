"""Outputs and the caller's memory.

A kernel writes an output directly into the caller's buffer if the output is a whole value that a
node computes, that is not another output too, and that has no place in the arena. Any other output
(a view, an input, a value returned twice) has to be copied there.
"""

from __future__ import annotations

from collections.abc import Iterator

from mbc.ir.graph import Graph
from mbc.ir.views import ChannelView, Value
from mbc.ops.move import Concat


def copied_outputs(graph: Graph) -> list[ChannelView]:
    """Return the outputs that have to be copied to the caller."""
    return [view for view, in_place in _outputs(graph) if not in_place]


def with_plain_outputs(graph: Graph) -> Graph:
    """Return a copy of a graph in which nodes write all outputs in place: a `concat` copies each
    of the others."""
    copy = graph.clone()
    copy.set_outputs(
        [
            view if in_place else ChannelView.of(copy.add(Concat(), [view]).result)
            for view, in_place in _outputs(copy)
        ]
    )
    return copy


def _outputs(graph: Graph) -> Iterator[tuple[ChannelView, bool]]:
    """Yield each output and whether it is written in place."""
    written: set[Value] = set()
    for view in graph.outputs:
        made = view.is_plain and graph.producer(view.value) is not None
        in_place = made and view.value.place is None and view.value not in written
        if in_place:
            written.add(view.value)
        yield view, in_place
