"""What lies in the arena, from when to when, and what decides its size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mbc.ir.graph import Graph, Node
from mbc.memory.bound import live_bytes
from mbc.memory.facts import Facts
from mbc.memory.needs import Buffer, Needs, needs_of
from mbc.ops.cost import layer_name, op_name


@dataclass(frozen=True)
class Holding:
    """Memory that is held from one step to another, both included: by values that take each other's
    place or lie side by side, or as scratch. `at_peak`: it is alive at the step that needs most."""

    kind: str
    values: tuple[str, ...]
    layers: tuple[str, ...]
    bytes: int
    first: int
    last: int
    offset: int
    pitch: int | None
    at_peak: bool

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.bytes

    @property
    def name(self) -> str:
        """Its values, or whose scratch it is."""
        names = " ".join(self.values)
        return names if self.kind == "value" else f"scratch of {names}"


@dataclass(frozen=True)
class Overlap:
    """At `step` the result may lie over an operand that it reads for the last time, if it begins at
    least `distance` bytes before."""

    step: int
    result: str
    operand: str
    distance: int


@dataclass(frozen=True)
class Step:
    """A node as it runs: what it makes, and the bytes alive meanwhile."""

    value: str
    layer: str
    op: str
    live_bytes: int


@dataclass(frozen=True)
class Memory:
    """The arena of one thread. No plan needs less than `bound_bytes`, what is alive at step `peak`.
    Several threads need `shared_bytes` and `scratch_bytes` for each."""

    arena_bytes: int
    bound_bytes: int
    shared_bytes: int
    scratch_bytes: int
    peak: int
    steps: tuple[Step, ...]
    holdings: tuple[Holding, ...]
    overlaps: tuple[Overlap, ...]

    def to_json(self) -> dict[str, Any]:
        """As `mbc report --memory --json` prints it (docs/cli.md)."""
        return asdict(self)


def memory_of(graph: Graph, facts: Facts, shared_bytes: int, scratch_bytes: int) -> Memory:
    """The memory of a graph that is planned for one thread."""
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


def _step(node: Node, live: int) -> Step:
    return Step(f"%{node.results[0].name}", layer_name(node), op_name(node), live)


def _holding(graph: Graph, buffer: Buffer, peak: int) -> Holding:
    if buffer.user is not None:
        kind, makers, pitch = "scratch", [buffer.user], None
        offset = buffer.user.scratch
        names = [result.name for result in buffer.user.results]
    else:
        kind, names = "value", [value.name for value in buffer.places]
        makers = [node for value in buffer.places if (node := graph.producer(value))]
        first, place = next(iter(buffer.places.items()))
        offset, pitch = first.offset, place.pitch
    assert offset is not None
    return Holding(
        kind,
        tuple(f"%{name}" for name in names),
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
        yield Overlap(overlap.time, f"%{result.name}", f"%{operand.name}", overlap.distance)
