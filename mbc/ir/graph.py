"""The graph: nodes and values on a networkx MultiDiGraph, edited only through its methods.

Edges run value -> node (a use) and node -> value (a definition). Node order is deterministic:
program order where dependencies allow it. Constants are operands, not nodes of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TypeAlias

import networkx as nx
import numpy as np

from mbc.diag import Location
from mbc.ir.elements import F32, Element
from mbc.ir.names import Names
from mbc.ir.op import Op
from mbc.ir.schedule import Schedule
from mbc.ir.types import TensorType
from mbc.ir.views import ChannelView, Place, Value
from mbc.records import dataclass


@dataclass(eq=False)
class Constant:
    """A named weight. Arrays are never written."""

    name: str
    type: TensorType
    data: np.ndarray | None = None
    """None until weights are bound."""
    literal: bool = False
    """Whether it is a number of the network's text, not a weight."""

    @staticmethod
    def of(name: str, data: np.ndarray, element: Element = F32) -> Constant:
        """Make a bound constant. Values beyond f32's range become infinite, as in kernels; values
        that an integer element type cannot represent raise ValueError."""
        with np.errstate(over="ignore", invalid="ignore"):
            array = np.ascontiguousarray(data, dtype=element.numpy)
        if not element.is_float and not np.array_equal(array, data):
            raise ValueError(f"@{name} has elements that are no {element}")
        array.setflags(write=False)
        return Constant(name, TensorType(tuple(array.shape), element), array)

    @property
    def array(self) -> np.ndarray:
        """The data; ValueError if none is bound."""
        if self.data is None:
            raise ValueError(f"constant @{self.name} has no data")
        return self.data

    def __repr__(self) -> str:
        return f"@{self.name}: {self.type}"


Operand: TypeAlias = ChannelView | Constant
Operands: TypeAlias = tuple[Operand | None, ...]


def without_trailing_none(operands: Sequence[Operand | None]) -> Operands:
    """Drop trailing absent operands."""
    count = len(operands)
    while count and operands[count - 1] is None:
        count -= 1
    return tuple(operands[:count])


@dataclass(eq=False)
class Node:
    """An op applied to operands. Rewriting a node drops its schedule."""

    op: Op
    operands: Operands
    """None in place of absent optional operands."""
    results: tuple[Value, ...]
    locations: tuple[Location, ...] = field(default=())
    """Source lines in the user's file."""
    scratch: int | None = field(default=None)
    """Byte offset of its kernel's scratch in the arena; None: outside the arena."""
    schedule: Schedule | None = field(default=None)
    """How its kernel computes it; None: the backend chooses during lowering."""

    @property
    def result(self) -> Value:
        """The result of a node that has exactly one."""
        (value,) = self.results
        return value

    @property
    def views(self) -> tuple[ChannelView, ...]:
        """The operands that read values."""
        return tuple(o for o in self.operands if isinstance(o, ChannelView))

    @property
    def operand_types(self) -> tuple[TensorType | None, ...]:
        """Types of the operands, None where absent."""
        return tuple(None if o is None else o.type for o in self.operands)

    def __getitem__(self, role: str) -> Operand | None:
        """Return the operand in a role; None if it is absent or the op has no such role."""
        roles, given = self.op.roles(len(self.operands)), self.operands
        place = roles.index(role) if role in roles else len(given)
        return given[place] if place < len(given) else None

    def items(self) -> tuple[tuple[str, Operand | None], ...]:
        """Return (role, operand) pairs in order."""
        return tuple(zip(self.op.roles(len(self.operands)), self.operands, strict=False))

    def view(self, role: str) -> ChannelView:
        """Return the operand in a role; TypeError if it is not a view."""
        operand = self[role]
        if not isinstance(operand, ChannelView):
            raise TypeError(f"operand '{role}' of {self.op.label} is not a view")
        return operand

    def constant(self, role: str) -> Constant | None:
        """Return the operand in a role if it is a constant, else None."""
        operand = self[role]
        return operand if isinstance(operand, Constant) else None

    def type_of(self, role: str) -> TensorType | None:
        """Return the type of the operand in a role; None if it is absent."""
        operand = self[role]
        return None if operand is None else operand.type

    def operands_with(self, changes: Mapping[str, Operand | None]) -> Operands:
        """Return the operands with those of some roles replaced, without trailing absent ones."""
        named = self.op.by_role(self.operands)
        if unknown := set(changes) - set(named):
            raise ValueError(f"{self.op.label} has no operand {', '.join(sorted(unknown))}")
        return without_trailing_none([*{**named, **changes}.values()])

    def __repr__(self) -> str:
        return f"{', '.join(map(str, self.results))} = {self.op}"


@dataclass(frozen=True)
class MemoryPlan:
    """The layout of one arena: places of values and of kernels' scratch."""

    arena_bytes: int
    """Size of the arena in bytes."""
    places: Mapping[Value, Place]
    """The place of each value that lies in the arena."""
    scratch: Mapping[Node, int] = field(default_factory=dict)
    """Byte offset by node; scratch of other nodes lies outside the arena."""


class Graph:
    """A network, or the body of a fused node.

    The places of values, the scratch of nodes and `arena_bytes` are the memory plan for one thread.
    `threads_plan` is that for several threads: not printed, dropped when a pass edits the graph.
    """

    def __init__(self, name: str, meta: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.meta: dict[str, str] = dict(meta or {})
        self.inputs: list[Value] = []
        self.outputs: tuple[ChannelView, ...] = ()
        self.output_names: tuple[str, ...] = ()
        self.arena_bytes: int | None = None
        self.threads_plan: MemoryPlan | None = None
        self._graph: nx.MultiDiGraph[Value | Node] = nx.MultiDiGraph()
        self._program: list[Node] = []
        self._order: tuple[Node, ...] | None = None  # cached result of topo(), dropped by edits
        self._names = Names()

    # building and editing

    def add_input(self, name: str, type: TensorType) -> Value:
        """Add a graph input."""
        value = Value(name, type)
        self._names.take([name])
        self.inputs.append(value)
        self._graph.add_node(value)
        return value

    def retype_input(self, old: Value, element: Element) -> Value:
        """Put an input of another element in the place of one, whose uses the caller gives away."""
        new = Value(old.name, TensorType(old.type.shape, element))
        self.inputs[self.inputs.index(old)] = new
        self._graph.add_node(new)
        return new

    def add(
        self,
        op: Op,
        operands: Sequence[Operand | Value | None],
        *,
        names: Sequence[str] = (),
        locations: Sequence[Location] = (),
        before: Node | None = None,
    ) -> Node:
        """Append a node, or insert it before another; result types are inferred. Results take the
        given names, which must be unused (`fresh_name`), or else fresh numbers."""
        normal = tuple(ChannelView.of(o) if isinstance(o, Value) else o for o in operands)
        types = op.infer([None if o is None else o.type for o in normal])
        self._names.take(names)
        names = names or [self.fresh_name() for _ in types]
        results = tuple(Value(name, type) for name, type in zip(names, types, strict=True))
        node = Node(op, normal, results, tuple(locations))
        index = len(self._program) if before is None else self._program.index(before)
        self._program.insert(index, node)
        self._graph.add_node(node)
        self._order = None
        self._connect_operands(node)
        for result in results:
            self._graph.add_edge(node, result)
        return node

    def set_outputs(
        self, outputs: Iterable[ChannelView | Value], names: Iterable[str] | None = None
    ) -> None:
        """Set what the graph returns, and the names of the outputs for callers."""
        self.outputs = tuple(ChannelView.of(o) if isinstance(o, Value) else o for o in outputs)
        if names is not None:
            self.output_names = tuple(names)
        elif len(self.output_names) != len(self.outputs):
            count = len(self.outputs)
            self.output_names = ("y",) if count == 1 else tuple(f"y{i}" for i in range(count))

    def set_operands(self, node: Node, operands: Sequence[Operand | None]) -> None:
        """Replace a node's operands by others of the same types."""
        for value in list(self._graph.predecessors(node)):
            self._graph.remove_edges_from(
                [(value, node)] * self._graph.number_of_edges(value, node)
            )
        node.operands = tuple(operands)
        self._order = None
        self._connect_operands(node)

    def replace_uses(self, value: Value, by: ChannelView | Value) -> None:
        """Replace `value` by `by`, which exists already, in all users and outputs. The values of
        `by` take over the origins of `value`."""
        view = ChannelView.of(by) if isinstance(by, Value) else by
        self._redirect(value, view)
        for other in view.values:
            other.account_for(value.origins)

    def supersede(self, value: Value, new: Value) -> None:
        """Replace a value in all uses by a new one with the same contents, which takes over its
        name and origins. The caller must erase the old value's producer."""
        self._redirect(value, ChannelView.of(new))
        new.name = value.name
        new.stand_for(value)

    def _redirect(self, value: Value, view: ChannelView) -> None:
        replacement = {value: view}
        for node in self.users(value):
            operands = [
                o.substitute(replacement) if isinstance(o, ChannelView) else o
                for o in node.operands
            ]
            self.set_operands(node, operands)
        self.outputs = tuple(view.substitute(replacement) for view in self.outputs)

    def erase(self, node: Node) -> None:
        """Remove a node whose results have no uses; ValueError otherwise."""
        for result in node.results:
            if self.use_count(result):
                raise ValueError(f"cannot erase {node!r}: {result} is used")
        self._graph.remove_nodes_from([node, *node.results])
        self._program.remove(node)
        self._order = None

    def replace(
        self,
        node: Node,
        op: Op,
        operands: Sequence[Operand | Value | None],
        *,
        locations: Sequence[Location] | None = None,
    ) -> Node:
        """Replace a node by a new one with as many results, which keep the names and origins of
        the old ones, and erase the old node."""
        where = node.locations if locations is None else locations
        new = self.add(op, operands, locations=where, before=node)
        for old_result, result in zip(node.results, new.results, strict=True):
            self.supersede(old_result, result)
        self.erase(node)
        return new

    def _connect_operands(self, node: Node) -> None:
        for slot, view in enumerate(node.operands):
            if isinstance(view, ChannelView):
                for value in view.values:
                    if value not in self._graph:
                        raise ValueError(f"{value} does not belong to graph @{self.name}")
                    self._graph.add_edge(value, node, key=slot)

    # names

    def fresh_name(self, wanted: str = "") -> str:
        """Reserve and return a name that no value of the graph has or had."""
        return self._names.fresh(wanted)

    def reserve_names(self, names: Iterable[str]) -> None:
        """Exclude names from `fresh_name`."""
        self._names.take(names)

    # queries

    def producer(self, value: Value) -> Node | None:
        """Return the node that produces a value; None for graph inputs."""
        return next((n for n in self._graph.predecessors(value) if isinstance(n, Node)), None)

    def users(self, value: Value) -> list[Node]:
        """Return the nodes that read a value, each once, in program order."""
        readers = {item for item in self._graph.successors(value) if isinstance(item, Node)}
        return sorted(readers, key=self._program.index)

    def use_count(self, value: Value) -> int:
        """Count the operands and outputs that read a value."""
        outputs = sum(value in view.values for view in self.outputs)
        return int(self._graph.out_degree(value)) + outputs

    def single_user(self, value: Value) -> Node | None:
        """Return the only user of a value; None if it has several or none, or is an output."""
        users = self.users(value)
        return users[0] if len(users) == 1 and self.use_count(value) == 1 else None

    def is_output(self, value: Value) -> bool:
        """Return whether the graph returns (part of) the value."""
        return any(value in view.values for view in self.outputs)

    def topo(self) -> list[Node]:
        """Return the nodes in dependency order, ties in program order."""
        if self._order is None:
            self._order = self._sorted()
        return list(self._order)

    def _sorted(self) -> tuple[Node, ...]:
        position = {node: i for i, node in enumerate(self._program)}
        order = nx.lexicographical_topological_sort(
            self._graph, key=lambda item: position.get(item, -1)
        )
        return tuple(item for item in order if isinstance(item, Node))

    def is_acyclic(self) -> bool:
        """Return whether no value depends on itself."""
        return bool(nx.is_directed_acyclic_graph(self._graph))

    def constants(self) -> dict[str, Constant]:
        """Return the constants in use by name, in order of first use, fused bodies included."""
        return {c.name: c for c in self._walk_constants()}

    def _walk_constants(self) -> Iterator[Constant]:
        for node in self.topo():
            yield from (o for o in node.operands if isinstance(o, Constant))
            for body in node.op.bodies:
                yield from body._walk_constants()

    def clone(self) -> Graph:
        """Copy nodes and values; constants and ops are shared."""
        copy = Graph(self.name, self.meta)
        moved: dict[Value, ChannelView] = {}
        for value in self.inputs:
            moved[value] = ChannelView.of(copy.add_input(value.name, value.type))
            moved[value].value.stand_for(value)
        for node in self.topo():
            operands = [
                o.substitute(moved) if isinstance(o, ChannelView) else o for o in node.operands
            ]
            names = [result.name for result in node.results]
            new = copy.add(node.op, operands, names=names, locations=node.locations)
            new.scratch, new.schedule = node.scratch, node.schedule
            for old, result in zip(node.results, new.results, strict=True):
                result.place = old.place
                result.stand_for(old)
                moved[old] = ChannelView.of(result)
        copy.set_outputs([view.substitute(moved) for view in self.outputs], self.output_names)
        copy._names = self._names.copy()
        copy.arena_bytes = self.arena_bytes
        if self.threads_plan is not None:
            places = self.threads_plan.places.items()
            moved_places = {moved[value].value: place for value, place in places}
            copy.threads_plan = replace(self.threads_plan, places=moved_places)
        return copy

    def place(self, plan: MemoryPlan) -> None:
        """Assign the places of a plan to values and scratch."""
        self.arena_bytes = plan.arena_bytes
        for value in self.inputs:
            value.place = None
        for node in self.topo():
            node.scratch = plan.scratch.get(node)
            for value in node.results:
                value.place = plan.places.get(value)

    def placed_for_threads(self) -> Graph | None:
        """Return a copy with the places of `threads_plan`; None without such a plan."""
        copy = self.clone()
        if copy.threads_plan is None:
            return None
        copy.place(copy.threads_plan)
        return copy
