"""One static arena for all values between inputs and outputs.

A value lives from the node that makes it to its last reader, both included: a node's result never
overlaps what the node reads, unless the backend lets it write over an operand that dies there.
Inputs and outputs are the caller's memory and have no offset.

Placing lifetimes in the least memory is NP-hard (dynamic storage allocation). We place greedily in
several orders, each buffer in the tightest or the lowest gap that is free all its life, and keep
the best; we stop where that equals the lower bound, the most bytes alive at one time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from mbc.ir.graph import Graph, Node
from mbc.ir.views import ChannelView, Place, Value
from mbc.passmgr.passes import PassContext, PassResult
from mbc.targets.backend import Backend

ALIGNMENT = 64  # a cache line
REORDERINGS = 30  # halves the plans that miss the bound; more help no further


@dataclass(eq=False)
class Buffer:
    """Memory that one value, or several one after the other in place, hold from node `first` to
    node `last` of the topological order."""

    values: list[Value]
    first: int
    last: int
    bytes: int

    def meets(self, other: Buffer) -> bool:
        """Whether both are alive at one time."""
        return self.first <= other.last and other.first <= self.last


Order = Callable[[Buffer], tuple[int, ...]]
Placement = dict[Buffer, int]

ORDERS: tuple[Order, ...] = (
    lambda b: (-b.bytes, b.first),
    lambda b: (b.first, -b.bytes),
    lambda b: (-b.last, -b.bytes),
    lambda b: (b.first - b.last, -b.bytes),
    lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
)


@dataclass(frozen=True)
class PlanMemory:
    """Give every value between inputs and outputs its place in one static arena."""

    name: ClassVar[str] = "plan-memory"
    tolerance: ClassVar[float] = 0.0

    def run(self, graph: Graph, context: PassContext) -> PassResult:
        """Set the offsets of all values and the size of the arena."""
        result = PassResult()
        buffers = lifetimes(graph, context.backend)
        offsets, arena = place(buffers)
        planned = {value: offsets[buffer] for buffer in buffers for value in buffer.values}
        before = (graph.arena_bytes, [value.place for value in _values(graph)])
        graph.arena_bytes = arena
        for value in _values(graph):
            value.place = Place(planned[value]) if value in planned else None
        after = (graph.arena_bytes, [value.place for value in _values(graph)])
        bound = max((size for _, size in live_bytes(buffers)), default=0)
        ratio = f", {arena / bound:.3f} times" if bound else ", which is"
        result.note(f"arena of {arena} bytes{ratio} the most that is alive at once ({bound})")
        result.changed = before != after
        return result


def _values(graph: Graph) -> list[Value]:
    return [*graph.inputs, *(value for node in graph.topo() for value in node.results)]


def lifetimes(graph: Graph, backend: Backend) -> list[Buffer]:
    """The buffers that an arena must hold, in order of definition."""
    order = graph.topo()
    last_use = _last_uses(graph, order)
    callers = {*graph.inputs, *(view.value for view in graph.outputs if view.is_plain)}
    holder: dict[Value, Buffer] = {}
    for time, node in enumerate(order):
        for value in node.results:
            if value in callers:
                continue
            size = _aligned(backend.buffer_bytes(value.type))
            buffer = _written_over(node, time, size, holder, backend)
            if buffer is None:
                buffer = Buffer([], time, time, size)
            buffer.values.append(value)
            buffer.last = last_use.get(value, time)
            holder[value] = buffer
    return list(dict.fromkeys(holder.values()))


def _last_uses(graph: Graph, order: Sequence[Node]) -> dict[Value, int]:
    """When each value is read last; what an output reads lives to the end."""
    uses = {
        value: time
        for time, node in enumerate(order)
        for view in node.views
        for value in view.values
    }
    return uses | {value: len(order) for view in graph.outputs for value in view.values}


def _written_over(
    node: Node, time: int, size: int, holder: dict[Value, Buffer], backend: Backend
) -> Buffer | None:
    """The buffer of an operand that dies at this node and may take its result."""
    if len(node.results) > 1:
        return None
    for slot, view in enumerate(node.operands):
        if not isinstance(view, ChannelView) or not view.is_plain:
            continue
        buffer = holder.get(view.value)
        if buffer is None or buffer.last != time or buffer.bytes < size:
            continue
        readers = [i for i, o in enumerate(node.operands) if _reads(o, view.value)]
        if readers == [slot] and backend.may_alias(node, slot):
            return buffer
    return None


def _reads(operand: object, value: Value) -> bool:
    return isinstance(operand, ChannelView) and value in operand.values


def live_bytes(buffers: Iterable[Buffer]) -> Iterator[tuple[int, int]]:
    """(time, bytes alive then) at the start of each buffer, where alone a maximum can lie."""
    held = list(buffers)
    for buffer in held:
        time = buffer.first
        yield time, sum(b.bytes for b in held if b.first <= time <= b.last)


def place(buffers: Sequence[Buffer]) -> tuple[Placement, int]:
    """Offsets that keep buffers apart that are alive together, and the bytes they need."""
    bound = max((size for _, size in live_bytes(buffers)), default=0)
    best: Placement = {}
    size: int | None = None
    for placed in _attempts(buffers):
        if size is None or _extent(placed) < size:
            best, size = placed, _extent(placed)
        if size == bound:
            break
    return best, size or 0


def _attempts(buffers: Sequence[Buffer]) -> Iterator[Placement]:
    """Placements in every order; then, again and again, the topmost buffer of one goes first."""
    for order, tight in product(ORDERS, (True, False)):
        yield _place_greedily(sorted(buffers, key=order), tight)
    for tight in (True, False):
        queue = sorted(buffers, key=ORDERS[0])
        for _ in range(REORDERINGS if queue else 0):
            placed = _place_greedily(queue, tight)
            top = max(placed, key=lambda b: placed[b] + b.bytes)
            queue = [top, *(b for b in queue if b is not top)]
            yield placed


def _extent(placed: Placement) -> int:
    return max((offset + buffer.bytes for buffer, offset in placed.items()), default=0)


def _place_greedily(buffers: Iterable[Buffer], tight: bool) -> Placement:
    placed: Placement = {}
    for buffer in buffers:
        taken = sorted((at, at + b.bytes) for b, at in placed.items() if b.meets(buffer))
        placed[buffer] = _gap(taken, buffer.bytes, tight)
    return placed


def _gap(taken: Iterable[tuple[int, int]], size: int, tight: bool) -> int:
    """Where `size` bytes fit between the taken ranges: in the smallest gap, or the lowest."""
    gaps: list[tuple[int, int]] = []
    end = 0
    for start, stop in taken:
        if start - end >= size:
            gaps.append((start - end, end))
        end = max(end, stop)
    if not gaps:
        return end
    return min(gaps)[1] if tight else gaps[0][1]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
