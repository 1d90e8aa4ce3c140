"""The report on memory: the buffers of the arena, their lifetimes, and the lower bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from mbc.ir.graph import Graph, Node
from mbc.memory.bound import live_bytes
from mbc.memory.facts import Facts
from mbc.memory.needs import Buffer, Needs, needs_of
from mbc.ops.cost import layer_name, op_name
from mbc.records import dataclass


@dataclass(frozen=True)
class Holding:
    """A buffer of the arena."""

    kind: str
    """ "value", or "scratch"."""
    values: tuple[str, ...]
    """The values that it holds; for scratch the results of its node."""
    layers: tuple[str, ...]
    """The layers that compute the values."""
    bytes: int
    first: int
    """The first step at which it is alive."""
    last: int
    """The last step at which it is alive."""
    offset: int
    pitch: int | None
    """Floats from pixel to pixel, if values are colocated."""
    at_peak: bool
    """Whether it is alive at the step at which most bytes are alive."""

    @property
    def end(self) -> int:
        """The offset of its end."""
        return self.offset + self.bytes

    @property
    def name(self) -> str:
        """Its values, or whose scratch it is."""
        names = " ".join(self.values)
        return names if self.kind == "value" else f"scratch of {names}"


@dataclass(frozen=True)
class Overlap:
    """A result that may overlap an operand."""

    step: int
    result: str
    operand: str
    distance: int
    """Bytes by which the result must start before the operand, at least."""


@dataclass(frozen=True)
class StepMemory:
    """A step of the run, and the bytes alive at it."""

    value: str
    layer: str
    op: str
    live_bytes: int


@dataclass(frozen=True)
class Memory:
    """The memory of a network."""

    arena_bytes: int
    """The arena of one thread."""
    bound_bytes: int
    """Lower bound of the arena: the bytes alive at step `peak`."""
    shared_bytes: int
    """The arena of several threads, without their scratch."""
    scratch_bytes: int
    """The scratch of each of several threads."""
    peak: int
    steps: tuple[StepMemory, ...]
    holdings: tuple[Holding, ...]
    overlaps: tuple[Overlap, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `mbc report --memory --json` prints (docs/cli.md)."""
        return asdict(self)


def memory_of(graph: Graph, facts: Facts, shared_bytes: int, scratch_bytes: int) -> Memory:
    """Report on the memory of a graph that is planned for one thread."""
    wanted, order = needs_of(graph, facts), graph.topo()
    live = live_bytes(wanted)
    bound = max(live, default=0)
    peak = live.index(bound) if live else 0
    return Memory(
        arena_bytes=graph.arena_bytes or 0,
        bound_bytes=bound,
        shared_bytes=shared_bytes,
        scratch_bytes=scratch_bytes,
        peak=peak,
        steps=tuple(_step(node, bytes) for node, bytes in zip(order, live, strict=True)),
        holdings=tuple(_holding(graph, buffer, peak) for buffer in wanted.buffers),
        overlaps=tuple(_overlaps(wanted)),
    )


def _step(node: Node, live: int) -> StepMemory:
    return StepMemory(str(node.results[0]), layer_name(node), op_name(node), live)


def _holding(graph: Graph, buffer: Buffer, peak: int) -> Holding:
    if buffer.user is not None:
        kind, makers, pitch = "scratch", [buffer.user], None
        offset = buffer.user.scratch
        values = buffer.user.results
    else:
        kind, values = "value", tuple(buffer.places)
        makers = [node for value in values if (node := graph.producer(value))]
        first, place = next(iter(buffer.places.items()))
        offset, pitch = first.offset, place.pitch
    assert offset is not None
    return Holding(
        kind,
        tuple(map(str, values)),
        tuple(map(layer_name, makers)),
        buffer.bytes,
        buffer.first,
        buffer.last,
        offset,
        pitch,
        buffer.first <= peak <= buffer.last,
    )


def _overlaps(wanted: Needs) -> Iterator[Overlap]:
    for overlap in wanted.overlaps:
        result, operand = next(iter(overlap.result.places)), next(iter(overlap.operand.places))
        yield Overlap(overlap.time, str(result), str(operand), overlap.distance)
