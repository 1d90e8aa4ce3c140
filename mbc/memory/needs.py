"""The buffers of an arena: their lifetimes, and which of them may overlap.

A value lives from its producer to its last user, both included, so a node's result and operands are
apart, with two exceptions for operands that the node reads last. The backend may allow in-place
execution: result and operand are one buffer. Or the kernel computes the result row by row and never
reads an operand row again: then the result may start some distance before the operand and overlap
it. Inputs and outputs are the caller's memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from mbc.diag import error
from mbc.ir.elements import Scalar
from mbc.ir.graph import Graph, Node
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Place, Value
from mbc.memory.facts import Facts
from mbc.memory.neighbours import Apart, Neighbours, colocated_views, first_channels, runs
from mbc.records import dataclass


@dataclass(eq=False)
class Buffer:
    """Memory of one value, of several by in-place execution, of several colocated ones, or of a
    kernel's scratch."""

    places: dict[Value, Place]
    """The places of its values, relative to its start; empty for scratch."""
    first: int
    """The first step at which it is alive."""
    last: int
    """The last step at which it is alive."""
    bytes: int
    user: Node | None = None
    """The node whose scratch it is."""
    form: Scalar | None = None
    """What is stored for an element of its values; None for scratch."""

    def meets(self, other: Buffer) -> bool:
        """Whether both are alive at one time."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Overlap:
    """A result that may overlap an operand."""

    time: int
    """The step at which the result's lifetime starts and the operand's ends."""
    result: Buffer
    operand: Buffer
    distance: int
    """Bytes by which the result must start before the operand, at least."""


@dataclass(frozen=True)
class Needs:
    """All buffers of an arena."""

    buffers: tuple[Buffer, ...]
    """In order of definition, scratch last."""
    overlaps: tuple[Overlap, ...]
    steps: int
    """Number of nodes that run."""


def needs_of(graph: Graph, facts: Facts) -> Needs:
    """Return the buffers of a graph. Raises MbcError E0515 if values cannot be colocated as the
    nodes need them."""
    return needs(graph.topo(), graph, facts)


def needs(order: Sequence[Node], graph: Graph, facts: Facts) -> Needs:
    """Return the buffers of a graph as if these nodes, in this order, were its own."""
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
        """Hold a value and its neighbours in one buffer, from the first definition on."""
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
        """Hold a value: in place of an operand, or in a buffer that may overlap operands."""
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
        """Return the buffers whose last use is a read of the whole, with the roles that do it."""
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
        return view.values == whole and view.is_concatenation


def _last_uses(graph: Graph, order: Sequence[Node]) -> dict[Value, int]:
    """Return the step of each value's last use; outputs live to the end."""
    uses = {
        value: time
        for time, node in enumerate(order)
        for view in node.views
        for value in view.values
    }
    return uses | {value: len(order) for view in graph.outputs for value in view.values}


def _runs_of(order: Iterable[Node], graph: Graph, facts: Facts) -> dict[Value, Neighbours]:
    """Map each value that must be colocated to its run."""
    views = [view for node in order for view in colocated_views(node, facts.backend)]
    try:
        return {value: run for run in runs(views, graph.inputs) for value in run}
    except Apart as conflict:
        raise error("E0515", f"no memory plan: {conflict}") from None


def _whole_type(run: Neighbours) -> TensorType:
    return run[0].type.with_channels(sum(value.type.channels for value in run))
