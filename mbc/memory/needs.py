"""What an arena must hold: buffers with their lifetimes, and which of them may overlap.

A value lives from the node that makes it to its last reader, both included, so a node's result lies
apart from what the node reads, with two exceptions for operands that die there. The backend may
allow the result in place of the operand, at the same address: they are one buffer. Or it makes the
result row by row and needs no row of the operand again: then the result may begin some distance
before the operand and lie over it. Inputs and outputs are the caller's memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mbc.diag import error
from mbc.ir.elements import Scalar
from mbc.ir.graph import Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Place, Value
from mbc.memory.facts import Facts, is_concatenation
from mbc.memory.neighbours import Apart, Run, first_channels, runs


@dataclass(eq=False)
class Buffer:
    """Memory that is held from node `first` to node `last` of the order: by one value, by several
    one after the other in place, or by several side by side. `places` are from its start, `form` is
    that of their elements in memory. The scratch of a node holds no value, and `user` is that node.
    """

    places: dict[Value, Place]
    first: int
    last: int
    bytes: int
    user: Node | None = None
    form: Scalar | None = None

    def meets(self, other: Buffer) -> bool:
        """Whether both are alive at one time."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Overlap:
    """At node `time`, where `result` begins and `operand` ends, they may lie over each other if the
    result begins at least `distance` bytes before the operand."""

    time: int
    result: Buffer
    operand: Buffer
    distance: int


@dataclass(frozen=True)
class Needs:
    """Buffers in order of definition, scratch last; `steps` is the number of nodes that run."""

    buffers: tuple[Buffer, ...]
    overlaps: tuple[Overlap, ...]
    steps: int


def needs_of(graph: Graph, facts: Facts) -> Needs:
    """What the arena of a graph must hold. Raises MbcError E0515 where values cannot lie side by
    side as the nodes read them."""
    return needs(graph.topo(), graph, facts)


def needs(order: Sequence[Node], graph: Graph, facts: Facts) -> Needs:
    """The same if these nodes, in this order, took the place of the graph's own."""
    return _Needs(order, graph, facts).run()


@dataclass
class _Needs:
    order: Sequence[Node]
    graph: Graph
    facts: Facts
    overlaps: list[Overlap] = field(default_factory=list)
    holder: dict[Value, Buffer] = field(default_factory=dict)

    def run(self) -> Needs:
        self.last_use = _last_uses(self.graph, self.order)
        self.runs = _runs_of(self.order, self.graph, self.facts)
        callers = {*self.graph.inputs, *(v.value for v in self.graph.outputs if v.is_plain)}
        for time, node in enumerate(self.order):
            for value in node.results:
                if value in self.runs:
                    self._beside(value, time)
                elif value not in callers:
                    self._hold(value, node, time)
        buffers = (*dict.fromkeys(self.holder.values()), *self._scratch())
        return Needs(buffers, tuple(self.overlaps), len(self.order))

    def _scratch(self) -> Iterator[Buffer]:
        for time, node in enumerate(self.order):
            if size := self.facts.scratch(node):
                yield Buffer({}, time, time, size, node)

    def _beside(self, value: Value, time: int) -> None:
        """Room for a value and its neighbours, from the first of them that is made."""
        if value in self.holder:
            self.holder[value].last = max(self.holder[value].last, time)
            return
        run = self.runs[value]
        whole = _whole_type(run)
        pitch, form = self.facts.pitch(whole), self.facts.form(whole)
        starts = zip(run, first_channels(run), strict=True)
        places = {part: Place(form.bytes * start, pitch) for part, start in starts}
        last = max(self.last_use.get(part, time) for part in run)
        buffer = Buffer(places, time, last, self.facts.bytes(whole), form=form)
        self.holder |= dict.fromkeys(run, buffer)

    def _hold(self, value: Value, node: Node, time: int) -> None:
        """Room for a value: in place of an operand, or over it, or anywhere."""
        size, last = self.facts.bytes(value.type), self.last_use.get(value, time)
        form = self.facts.form(value.type)
        dying = self._dying(node, time) if len(node.results) == 1 else {}
        for buffer, roles in dying.items():
            if buffer.form is form and self._in_place(node, roles, buffer.bytes, size):
                buffer.places[value] = Place(0)
                buffer.last = last
                self.holder[value] = buffer
                return
        buffer = Buffer({value: Place(0)}, time, last, size, form=form)
        self.holder[value] = buffer
        for operand, roles in dying.items():
            distances = [self.facts.distance(node, role) for role in roles]
            known = [distance for distance in distances if distance is not None]
            if len(known) == len(roles) and max(known) < size:
                self.overlaps.append(Overlap(time, buffer, operand, max(known)))

    def _in_place(self, node: Node, roles: Sequence[str], room: int, size: int) -> bool:
        return len(roles) == 1 and room >= size and self.facts.backend.may_alias(node, roles[0])

    def _dying(self, node: Node, time: int) -> dict[Buffer, list[str]]:
        """Buffers that are read for the last time, and as a whole, with the roles that do."""
        roles: dict[Buffer, list[str]] = {}
        partly: set[Buffer] = set()
        for role, operand in node.items():
            for value in operand.values if isinstance(operand, ChannelView) else ():
                buffer = self.holder.get(value)
                if buffer is None or buffer.last != time:
                    continue
                assert isinstance(operand, ChannelView)
                if not self._reads_all(operand, value):
                    partly.add(buffer)
                elif role not in roles.setdefault(buffer, []):
                    roles[buffer].append(role)
        return {buffer: read for buffer, read in roles.items() if buffer not in partly}

    def _reads_all(self, view: ChannelView, value: Value) -> bool:
        """Whether a view reads what a value's buffer holds as it is stored."""
        whole = self.runs.get(value, (value,))
        return view.values == whole and is_concatenation(view)


def _last_uses(graph: Graph, order: Sequence[Node]) -> dict[Value, int]:
    """When each value is read last; what an output reads lives to the end."""
    uses = {
        value: time
        for time, node in enumerate(order)
        for view in node.views
        for value in view.values
    }
    return uses | {value: len(order) for view in graph.outputs for value in view.values}


def _runs_of(order: Iterable[Node], graph: Graph, facts: Facts) -> dict[Value, Run]:
    """The run that each value with neighbours belongs to."""
    views = [view for node in order for view in facts.in_one_buffer(node)]
    try:
        return {value: run for run in runs(views, graph.inputs) for value in run}
    except Apart as conflict:
        raise error("E0515", f"no memory plan: {conflict}") from None


def _whole_type(run: Run) -> TensorType:
    return run[0].type.with_channels(sum(value.type.channels for value in run))
