"""The search of `fuse-rows`: which chains of nodes to stream by rows to lower peak memory.

Values between nodes that are streamed together are never stored whole. A greedy search: take the
step at which most bytes are alive and all chains of steps around it that the backend can stream;
of those that lower the peak most, fuse the one with the least predicted time; repeat until no chain
lowers the peak. It can be left to chains that take no more
time than their nodes, and of which two threads compute few rows both. A chain may
contain nodes that are fused already. A chain of one node can help too: streamed by rows, its result
may overlap its operand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mbc.diag import MbcError
from mbc.ir.graph import Graph, Node
from mbc.ir.views import Value
from mbc.memory.allocate import place
from mbc.memory.bound import live_bytes
from mbc.memory.facts import Facts
from mbc.memory.needs import Needs, needs
from mbc.ops.fused import Fused
from mbc.passes.fusion import fused_chain
from mbc.records import dataclass
from mbc.targets.backend import Backend

MOST_AGAIN = 0.05  # of a free chain's time, spent on rows that two threads compute both
LONGEST = 8  # steps to join at a time; longer runs come of several times

Peak = tuple[int, int]
"""The most bytes that are alive at a step, and at how many steps."""


@dataclass(frozen=True)
class StreamStep:
    """A step of the schedule."""

    node: Node
    parts: tuple[Node, ...]
    """The nodes of the graph that it replaces."""

    @property
    def is_new(self) -> bool:
        """Whether the node is not in the graph."""
        return self.parts != (self.node,)


Steps = tuple[StreamStep, ...]


@dataclass(frozen=True)
class State:
    """A state of the search."""

    steps: Steps
    """The schedule."""
    bytes: int
    """Size of the arena."""
    cycles: float
    """Predicted time."""
    newest: StreamStep | None
    """The step that the previous state does not have."""


def descend(graph: Graph, backend: Backend, *, free: bool = False) -> Iterator[State]:
    """Yield the state of the graph as it is, then states with lower and lower peaks; with `free` by
    chains alone whose predicted time is no more than that of their parts.

    Raises Apart if the memory of the graph cannot be planned."""
    search = _Search(graph, backend, free)
    steps: Steps = tuple(StreamStep(node, (node,)) for node in graph.topo())
    newest: StreamStep | None = None
    while True:
        yield search.state(steps, newest)
        newest = search.best(steps)
        if newest is None:
            return
        steps = joined(steps, newest)


def joined(steps: Steps, new: StreamStep) -> Steps:
    """Replace steps by a new one, in the place of the last of them."""
    last = new.parts[-1]
    return tuple(
        new if step.parts[-1] is last else step
        for step in steps
        if step.parts[-1] is last or not set(step.parts) <= set(new.parts)
    )


class _Search:
    def __init__(self, graph: Graph, backend: Backend, free: bool) -> None:
        self._graph, self._backend, self._free = graph, backend, free
        self._facts = Facts(backend)
        self._outputs = {value for view in graph.outputs for value in view.values}
        self._streamed: dict[tuple[Node, ...], StreamStep | None] = {}
        self._times: dict[Node, float] = {}

    def state(self, steps: Steps, newest: StreamStep | None) -> State:
        """Plan the memory of a schedule."""
        bytes = place(self._needs(steps))[1]
        return State(steps, bytes, sum(self._time(step) for step in steps), newest)

    def best(self, steps: Steps) -> StreamStep | None:
        """Return the new step that lowers the peak most; of equal ones that with the least time."""
        needed = live_bytes(self._needs(steps))
        found: list[tuple[Peak, float, StreamStep | None]] = []
        for run in self._runs(steps, needed.index(max(needed)) if needed else 0):
            step = self._stream(run)
            added = self._time(step) - sum(map(self._time, run)) if step else 0.0
            if step is None or (self._free and not self._is_free(step, added)):
                continue
            if peak := self._peak_with(steps, step):
                found.append((peak, added, step))
        peak, _, step = min(found, key=lambda f: f[:2], default=(_peak(needed), 0.0, None))
        return step if peak < _peak(needed) else None

    def _is_free(self, step: StreamStep, added: float) -> bool:
        """Whether a chain takes no more time than its parts, and little more on two threads."""
        predicted = self._backend.predict(step.node)
        return added <= 0 and predicted.again <= MOST_AGAIN * predicted.cycles

    def _peak_with(self, steps: Steps, new: StreamStep) -> Peak | None:
        """Return the peak with a new step; None if the values that it reads cannot be colocated."""
        try:
            return _peak(live_bytes(self._needs(joined(steps, new))))
        except MbcError:
            return None

    def _needs(self, steps: Steps) -> Needs:
        return needs([step.node for step in steps], self._graph, self._facts)

    def _time(self, step: StreamStep) -> float:
        if step.node not in self._times:
            self._times[step.node] = self._backend.predict(step.node).cycles
        return self._times[step.node]

    def _runs(self, steps: Steps, time: int) -> Iterator[Steps]:
        """Yield the chains of steps across `time`; each step is the only user of the one before."""
        readers = self._readers(steps)
        for start in steps[: time + 1]:
            run = [start]
            while len(run) < LONGEST and (reader := readers.get(run[-1])):
                run.append(reader)
            for end in range(1, len(run) + 1):
                if steps.index(run[end - 1]) >= time:
                    yield tuple(run[:end])

    def _readers(self, steps: Steps) -> dict[StreamStep, StreamStep]:
        """Map each step to the only user of its result, if that reads all of it."""
        readers: dict[Value, list[StreamStep | None]] = {}
        for step in steps:
            for view in step.node.views:
                for value in view.values:
                    readers.setdefault(value, []).append(step if view.is_single else None)
        found = {}
        for step in steps:
            match [readers.get(result, []) for result in step.node.results]:
                case [[StreamStep() as reader]] if step.node.result not in self._outputs:
                    found[step] = reader
        return found

    def _stream(self, run: Steps) -> StreamStep | None:
        """Fuse a chain; None if the backend has no kernel for it, or if it is one fused node."""
        parts = tuple(part for step in run for part in step.parts)
        streamed = len(run) == 1 and isinstance(run[0].node.op, Fused)
        if streamed or any(map(_has_several_results, parts)):
            return None
        if parts not in self._streamed:
            fused = fused_chain("rows", parts)
            node = replace(fused, results=parts[-1].results)
            self._streamed[parts] = (
                StreamStep(node, parts) if self._backend.supports(node) else None
            )
        return self._streamed[parts]


def _peak(needed: Sequence[int]) -> Peak:
    most = max(needed, default=0)
    return most, needed.count(most)


def _has_several_results(node: Node) -> bool:
    """Whether a node, or one of its body, has more than one."""
    inner = node.op.body.topo() if isinstance(node.op, Fused) else []
    return any(len(each.results) > 1 for each in (node, *inner))
