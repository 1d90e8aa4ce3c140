"""Which runs of nodes to stream by rows so that a network needs less memory: the search.

The values between nodes that are streamed together are never whole. We look at the step at which
most is alive, and at all runs of steps around it that the backend can stream. Of those that lower
the peak most we take the one that the cost model likes best, and look again, until nothing helps.
Runs may hold blocks that are fused already, and a run of one node may pay as well: streamed by
rows, its result may lie over what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mbc.diag import MbcError
from mbc.ir.graph import Graph, Node
from mbc.ir.views import Value
from mbc.memory.allocate import place
from mbc.memory.bound import live_bytes
from mbc.memory.facts import Facts
from mbc.memory.needs import Needs, needs
from mbc.ops.fused import Fused
from mbc.passes.fusion import fused_chain
from mbc.targets.backend import Backend

LONGEST = 8  # steps to join at a time; longer runs come of several times

Peak = tuple[int, int]
"""The most bytes that are alive at a step, and at how many steps."""


@dataclass(frozen=True)
class Step:
    """A node that runs, and the nodes of the graph that it stands for."""

    node: Node
    parts: tuple[Node, ...]

    @property
    def is_new(self) -> bool:
        """Whether the node is not in the graph."""
        return self.parts != (self.node,)


Steps = tuple[Step, ...]


@dataclass(frozen=True)
class State:
    """A way to run a graph, the bytes of its arena and the predicted cycles that it takes;
    `newest` is the step by which it differs from the state before."""

    steps: Steps
    bytes: int
    cycles: float
    newest: Step | None


def descend(graph: Graph, backend: Backend) -> Iterator[State]:
    """The graph as it is, and then with ever lower peaks; raises `Apart`."""
    search = _Search(graph, backend)
    steps: Steps = tuple(Step(node, (node,)) for node in graph.topo())
    newest: Step | None = None
    while True:
        yield search.state(steps, newest)
        newest = search.best(steps)
        if newest is None:
            return
        steps = joined(steps, newest)


def joined(steps: Steps, new: Step) -> Steps:
    """The steps with a new one where the last of those that it replaces stood."""
    last = new.parts[-1]
    return tuple(
        new if step.parts[-1] is last else step
        for step in steps
        if step.parts[-1] is last or not set(step.parts) <= set(new.parts)
    )


class _Search:
    def __init__(self, graph: Graph, backend: Backend) -> None:
        self._graph, self._backend = graph, backend
        self._facts = Facts(backend)
        self._outputs = {value for view in graph.outputs for value in view.values}
        self._streamed: dict[tuple[Node, ...], Step | None] = {}
        self._times: dict[Node, float] = {}

    def state(self, steps: Steps, newest: Step | None) -> State:
        """The memory of the steps, planned."""
        bytes = place(self._needs(steps))[1]
        return State(steps, bytes, sum(self._time(step) for step in steps), newest)

    def best(self, steps: Steps) -> Step | None:
        """The step to join that lowers the peak most; of equals that which costs least time."""
        needed = live_bytes(self._needs(steps))
        found: list[tuple[Peak, float, Step | None]] = []
        for run in self._runs(steps, needed.index(max(needed)) if needed else 0):
            step = self._stream(run)
            peak = self._peak_with(steps, step) if step else None
            if step and peak:
                found.append((peak, self._time(step) - sum(map(self._time, run)), step))
        peak, _, step = min(found, key=lambda f: f[:2], default=(_peak(needed), 0.0, None))
        return step if peak < _peak(needed) else None

    def _peak_with(self, steps: Steps, new: Step) -> Peak | None:
        """None if values that the new step must find side by side have other neighbours."""
        try:
            return _peak(live_bytes(self._needs(joined(steps, new))))
        except MbcError:
            return None

    def _needs(self, steps: Steps) -> Needs:
        return needs([step.node for step in steps], self._graph, self._facts)

    def _time(self, step: Step) -> float:
        if step.node not in self._times:
            self._times[step.node] = self._backend.predict(step.node).cycles
        return self._times[step.node]

    def _runs(self, steps: Steps, time: int) -> Iterator[Steps]:
        """Steps that each alone read the one before, from at most `time` on to at least there."""
        readers = self._readers(steps)
        for start in steps[: time + 1]:
            run = [start]
            while len(run) < LONGEST and (reader := readers.get(run[-1])):
                run.append(reader)
            for end in range(1, len(run) + 1):
                if steps.index(run[end - 1]) >= time:
                    yield tuple(run[:end])

    def _readers(self, steps: Steps) -> dict[Step, Step]:
        """For each step the one that works on its whole result and alone reads it."""
        readers: dict[Value, list[Step | None]] = {}
        for step in steps:
            for view in step.node.views:
                for value in view.values:
                    readers.setdefault(value, []).append(step if view.is_single else None)
        found = {}
        for step in steps:
            match [readers.get(result, []) for result in step.node.results]:
                case [[Step() as reader]] if step.node.result not in self._outputs:
                    found[step] = reader
        return found

    def _stream(self, run: Steps) -> Step | None:
        """The run as one streamed step; None if the backend cannot, or it is one already."""
        parts = tuple(part for step in run for part in step.parts)
        streamed = len(run) == 1 and isinstance(run[0].node.op, Fused)
        if streamed or any(len(part.results) > 1 for part in parts):
            return None
        if parts not in self._streamed:
            fused = fused_chain("rows", parts)
            node = replace(fused, results=parts[-1].results)
            self._streamed[parts] = Step(node, parts) if self._backend.supports(node) else None
        return self._streamed[parts]


def _peak(needed: Sequence[int]) -> Peak:
    most = max(needed, default=0)
    return most, needed.count(most)
